//! The small set of types that steps work with, and how tables from elsewhere are brought to it.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;

use crate::step::StepError;

/// The type that a column of type `found` gets: whole numbers of 64 bits, doubles, text, truth values, days and
/// moments in microseconds. None where there is no such type.
pub fn plain_type(found: &DataType) -> Option<DataType> {
    Some(match found {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => DataType::Int64,
        DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => DataType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::Boolean => DataType::Boolean,
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "+00:00".into()))
        }
        DataType::Dictionary(_, value) => plain_type(value)?,
        _ => return None,
    })
}

/// `batch` with its columns cast to the types of `schema`, which has the same columns.
pub fn plain_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, StepError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            cast_with_options(column, field.data_type(), &options).map_err(|error| {
                let message = format!("a value of column `{}` does not fit {}", field.name(), field.data_type());
                StepError::input("value_range", message).caused_by(error)
            })
        })
        .collect::<Result<Vec<ArrayRef>, StepError>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
