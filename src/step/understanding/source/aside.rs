//! What is done with rows that cannot be read, whatever the source: they end the step, are left out, or are kept in a
//! table `quarantine` with `file`, `line` (from 1), `code`, `reason` and `text`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::artifact::ArtifactKind;
use crate::step::understanding::contract::OnViolation;
use crate::step::{OutputPort, Ports, StagedTable, StepContext, StepError};

/// What is done with rows that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// The first one ends the step.
    #[default]
    Error,
    /// They are counted and left out.
    Skip,
    /// They are left out and kept in the output `quarantine`.
    Quarantine,
}

impl BadRows {
    /// The outputs of a step that reads rows under a contract: the table, and what is set aside.
    pub fn ports(self, on_violation: OnViolation) -> Ports {
        let quarantine = (self == BadRows::Quarantine).then(|| OutputPort::new("quarantine", ArtifactKind::Table));
        let quarantine = quarantine.or(on_violation.port());
        let table = OutputPort::new("table", ArtifactKind::Table);
        Ports::new([], [table].into_iter().chain(quarantine).collect::<Vec<_>>())
    }
}

/// A row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The line that it starts on, or its number, from 1.
    pub line: u64,
    /// The code of the error that it would have been.
    pub code: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// Its text: as it stands in the file if it could not be cut into values, else its values with the delimiter between
    /// them. Bytes that are no text are replaced.
    pub text: String,
}

/// How many of them are shown in the log.
const SHOWN: usize = 3;

/// Takes the bad rows of a pass.
pub struct Aside {
    bad_rows: BadRows,
    table: Option<StagedTable>,
    count: u64,
    first: Vec<String>,
}

impl Aside {
    /// Nothing yet; the quarantine begins where there is one.
    pub fn begin(context: &StepContext, bad_rows: BadRows) -> Result<Aside, StepError> {
        let table = match bad_rows {
            BadRows::Quarantine => Some(context.create_table(&schema())?),
            BadRows::Error | BadRows::Skip => None,
        };
        Ok(Aside { bad_rows, table, count: 0, first: Vec::new() })
    }

    /// Takes rows of `file`.
    pub fn put(&mut self, file: &str, rows: &[BadRow]) -> Result<(), StepError> {
        self.count += rows.len() as u64;
        let shown = rows.iter().take(SHOWN.saturating_sub(self.first.len()));
        self.first.extend(shown.map(|row| format!("`{file}`: {}", row.message)));
        match &mut self.table {
            Some(table) if !rows.is_empty() => table.write(&batch(file, rows)?),
            _ => Ok(()),
        }
    }

    /// A remark for the progress: how many rows were read, and how many cannot be.
    pub fn note(&self, rows: u64) -> String {
        if self.count == 0 { format!("{rows} rows") } else { format!("{rows} rows, {} bad", self.count) }
    }

    /// Reports what was left out beside `rows` good rows, and publishes the quarantine. `code` and `help` are for the case that
    /// none is good.
    pub fn finish(self, context: &mut StepContext, rows: u64, code: &'static str, help: &str) -> Result<(), StepError> {
        if let (0, Some(first)) = (rows, self.first.first()) {
            let message = format!("none of {} rows can be read; {first}", self.count);
            return Err(StepError::input(code, message).help(help));
        }
        if self.count > 0 {
            let all = rows + self.count;
            context.log(format!("warning: {} of {all} rows cannot be read and are left out, such as:", self.count));
            for row in &self.first {
                context.log(format!("warning: {row}"));
            }
        }
        if let Some(table) = self.table {
            context.finish_table("quarantine", table)?;
        }
        if self.bad_rows != BadRows::Error {
            context.metric("bad_rows", self.count as f64);
        }
        Ok(())
    }
}

/// The columns of the quarantine.
pub fn schema() -> SchemaRef {
    let field = |name, data_type| Field::new(name, data_type, false);
    let text = || DataType::Utf8;
    Arc::new(Schema::new(vec![
        field("file", text()),
        field("line", DataType::Int64),
        field("code", text()),
        field("reason", text()),
        field("text", text()),
    ]))
}

/// Rows of `file` for the quarantine.
///
/// # Errors
/// Never but by a bug: the columns have one length.
pub fn batch(file: &str, rows: &[BadRow]) -> Result<RecordBatch, StepError> {
    let texts = |of: fn(&BadRow) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
    let lines = rows.iter().map(|row| i64::try_from(row.line).unwrap_or(i64::MAX));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| file))),
        Arc::new(Int64Array::from_iter_values(lines)),
        texts(|row| row.code),
        texts(|row| &row.message),
        texts(|row| &row.text),
    ];
    RecordBatch::try_new(schema(), columns)
        .map_err(|error| StepError::bug("rows that were set aside do not make a batch").caused_by(error))
}
