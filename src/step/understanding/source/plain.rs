//! The small set of types that steps work with, and how tables from elsewhere are brought to it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, LargeStringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::step::StepError;
use crate::table::{canonical_type, doubles};

/// The type that a column of type `found` gets: whole numbers of 64 bits, doubles, text, truth values, days and
/// moments in microseconds. None where there is no such type.
pub fn plain_type(found: &DataType) -> Option<DataType> {
    Some(match (canonical_type(found)?, found) {
        (DataType::Null, _) => DataType::Utf8,
        // A moment keeps that it was given with a zone; its value is UTC either way.
        (DataType::Timestamp(unit, _), DataType::Timestamp(_, Some(_))) => {
            DataType::Timestamp(unit, Some("+00:00".into()))
        }
        (canonical, _) => canonical,
    })
}

/// Texts that stand beyond the first 2 GiB of what their column holds, in a column of their own.
fn near(column: &ArrayRef) -> ArrayRef {
    match column.as_string_opt::<i64>() {
        Some(texts) if texts.offsets().last().is_some_and(|end| *end > i64::from(i32::MAX)) => {
            Arc::new(texts.iter().collect::<LargeStringArray>())
        }
        _ => Arc::clone(column),
    }
}

/// `batch` with its columns cast to the types of `schema`, which has the same columns. `place` says in messages where its rows are
/// from.
///
/// # Errors
/// `value_range` for a value that its new type cannot hold.
pub fn plain_batch(
    batch: &RecordBatch,
    schema: &SchemaRef,
    place: &dyn Fn() -> String,
) -> Result<RecordBatch, StepError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            if *field.data_type() == DataType::Float64
                && let Some(doubles) = doubles(column)
            {
                return Ok(doubles);
            }
            cast_with_options(&near(column), field.data_type(), &options).map_err(|error| {
                let (name, wanted) = (field.name(), field.data_type());
                let message = format!("{} column `{name}` has a value that does not fit {wanted}", place());
                StepError::input("value_range", message)
                    .caused_by(error)
                    .help("cast it where the rows are made, or leave the column out")
            })
        })
        .collect::<Result<Vec<ArrayRef>, StepError>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
