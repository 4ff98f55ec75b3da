//! Single values as JSON and text, for reports and for people.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use serde_json::Value;

/// A value of a canonical column as JSON; dates and timestamps are ISO text.
pub fn json_value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::from(array.as_boolean().value(row)),
        DataType::Int64 => Value::from(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::from(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::from(array.as_string::<i32>().value(row)),
        DataType::Date32 => iso_date(array.as_primitive::<Date32Type>().value(row)).map_or(Value::Null, Value::from),
        DataType::Timestamp(..) => {
            iso_timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row)).map_or(Value::Null, Value::from)
        }
        _ => Value::Null,
    }
}

/// A day, counted from 1970, as `2026-02-28`.
pub fn iso_date(days: i32) -> Option<String> {
    Some(arrow::temporal_conversions::date32_to_datetime(days)?.date().format("%Y-%m-%d").to_string())
}

/// Microseconds since 1970 as `2026-02-28T10:30:00`, with a fraction if there is one.
pub fn iso_timestamp(micros: i64) -> Option<String> {
    let stamp = arrow::temporal_conversions::timestamp_us_to_datetime(micros)?;
    Some(stamp.format("%Y-%m-%dT%H:%M:%S%.f").to_string())
}
