//! Arrow's many types brought down to the few that expressions, checks and statistics compute in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray};
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::datatypes::{DataType, Float64Type, Int32Type, TimeUnit};

/// Microseconds of UTC, the one type of timestamps in computations.
pub const MICROSECONDS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The type in which values of `data_type` are computed: boolean, int64, float64, utf8, date32, microseconds or null;
/// none for nested and binary types.
pub fn canonical_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Null => DataType::Null,
        DataType::Boolean => DataType::Boolean,
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
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(..) => MICROSECONDS,
        DataType::Dictionary(_, value) => return canonical_type(value),
        _ => return None,
    })
}

/// `array` in its canonical type; floats that are not finite become null. None for nested and binary types.
pub fn canonical(array: &ArrayRef) -> Option<ArrayRef> {
    let wanted = canonical_type(array.data_type())?;
    // A clock time with a zone is stored in UTC already; only its label goes.
    let array = match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => cast(array, &DataType::Timestamp(*unit, None)),
        _ => cast(array, &wanted),
    };
    let array = cast(&array, &wanted);
    Some(if wanted == DataType::Float64 { finite_or_null(&array) } else { array })
}

/// `array` as texts with a dictionary, unless that is longer than they are: then nothing is won by looking at it.
pub fn encoded(array: &ArrayRef) -> Option<&DictionaryArray<Int32Type>> {
    let encoded = array.as_dictionary_opt::<Int32Type>()?;
    (*encoded.values().data_type() == DataType::Utf8 && encoded.values().len() <= encoded.len()).then_some(encoded)
}

/// `array` in another type; what does not fit is null. The types are canonical, or lead to one.
pub fn cast(array: &ArrayRef, to: &DataType) -> ArrayRef {
    if array.data_type() == to {
        return array.clone();
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    cast_with_options(array, to, &options).expect("canonical types can be cast to one another")
}

fn finite_or_null(array: &ArrayRef) -> ArrayRef {
    let floats = array.as_primitive::<Float64Type>();
    // The common case costs one pass that the compiler vectorises, and no allocation.
    if floats.values().iter().all(|value| value.is_finite()) {
        return Arc::clone(array);
    }
    let missing = BooleanArray::from_unary(floats, |value| !value.is_finite());
    nullif(array, &missing).expect("the mask has the array's length")
}
