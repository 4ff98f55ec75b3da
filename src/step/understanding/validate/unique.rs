//! `unique`: every row whose value occurs more than once fails, all occurrences of it.

use arrow::array::{Array, ArrayRef};
use arrow::record_batch::RecordBatch;

use super::check::{Outcome, Part};
use super::row_check::Tally;
use crate::expr::Expr;
use crate::table::json_value;
use crate::table::keys::{KeySet, Keys};

/// Keeps the key of every row; sorting them shows what occurs more than once.
pub(super) struct UniqueCheck {
    names: Vec<String>,
    columns: Vec<Expr>,
    narrow: Vec<u64>,
    wide: Vec<u128>,
    /// How many keys there may be: room for all at once spares the copies of a growing list.
    table_rows: usize,
    rows: u64,
    missing: u64,
    /// The keys that occur more than once, when all rows have passed.
    repeated: KeySet<u128>,
    pub(super) tally: Tally,
}

impl UniqueCheck {
    pub(super) fn new(names: Vec<String>, limit: usize, table_rows: u64) -> UniqueCheck {
        UniqueCheck {
            columns: names.iter().map(|name| Expr::column(name)).collect(),
            names,
            narrow: Vec::new(),
            wide: Vec::new(),
            table_rows: usize::try_from(table_rows).unwrap_or(0),
            rows: 0,
            missing: 0,
            repeated: KeySet::default(),
            tally: Tally::new(limit),
        }
    }

    pub(super) fn batch(&mut self, part: &Part) -> Result<(), String> {
        let (values, keys) = self.keys(&part.batch)?;
        let rows = part.batch.num_rows();
        self.rows += rows as u64;
        // A row without any of its values is not looked at.
        let is_missing = |row: usize| values.iter().all(|value| value.is_null(row));
        let before = self.narrow.len() + self.wide.len();
        match &keys {
            Keys::Narrow(_) if before == 0 => self.narrow.reserve_exact(self.table_rows),
            Keys::Wide(_) if before == 0 => self.wide.reserve_exact(self.table_rows),
            _ => {}
        }
        match keys {
            Keys::Narrow(keys) if values[0].null_count() == 0 => self.narrow.extend(keys),
            Keys::Narrow(keys) => {
                let present = keys.into_iter().enumerate().filter(|(row, _)| !is_missing(*row));
                self.narrow.extend(present.map(|(_, key)| key));
            }
            Keys::Wide(keys) => {
                let present = keys.into_iter().enumerate().filter(|(row, _)| !is_missing(*row));
                self.wide.extend(present.map(|(_, key)| key));
            }
        }
        self.missing += (rows - (self.narrow.len() + self.wide.len() - before)) as u64;
        Ok(())
    }

    /// Counts the failing rows, when all rows have passed.
    pub(super) fn finish(&mut self) {
        let mut unexpected = 0;
        let mut narrow = std::mem::take(&mut self.narrow);
        narrow.sort_unstable();
        for run in narrow.chunk_by(|left, right| left == right).filter(|run| run.len() > 1) {
            unexpected += run.len() as u64;
            self.repeated.insert(u128::from(run[0]));
        }
        let mut wide = std::mem::take(&mut self.wide);
        wide.sort_unstable();
        for run in wide.chunk_by(|left, right| left == right).filter(|run| run.len() > 1) {
            unexpected += run.len() as u64;
            self.repeated.insert(run[0]);
        }
        self.tally.count_known(self.rows, self.missing, unexpected);
    }

    /// Finds the failing rows of a batch, on the second pass.
    pub(super) fn find(&mut self, part: &Part) -> Result<(), String> {
        let (values, keys) = self.keys(&part.batch)?;
        for row in 0..part.batch.num_rows() {
            let is_missing = values.iter().all(|value| value.is_null(row));
            if is_missing || !self.repeated.contains(&keys.at(row)) {
                continue;
            }
            let shown = || match values.as_slice() {
                [one] => json_value(one.as_ref(), row),
                many => self
                    .names
                    .iter()
                    .zip(many)
                    .map(|(name, value)| (name.clone(), json_value(value.as_ref(), row)))
                    .collect(),
            };
            if !self.tally.show(part.row(row), shown) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn outcome(&self, mostly: f64) -> Outcome {
        self.tally.outcome(mostly)
    }

    fn keys(&self, batch: &RecordBatch) -> Result<(Vec<ArrayRef>, Keys), String> {
        let values: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|column| column.eval_column(batch).map_err(|error| error.message))
            .collect::<Result<_, _>>()?;
        let keys = match values.as_slice() {
            [one] => Keys::of(one),
            many => Keys::of_rows(many),
        };
        Ok((values, keys))
    }
}
