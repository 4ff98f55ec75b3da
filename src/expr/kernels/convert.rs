//! Casts that a user asks for: `int`, `float`, `string` and `bool`. What cannot be read is null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, new_null_array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::super::functions::Function;
use super::super::types::Type;
use super::{date, number};
use crate::table::cast;

/// `array`, of type `from`, after the cast that `function` names.
pub(in super::super) fn convert(function: Function, from: Type, array: &ArrayRef) -> ArrayRef {
    match function {
        Function::ToInt => to_int(from, array),
        Function::ToFloat => to_float(from, array),
        Function::ToText => to_text(from, array),
        _ => to_bool(from, array),
    }
}

fn to_int(from: Type, array: &ArrayRef) -> ArrayRef {
    match from {
        Type::Float => {
            let floats = array.as_primitive::<Float64Type>();
            Arc::new(floats.unary_opt::<_, Int64Type>(whole))
        }
        Type::Text => {
            let read = |text: &str| text.trim().parse().ok();
            Arc::new(array.as_string::<i32>().iter().map(|text| text.and_then(read)).collect::<Int64Array>())
        }
        _ => cast(array, &DataType::Int64),
    }
}

/// A float without its decimals, if it fits.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn whole(value: f64) -> Option<i64> {
    // 2^63 itself does not fit, and is the first float above the greatest int.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&value).then_some(value as i64)
}

fn to_float(from: Type, array: &ArrayRef) -> ArrayRef {
    if from == Type::Text {
        let read = |text: &str| text.trim().parse().ok();
        let floats: Float64Array = array.as_string::<i32>().iter().map(|text| text.and_then(read)).collect();
        return Arc::new(number::finite_or_null(floats));
    }
    if from == Type::Bool {
        // Arrow casts no bool to float in one step.
        return cast(&cast(array, &DataType::Int64), &DataType::Float64);
    }
    cast(array, &DataType::Float64)
}

fn to_text(from: Type, array: &ArrayRef) -> ArrayRef {
    match from {
        Type::Null => new_null_array(&DataType::Utf8, array.len()),
        Type::Float => {
            let floats = array.as_primitive::<Float64Type>();
            Arc::new(floats.iter().map(|value| value.map(|value| value.to_string())).collect::<StringArray>())
        }
        Type::Date | Type::Timestamp => {
            Arc::new((0..array.len()).map(|row| date::iso(array, row)).collect::<StringArray>())
        }
        _ => cast(array, &DataType::Utf8),
    }
}

fn to_bool(from: Type, array: &ArrayRef) -> ArrayRef {
    match from {
        Type::Int => Arc::new(BooleanArray::from_unary(array.as_primitive::<Int64Type>(), |value| value != 0)),
        Type::Float => Arc::new(BooleanArray::from_unary(array.as_primitive::<Float64Type>(), |value| value != 0.0)),
        Type::Text => {
            let read = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true),
                "false" | "no" | "0" => Some(false),
                _ => None,
            };
            Arc::new(array.as_string::<i32>().iter().map(|text| text.and_then(read)).collect::<BooleanArray>())
        }
        _ => cast(array, &DataType::Boolean),
    }
}
