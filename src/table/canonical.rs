//! Arrow's many types brought down to the few that expressions, checks and statistics compute in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array};
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, Int64Type, TimeUnit, UInt64Type,
};

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

/// The type of the values, which a dictionary may hold.
pub fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value_type(value),
        other => other,
    }
}

/// `array` as statistics compute with it: in its canonical type, but unsigned numbers as doubles, which take them all. None for
/// nested and binary types.
pub fn computed(array: &ArrayRef) -> Option<ArrayRef> {
    let is_unsigned = *value_type(array.data_type()) == DataType::UInt64;
    if is_unsigned { Some(cast(array, &DataType::Float64)) } else { canonical(array) }
}

/// The first value that has no place in the canonical type, and so is null there: an unsigned number beyond 63 bits, or a
/// moment of another age, which is told as the number that is stored.
pub fn misfit(array: &ArrayRef) -> Option<String> {
    let plain = value_type(array.data_type());
    let is_narrower = matches!(
        plain,
        DataType::UInt64 | DataType::Date64 | DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _)
    );
    if !is_narrower {
        return None;
    }
    let canonical = canonical(array)?;
    if canonical.null_count() == array.logical_null_count() {
        return None;
    }
    let nulls = array.logical_nulls();
    let is_there = |row: &usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row));
    let row = (0..array.len()).filter(is_there).find(|row| canonical.is_null(*row))?;
    let stored = cast(&array.slice(row, 1), plain);
    Some(match plain {
        DataType::UInt64 => stored.as_primitive::<UInt64Type>().value(0).to_string(),
        _ => format!("{} of type {plain}", cast(&stored, &DataType::Int64).as_primitive::<Int64Type>().value(0)),
    })
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
    if *to == DataType::Float64
        && let Some(doubles) = doubles(array)
    {
        return doubles;
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    cast_with_options(array, to, &options).expect("canonical types can be cast to one another")
}

/// Decimals as the doubles nearest to them, as a reader of their text would have them; none for other types.
///
/// Arrow divides by a power of ten after rounding the digits, so that decimals of more than 15 digits are rounded twice.
pub fn doubles(array: &ArrayRef) -> Option<ArrayRef> {
    let (array, scale) = match array.data_type() {
        DataType::Decimal32(_, scale) => (cast(array, &DataType::Decimal128(9, *scale)), *scale),
        DataType::Decimal64(_, scale) => (cast(array, &DataType::Decimal128(18, *scale)), *scale),
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => (Arc::clone(array), *scale),
        _ => return None,
    };
    let parsed = |text: String| text.parse().unwrap_or(f64::NAN);
    let Some(decimals) = array.as_primitive_opt::<Decimal128Type>() else {
        let decimals = array.as_primitive::<Decimal256Type>();
        let double = |row| decimals.is_valid(row).then(|| parsed(decimals.value_as_string(row)));
        return Some(Arc::new((0..decimals.len()).map(double).collect::<Float64Array>()));
    };
    // Both numbers are then exact, and their quotient is rounded once.
    let power = (0..=EXACT_POWER).contains(&scale).then(|| 10_f64.powi(i32::from(scale)));
    let double = |row: usize| {
        let digits = decimals.value(row);
        match power {
            Some(power) if digits.unsigned_abs() <= EXACT_DIGITS => digits as f64 / power,
            _ => parsed(decimals.value_as_string(row)),
        }
    };
    let doubles = (0..decimals.len()).map(|row| if decimals.is_valid(row) { double(row) } else { 0.0 });
    Some(Arc::new(Float64Array::new(doubles.collect(), decimals.nulls().cloned())))
}

/// The greatest power of ten that is a double, and the greatest whole number up to which all are.
const EXACT_POWER: i8 = 22;
const EXACT_DIGITS: u128 = 1 << 53;

fn finite_or_null(array: &ArrayRef) -> ArrayRef {
    let floats = array.as_primitive::<Float64Type>();
    // The common case costs one pass that the compiler vectorises, and no allocation.
    if floats.values().iter().all(|value| value.is_finite()) {
        return Arc::clone(array);
    }
    let missing = BooleanArray::from_unary(floats, |value| !value.is_finite());
    nullif(array, &missing).expect("the mask has the array's length")
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Decimal256Array};
    use arrow::datatypes::i256;
    use proptest::prelude::*;

    use super::*;

    fn double(digits: i128, scale: i8) -> f64 {
        let decimals = Decimal128Array::from(vec![None, Some(digits)]).with_precision_and_scale(38, scale).unwrap();
        let doubles = canonical(&(Arc::new(decimals) as ArrayRef)).unwrap();
        assert!(doubles.is_null(0));
        doubles.as_primitive::<Float64Type>().value(1)
    }

    proptest! {
        #[test]
        fn a_decimal_is_the_double_that_its_text_is(
            digits in prop_oneof![-999_999_999_999_999_999_i128..999_999_999_999_999_999, any::<i64>().prop_map(i128::from), -10_i128.pow(38) + 1..10_i128.pow(38)],
            scale in 0_i8..=38,
        ) {
            let decimals = Decimal128Array::from(vec![digits]).with_precision_and_scale(38, scale).unwrap();
            prop_assert_eq!(double(digits, scale).to_bits(), decimals.value_as_string(0).parse::<f64>().unwrap().to_bits());
        }
    }

    #[test]
    fn digits_after_the_point_that_say_nothing_change_nothing() {
        let shown = |digits, scale| double(digits, scale).to_string();
        assert_eq!(shown(590_310_000_000_000_000_000, 18), "590.31");
        assert_eq!(shown(59_031, 2), "590.31");
        assert_eq!(shown(12, -3), "12000");
        let wide = Decimal256Array::from(vec![Some(i256::from_i128(59_031) * i256::from_i128(10_i128.pow(38))), None]);
        let wide = wide.with_precision_and_scale(76, 40).unwrap();
        let doubles = doubles(&(Arc::new(wide) as ArrayRef)).unwrap();
        assert_eq!(doubles.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(590.31), None]);
    }
}
