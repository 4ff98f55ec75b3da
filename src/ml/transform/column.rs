//! The few column types that transforms know, and the way every other Arrow type becomes one of them.
//!
//! A Parquet batch and a JSON request both pass through [`canonical`], so that what follows cannot tell them apart.
//! A missing value is always a null: NaN becomes one here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use serde::{Deserialize, Serialize};

use super::TransformError;
use crate::table::{canonical_type, encoded};

/// What a column holds, as far as transforms care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// A whole number, 64 bits.
    Int,
    /// A number, 64 bits.
    Float,
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// A day.
    Date,
    /// A moment in UTC, to the microsecond.
    Timestamp,
}

impl ColumnType {
    /// The type that columns of an Arrow type become; `None` for nested and binary ones.
    pub fn of(data_type: &DataType) -> Option<ColumnType> {
        Some(match canonical_type(data_type)? {
            DataType::Int64 => ColumnType::Int,
            DataType::Float64 => ColumnType::Float,
            DataType::Boolean => ColumnType::Bool,
            DataType::Date32 => ColumnType::Date,
            DataType::Timestamp(..) => ColumnType::Timestamp,
            _ => ColumnType::Text,
        })
    }

    /// The Arrow type of the canonical form.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Int => DataType::Int64,
            ColumnType::Float => DataType::Float64,
            ColumnType::Text => DataType::Utf8,
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Date => DataType::Date32,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// The type in a message for people.
    pub fn describe(self) -> &'static str {
        match self {
            ColumnType::Int => "an integer",
            ColumnType::Float => "a number",
            ColumnType::Text => "text",
            ColumnType::Bool => "a boolean",
            ColumnType::Date => "a date",
            ColumnType::Timestamp => "a timestamp",
        }
    }

    /// A column of this type without rows.
    pub fn empty(self) -> ArrayRef {
        new_null_array(&self.arrow(), 0)
    }
}

/// `array` in the canonical form of `wanted`, for the column called `name`.
///
/// # Errors
/// When the column holds something else, such as text where numbers were in the fit table.
pub fn canonical(name: &str, array: &ArrayRef, wanted: ColumnType) -> Result<ArrayRef, TransformError> {
    let found = ColumnType::of(array.data_type()).ok_or_else(|| unusable(name, array.data_type()))?;
    // A column of no type at all has no mask either.
    let is_all_null = array.logical_null_count() == array.len();
    if is_all_null && *array.data_type() != wanted.arrow() {
        return Ok(new_null_array(&wanted.arrow(), array.len()));
    }
    let fits = match (found, wanted) {
        (found, wanted) if found == wanted => true,
        (ColumnType::Int, ColumnType::Float) | (ColumnType::Date, ColumnType::Timestamp) => true,
        (ColumnType::Float, ColumnType::Int) => is_whole(array)?,
        _ => false,
    };
    if !fits {
        let message =
            format!("column `{name}` holds {} here, where the fit table has {}", found.describe(), wanted.describe());
        return Err(TransformError::input("column_type", message)
            .help("give both tables the same `types` where they are ingested"));
    }
    let array = if *array.data_type() == wanted.arrow() {
        Arc::clone(array)
    } else {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, &wanted.arrow(), &options).map_err(|error| {
            TransformError::input(
                "column_type",
                format!("column `{name}` cannot be read as {}: {error}", wanted.describe()),
            )
        })?
    };
    Ok(if wanted == ColumnType::Float { nan_to_null(&array) } else { array })
}

/// As [`canonical`], but text that comes with its dictionary keeps it.
///
/// # Errors
/// As [`canonical`].
pub(super) fn canonical_or_encoded(
    name: &str,
    array: &ArrayRef,
    wanted: ColumnType,
) -> Result<ArrayRef, TransformError> {
    let is_encoded = wanted == ColumnType::Text && encoded(array).is_some_and(|texts| texts.values().null_count() == 0);
    if is_encoded { Ok(Arc::clone(array)) } else { canonical(name, array, wanted) }
}

/// The error for a column of a type that no transform knows.
pub(super) fn unusable(name: &str, data_type: &DataType) -> TransformError {
    TransformError::input("column_type", format!("column `{name}` is of type {data_type}, which no transform can use"))
        .help(format!("put `{name}` under `drop`, or turn it into numbers or text before this step"))
}

/// A number column (integer, number or boolean) as floats.
pub(super) fn numbers(array: &ArrayRef) -> Result<Float64Array, TransformError> {
    match array.data_type() {
        DataType::Float64 => Ok(array.as_primitive::<Float64Type>().clone()),
        DataType::Int64 => Ok(array.as_primitive::<Int64Type>().unary(|value| value as f64)),
        other => {
            let cast = arrow::compute::cast(array, &DataType::Float64)
                .map_err(|_| TransformError::input("column_type", format!("{other} is not a number")))?;
            Ok(cast.as_primitive::<Float64Type>().clone())
        }
    }
}

/// What `of` makes of each value that is there; what lies under a null is not looked at.
pub(super) fn map_present(values: &Float64Array, of: impl Fn(f64) -> f64) -> Float64Array {
    if values.null_count() == 0 { values.unary(of) } else { values.iter().map(|value| value.map(&of)).collect() }
}

/// The same column with a null for each NaN.
pub(super) fn nan_to_null(array: &ArrayRef) -> ArrayRef {
    let floats = array.as_primitive::<Float64Type>();
    if !floats.values().iter().any(|value| value.is_nan()) {
        return Arc::clone(array);
    }
    Arc::new(floats.iter().map(|value| value.filter(|value| !value.is_nan())).collect::<Float64Array>())
}

fn is_whole(array: &ArrayRef) -> Result<bool, TransformError> {
    let floats = numbers(array)?;
    Ok(floats.iter().flatten().all(|value| value.fract() == 0.0 && value.abs() < 9.007_199_254_740_992e15))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringViewArray};

    use super::*;

    #[test]
    fn nan_is_a_missing_value() {
        let array: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN]));
        assert_eq!(canonical("x", &array, ColumnType::Float).unwrap().null_count(), 1);
    }

    #[test]
    fn narrow_types_become_the_canonical_ones() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        assert_eq!(canonical("x", &array, ColumnType::Float).unwrap().data_type(), &DataType::Float64);
        let array: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
        assert_eq!(canonical("x", &array, ColumnType::Text).unwrap().data_type(), &DataType::Utf8);
    }

    #[test]
    fn another_type_than_in_the_fit_table_is_refused() {
        let array: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
        let error = canonical("x", &array, ColumnType::Float).unwrap_err();
        insta::assert_snapshot!(error, @"column `x` holds text here, where the fit table has a number");
        let array: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
        assert!(canonical("x", &array, ColumnType::Int).is_err());
    }
}
