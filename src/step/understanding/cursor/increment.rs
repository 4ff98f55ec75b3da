//! One incremental read: which rows are new, and how far they reach.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use serde_json::json;

use super::mark::{Lookback, Mark};
use super::position::Position;
use super::{Mode, append};
use crate::artifact::Digest;
use crate::step::understanding::contract::type_of;
use crate::step::understanding::csv::ColumnType;
use crate::step::{StepContext, StepError};
use crate::table::keys::KeyHasher;

/// A row's hash with its number of copies.
type Counts = HashMap<u128, u64, BuildHasherDefault<KeyHasher>>;

/// Rows of a source from where the last run ended.
///
/// Rows whose cursor equals the position are read again, since others with the same value may have come in the meantime; those
/// that were read already are told by a hash of the whole row and left out. So no row is lost at the boundary and none comes
/// twice. `lookback` moves the beginning further back, for rows that come late.
pub struct Increment {
    cursor: String,
    mode: Mode,
    lookback: Option<String>,
    source: Digest,
    former: Option<Position>,
    /// Rows that the last run has read, from where they are known one by one.
    known: Counts,
    column_type: Option<ColumnType>,
    reach: Lookback,
    greatest: Option<Mark>,
    /// Hashes of what was read, by cursor, as far back as the next run looks.
    recent: BTreeMap<Mark, Vec<u128>>,
    without_value: u64,
    new_rows: u64,
}

impl Increment {
    /// Begins where the last run ended. `source` tells this source from others.
    ///
    /// # Errors
    /// The position of the last run cannot be read.
    pub fn begin(
        context: &mut StepContext,
        cursor: &str,
        mode: Mode,
        lookback: Option<&str>,
        source: Digest,
    ) -> Result<Increment, StepError> {
        let former = Position::former(context, cursor, source)?;
        let mut known = Counts::default();
        for (hash, count) in former.iter().flat_map(|position| &position.known) {
            let hash = u128::from_str_radix(hash, 16)
                .map_err(|error| StepError::bug("a hash in a position is none").caused_by(error))?;
            known.insert(hash, *count);
        }
        match &former {
            Some(position) => context.log(format!("goes on from `{cursor}` {}", position.shown)),
            None => context.log(format!("no earlier position of `{cursor}`: everything is read")),
        }
        Ok(Increment {
            cursor: cursor.to_owned(),
            mode,
            lookback: lookback.map(str::to_owned),
            source,
            known,
            column_type: former.as_ref().map(|position| position.column_type),
            reach: Lookback::None,
            greatest: former.as_ref().map(|position| position.value.clone()),
            former,
            recent: BTreeMap::new(),
            without_value: 0,
            new_rows: 0,
        })
    }

    /// From where on rows must be read, with the cursor's type; none if all must be.
    pub fn from(&self) -> Option<(&str, ColumnType, Mark)> {
        let former = self.former.as_ref()?;
        let reach = self.reach_for(former.column_type).unwrap_or(Lookback::None);
        Some((&self.cursor, former.column_type, first_wanted(former, reach)))
    }

    fn reach_for(&self, column_type: ColumnType) -> Result<Lookback, StepError> {
        let Some(text) = &self.lookback else { return Ok(Lookback::None) };
        Lookback::parse(text, column_type).map_err(|reason| {
            StepError::input("lookback", format!("`lookback` of the cursor `{}`: {reason}", self.cursor))
        })
    }

    /// Learns the types of the rows that will come.
    ///
    /// # Errors
    /// There is no such column, or it is none that rows can be ordered by.
    pub fn meet(&mut self, schema: &Schema) -> Result<(), StepError> {
        let field = schema.field_with_name(&self.cursor).map_err(|_| {
            let available = schema.fields().iter().map(|field| field.name().clone()).collect();
            StepError::from(crate::table::TableError::NoColumn { column: self.cursor.clone(), available })
        })?;
        let found = type_of(field.data_type()).filter(|found| Mark::is_of(*found)).ok_or_else(|| {
            let message =
                format!("the cursor `{}` is {}, by which rows are in no order", self.cursor, field.data_type());
            StepError::input("cursor_type", message)
                .help("choose a column of whole numbers, days, moments or texts that only grows")
        })?;
        // Where no row comes, a source without types cannot tell the cursor's.
        self.reach = self.reach_for(self.former.as_ref().map_or(found, |former| former.column_type))?;
        self.column_type = Some(found);
        Ok(())
    }

