//! Single values as JSON and text, for reports and for people.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};
use arrow::util::display::array_value_to_string;
use serde_json::Value;

use super::{canonical, cast, digits};

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

/// A value of a column of any type as JSON. What JSON has no number for is text: what is not finite, decimals of more than 63
/// bits or with more digits than a double keeps, and nested and binary values.
pub fn cell(array: &ArrayRef, row: usize) -> Value {
    match array.data_type() {
        _ if array.is_null(row) => Value::Null,
        DataType::Boolean
        | DataType::Int64
        | DataType::Utf8
        | DataType::Date32
        | DataType::Timestamp(TimeUnit::Microsecond, _) => json_value(array.as_ref(), row),
        DataType::Float64 => {
            let number = array.as_primitive::<Float64Type>().value(row);
            if number.is_finite() { Value::from(number) } else { Value::from(not_finite(number)) }
        }
        DataType::Float16 | DataType::Float32 => cell(&cast(&array.slice(row, 1), &DataType::Float64), 0),
        DataType::UInt64 => Value::from(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Decimal64(16.., _) | DataType::Decimal128(16.., _) | DataType::Decimal256(16.., _) => {
            number(digits(&array.slice(row, 1)).as_string::<i32>().value(0))
        }
        _ => match canonical(&array.slice(row, 1)) {
            Some(value) => json_value(value.as_ref(), 0),
            None => array_value_to_string(array, row).map_or(Value::Null, Value::from),
        },
    }
}

/// The digits of a number as a number if that keeps all of them, else as text.
pub fn number(digits: &str) -> Value {
    if let Ok(whole) = digits.parse::<i64>() {
        return Value::from(whole);
    }
    // Whoever reads `1e20` cannot know that no digit is lost.
    let double = digits.parse::<f64>().ok().filter(|double| digits.contains('.') && double.to_string() == digits);
    double.map_or_else(|| Value::from(digits), Value::from)
}

/// The usual name of a number that is not finite.
pub fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, Decimal64Array, Decimal128Array, Float32Array, Int32Array, ListArray, TimestampNanosecondArray,
        UInt64Array,
    };
    use arrow::datatypes::Int32Type;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_of_any_type_is_shown_with_all_that_it_says() {
        let decimals = |digits, precision| {
            Decimal128Array::from(vec![None, Some(digits)]).with_precision_and_scale(precision, 2).unwrap()
        };
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([None, Some([Some(1), None])]);
        let shown: Vec<(ArrayRef, Value)> = vec![
            (Arc::new(Int32Array::from(vec![None, Some(7)])), json!(7)),
            (Arc::new(UInt64Array::from(vec![None, Some(u64::MAX)])), json!(u64::MAX)),
            (Arc::new(Float32Array::from(vec![None, Some(0.5)])), json!(0.5)),
            (Arc::new(Float32Array::from(vec![None, Some(f32::NEG_INFINITY)])), json!("-inf")),
            (Arc::new(decimals(150, 9)), json!(1.5)),
            (Arc::new(decimals(150, 18)), json!(1.5)),
            (
                Arc::new(
                    Decimal64Array::from(vec![None, Some(i64::MAX / 10)]).with_precision_and_scale(18, 2).unwrap(),
                ),
                json!("9223372036854775.8"),
            ),
            (Arc::new(decimals(10_i128.pow(20) + 1, 30)), json!("1000000000000000000.01")),
            (Arc::new(TimestampNanosecondArray::from(vec![None, Some(0)])), json!("1970-01-01T00:00:00")),
            (Arc::new(list), json!("[1, ]")),
            (Arc::new(BinaryArray::from(vec![None, Some(&b"\x00\xff"[..])])), json!("00ff")),
        ];
        for (array, expected) in shown {
            assert_eq!((cell(&array, 0), cell(&array, 1)), (Value::Null, expected));
        }
    }
}
