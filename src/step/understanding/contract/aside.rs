//! Rows that break a contract, put aside in the table that bad rows of a file go to.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value};

use crate::step::understanding::source::{BadRow, aside as quarantine};
use crate::step::{StagedTable, StepContext, StepError};
use crate::table::{TableReader, cell};

/// The output `quarantine` while it is written.
pub(super) struct Aside {
    table: StagedTable,
    /// For each row that was taken on this pass, how many stay before it.
    taken: Vec<u64>,
    /// The same for the rows that an earlier pass took, which the table of this one lacks.
    gone: Vec<u64>,
}

impl Aside {
    /// Begins with the rows that the step has put aside already.
    pub(super) fn begin(context: &StepContext) -> Result<Aside, StepError> {
        let mut table = context.create_table(&quarantine::schema())?;
        if let Some(earlier) = context.made("quarantine") {
            for batch in TableReader::open(&context.path(earlier)?)?.batches()? {
                table.write(&batch?)?;
            }
        }
        Ok(Aside { table, taken: Vec::new(), gone: Vec::new() })
    }

    /// The next pass is over the table without the rows that were taken.
    pub(super) fn next_pass(&mut self) {
        self.gone.append(&mut self.taken);
    }

    /// Takes rows of a batch whose first row is row `first` of the table; `reasons` has the text for each row that goes.
    pub(super) fn take(
        &mut self,
        batch: &RecordBatch,
        first: u64,
        reasons: &[Option<String>],
    ) -> Result<(), StepError> {
        let mut rows = Vec::new();
        for (row, message) in reasons.iter().enumerate().filter_map(|(row, reason)| Some((row, reason.clone()?))) {
            let place = first + row as u64;
            self.taken.push(place - self.taken.len() as u64);
            let gone = self.gone.partition_point(|staying| *staying <= place) as u64;
            let line = place + gone + 1;
            rows.push(BadRow { line, code: "contract_violated", message, text: as_json(batch, row) });
        }
        if rows.is_empty() { Ok(()) } else { self.table.write(&quarantine::batch("", &rows)?) }
    }

    /// Publishes the output; gives the number of rows that were taken.
    pub(super) fn finish(self, context: &mut StepContext) -> Result<u64, StepError> {
        context.finish_table("quarantine", self.table)?;
        Ok((self.gone.len() + self.taken.len()) as u64)
    }
}

/// For each row whether it stays.
pub(super) fn staying(reasons: &[Option<String>]) -> BooleanArray {
    reasons.iter().map(|reason| Some(reason.is_none())).collect()
}

/// Adds a reason to every row where `rows` is true.
pub(super) fn blame(reasons: &mut [Option<String>], rows: &BooleanArray, why: impl Fn(usize) -> String) {
    for (row, reason) in reasons.iter_mut().enumerate().take(rows.len()) {
        if rows.is_valid(row) && rows.value(row) {
            *reason = Some(match reason.take() {
                None => why(row),
                Some(earlier) => format!("{earlier}; {}", why(row)),
            });
        }
    }
}

/// A value for messages.
pub(super) fn shown_value(array: &ArrayRef, row: usize) -> String {
    match cell(array, row) {
        Value::String(text) => text.chars().take(60).collect(),
        other => other.to_string(),
    }
}

/// A row as JSON.
fn as_json(batch: &RecordBatch, row: usize) -> String {
    let cells: Map<String, Value> = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| (field.name().clone(), cell(column, row)))
        .collect();
    Value::Object(cells).to_string()
}
