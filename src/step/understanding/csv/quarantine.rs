//! The table of rows that cannot be read: `file`, `line` (from 1), `code`, `reason` and `text`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::bad_row::BadRow;
use crate::step::StepError;

/// The columns.
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

/// Rows of `file`.
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
