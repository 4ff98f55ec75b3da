//! `unique` and `primary_key`: every row whose value occurs more than once fails, all occurrences of it.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::record_batch::RecordBatch;

use super::check::Part;
use super::column::Column;
use super::row_check::Tally;
use super::row_test::{Shown, shown};
use crate::table::keys::{KeySet, Keys};

/// What becomes of rows that lack values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// A row without any of its values is not looked at.
    AllIgnored,
    /// A row that lacks any of its values is not looked at.
    AnyIgnored,
    /// A missing value is a value like others.
    Value,
    /// A row that lacks any of its values fails.
    Fails,
}

/// Keeps the key of every row; sorting them shows what occurs more than once.
pub(super) struct UniqueCheck {
    columns: Vec<Column>,
    missing_rows: Missing,
    narrow: Vec<u64>,
    wide: Vec<u128>,
    /// How many keys there may be: room for all at once spares the copies of a growing list.
    table_rows: usize,
    rows: u64,
    missing: u64,
    /// Rows that fail for want of a value.
    incomplete: u64,
    /// The keys that occur more than once, when all rows have passed.
    repeated: KeySet<u128>,
    pub(super) tally: Tally,
}

/// What is done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Compared,
    Ignored,
    Failed,
}

impl UniqueCheck {
    pub(super) fn new(columns: Vec<Column>, missing_rows: Missing, limit: usize, table_rows: u64) -> UniqueCheck {
        UniqueCheck {
            columns,
            missing_rows,
            narrow: Vec::new(),
            wide: Vec::new(),
            table_rows: usize::try_from(table_rows).unwrap_or(0),
            rows: 0,
            missing: 0,
            incomplete: 0,
            repeated: KeySet::default(),
            tally: Tally::new(limit),
        }
    }

    pub(super) fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    pub(super) fn batch(&mut self, part: &Part) -> Result<(), String> {
        let (values, keys) = self.keys(&part.batch)?;
        let rows = part.batch.num_rows();
        self.rows += rows as u64;
        let before = self.narrow.len() + self.wide.len();
        match &keys {
            Keys::Narrow(_) if before == 0 => self.narrow.reserve_exact(self.table_rows),
            Keys::Wide(_) if before == 0 => self.wide.reserve_exact(self.table_rows),
            _ => {}
        }
        if values.iter().all(|value| value.logical_null_count() == 0) {
            match keys {
                Keys::Narrow(keys) => self.narrow.extend(keys),
                Keys::Wide(keys) => self.wide.extend(keys),
            }
            return Ok(());
        }
        for row in 0..rows {
            match self.look(&values, row) {
                Look::Compared => match &keys {
                    Keys::Narrow(keys) => self.narrow.push(keys[row]),
                    Keys::Wide(keys) => self.wide.push(keys[row]),
                },
                Look::Ignored => self.missing += 1,
                Look::Failed => self.incomplete += 1,
            }
        }
        Ok(())
    }

    /// Counts the failing rows, when all rows have passed.
    pub(super) fn finish(&mut self) {
        let mut unexpected = self.incomplete;
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

    /// For each row whether it passes, on the second pass; failing rows are remembered.
    pub(super) fn again(&mut self, part: &Part) -> Result<BooleanArray, String> {
        let (values, keys) = self.keys(&part.batch)?;
        let passes: BooleanArray = (0..part.batch.num_rows())
            .map(|row| match self.look(&values, row) {
                Look::Ignored => None,
                Look::Failed => Some(false),
                Look::Compared => Some(!self.repeated.contains(&keys.at(row))),
            })
            .collect();
        let how = if self.columns.len() == 1 { Shown::Plain } else { Shown::ByName };
        for row in (0..passes.len()).filter(|row| passes.is_valid(*row) && !passes.value(*row)) {
            let columns = &self.columns;
            if !self.tally.show(part.row(row), || shown(columns, how, &values, row)) {
                break;
            }
        }
        Ok(passes)
    }

    fn look(&self, values: &[ArrayRef], row: usize) -> Look {
        let is_null = |value: &ArrayRef| value.is_null(row) || value.data_type().is_null();
        match self.missing_rows {
            Missing::AllIgnored if values.iter().all(is_null) => Look::Ignored,
            Missing::AnyIgnored if values.iter().any(is_null) => Look::Ignored,
            Missing::Fails if values.iter().any(is_null) => Look::Failed,
            _ => Look::Compared,
        }
    }

    fn keys(&self, batch: &RecordBatch) -> Result<(Vec<ArrayRef>, Keys), String> {
        let values: Vec<ArrayRef> = self.columns.iter().map(|column| column.read(batch)).collect::<Result<_, _>>()?;
        let keys = match values.as_slice() {
            // The key of a null means nothing, so where it is a value, it needs one of its own.
            [one] if self.missing_rows != Missing::Value => Keys::of(one),
            many => Keys::of_rows(many),
        };
        Ok((values, keys))
    }
}