    /// The rows of a batch that no run has read before; `hashes` has one for each row, by what the source gave.
    ///
    /// # Errors
    /// The cursor has another type than in the last run.
    pub fn take(&mut self, batch: &RecordBatch, hashes: &[u128]) -> Result<RecordBatch, StepError> {
        if batch.num_rows() == 0 {
            return Ok(batch.clone());
        }
        if let (Some(former), Some(found)) = (&self.former, self.column_type)
            && former.column_type != found
        {
            let message =
                format!("the cursor `{}` was {} in the last run and is {found} now", self.cursor, former.column_type);
            return Err(StepError::input("cursor_type", message)
                .help("cast it in the query, or read everything again with `--refresh` and the step's name"));
        }
        let cursors = batch.column_by_name(&self.cursor).ok_or_else(|| StepError::bug("the cursor is gone"))?.clone();
        let begin = self.former.as_ref().map(|former| (first_wanted(former, self.reach), former.value.clone()));
        let mut keep = Vec::with_capacity(batch.num_rows());
        for (row, &hash) in hashes.iter().enumerate() {
            let Some(mark) = Mark::at(&cursors, row) else {
                self.without_value += 1;
                keep.push(false);
                continue;
            };
            let is_new = match &begin {
                Some((first, _)) if mark < *first => false,
                Some((_, last)) if mark <= *last => !self.is_known(hash),
                _ => true,
            };
            keep.push(is_new);
            self.new_rows += u64::from(is_new);
            self.remember(mark, hash);
        }
        Ok(filter_record_batch(batch, &BooleanArray::from(keep))?)
    }

    fn is_known(&mut self, hash: u128) -> bool {
        match self.known.get_mut(&hash) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    /// Keeps the hash of a row for the next run, as long as that would read it again.
    fn remember(&mut self, mark: Mark, hash: u128) {
        if self.greatest.as_ref().is_none_or(|greatest| mark > *greatest) {
            let first = mark.before(self.reach);
            if self.recent.first_key_value().is_some_and(|(least, _)| *least < first) {
                self.recent = self.recent.split_off(&first);
            }
            self.greatest = Some(mark.clone());
        }
        if self.greatest.as_ref().is_some_and(|greatest| mark >= greatest.before(self.reach)) {
            self.recent.entry(mark).or_default().push(hash);
        }
    }

    /// Publishes the position, and joins the new rows, which are the output `table`, to those of the last run if they are to be
    /// appended. Gives the number of rows of the table.
    ///
    /// # Errors
    /// Rows have no cursor, or the new rows do not fit the earlier ones.
    pub fn finish(self, context: &mut StepContext, rows: u64) -> Result<u64, StepError> {
        if self.without_value > 0 {
            let message = format!("{} rows have no value in the cursor `{}`", self.without_value, self.cursor);
            return Err(StepError::input("cursor_null", message).help(
                "they could never be told from rows that were read; leave them out in the query, or fill them with \
                       `COALESCE`",
            ));
        }
        let rows = match (self.mode, &self.former) {
            (Mode::Append, Some(_)) => append::join(context, rows)?,
            _ => rows,
        };
        context.metric("new_rows", self.new_rows as f64);
        context.log(format!("{} new rows", self.new_rows));
        let position = self.position();
        if let Some(position) = &position {
            context.log(format!("the position of `{}` is now {}", position.cursor, position.shown));
        }
        let document = match position {
            Some(position) => serde_json::to_value(position)
                .map_err(|error| StepError::bug("a position is no JSON").caused_by(error))?,
            None => json!({"format": 1, "cursor": self.cursor, "value": null}),
        };
        context.commit_report("position", &document)?;
        Ok(rows)
    }

    fn position(&self) -> Option<Position> {
        let (value, column_type) = (self.greatest.clone()?, self.column_type?);
        let column_type = self.former.as_ref().map_or(column_type, |former| former.column_type);
        let known_from = match &self.former {
            // Rows before are known to nobody any more.
            Some(former) => value.before(self.reach).max(first_wanted(former, self.reach)),
            None => value.before(self.reach),
        };
        let mut position = Position::at(&self.cursor, column_type, value, known_from, self.source);
        for hash in self.recent.values().flatten() {
            *position.known.entry(format!("{hash:032x}")).or_default() += 1;
        }
        Some(position)
    }
}

/// Whether every value of a column is missing.
pub(super) fn is_empty(column: &ArrayRef) -> bool {
    column.null_count() == column.len()
}

/// Where reading begins: as far back as asked, but not where rows that were read are not known any more.
fn first_wanted(former: &Position, reach: Lookback) -> Mark {
    former.value.before(reach).max(former.known_from.clone())
}
