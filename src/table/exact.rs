//! Values as they are told apart: to the last digit, with infinities, and with NaN as missing.
//!
//! Computations take decimals and unsigned numbers as doubles and as signed ones, which is nearly always enough; two
//! customers whose numbers differ in the twentieth digit are still two.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Float64Type};

use super::{canonical, canonical_type, cast};

/// The type in which values of `data_type` are told apart: the canonical one, but text for decimals with more digits than
/// a double keeps, and unsigned numbers as they are; none for nested and binary types.
pub fn exact_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Decimal64(16.., _) | DataType::Decimal128(16.., _) | DataType::Decimal256(16.., _) => {
            Some(DataType::Utf8)
        }
        DataType::UInt64 => Some(DataType::UInt64),
        DataType::Dictionary(_, value) => exact_type(value),
        other => canonical_type(other),
    }
}

/// `array` in its exact type, with NaN as missing; none for nested and binary types.
pub fn exact(array: &ArrayRef) -> Option<ArrayRef> {
    let (exact, canonical) = (exact_type(array.data_type())?, canonical_type(array.data_type())?);
    if exact == canonical { present(array) } else { Some(cast(array, &exact)) }
}

/// `array` in its canonical type, with NaN as missing. Unlike in expressions, infinities stay values, as in pandas. None
/// for nested and binary types.
pub fn present(array: &ArrayRef) -> Option<ArrayRef> {
    if canonical_type(array.data_type()) != Some(DataType::Float64) {
        return canonical(array);
    }
    let floats = cast(array, &DataType::Float64);
    let numbers = floats.as_primitive::<Float64Type>();
    if numbers.values().iter().all(|value| !value.is_nan()) {
        return Some(floats);
    }
    let missing = BooleanArray::from_unary(numbers, f64::is_nan);
    Some(nullif(&floats, &missing).expect("the mask has the array's length"))
}

/// Whether values of this type are numbers that may have more digits than computations keep.
pub fn has_many_digits(data_type: &DataType) -> bool {
    exact_type(data_type) != canonical_type(data_type)
}

/// Whether only their digits tell which values of two columns are equal: both hold whole numbers or decimals, and one of
/// them more digits than computations keep.
pub fn need_digits(one: &DataType, other: &DataType) -> bool {
    (has_many_digits(one) || has_many_digits(other)) && has_digits(one) && has_digits(other)
}

/// Whole numbers and decimals as texts, which are equal where the numbers are: 1.50 is `1.5` and 2.00 is `2`.
pub fn digits(array: &ArrayRef) -> ArrayRef {
    let texts = cast(array, &DataType::Utf8);
    let texts = texts.as_string::<i32>();
    if !texts.iter().flatten().any(|text| text.contains('.')) {
        return Arc::new(texts.clone());
    }
    let shortest = |text: &str| {
        let is_whole = !text.contains('.');
        if is_whole { text.to_owned() } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
    };
    Arc::new(texts.iter().map(|text| text.map(shortest)).collect::<StringArray>())
}

fn has_digits(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => has_digits(value),
        other => other.is_integer() || other.is_decimal(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Float64Array, Int64Array, UInt64Array};

    use super::*;
    use crate::table::keys::Keys;

    fn decimals(values: [i128; 3], precision: u8, scale: i8) -> ArrayRef {
        Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap())
    }

    #[test]
    fn values_that_computations_take_for_one_are_told_apart() {
        let ids = 10_i128.pow(19);
        let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, u64::MAX - 1, 1 << 63]));
        for array in [decimals([ids + 1, ids + 2, ids + 3], 20, 0), unsigned] {
            let exact = exact(&array).unwrap();
            assert_eq!(Some(exact.data_type()), exact_type(array.data_type()).as_ref());
            let keys = Keys::of(&exact);
            assert!(keys.at(0) != keys.at(1) && keys.at(1) != keys.at(2) && exact.null_count() == 0);
        }
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY, f64::NAN]));
        let exact = exact(&floats).unwrap();
        assert!(exact.is_valid(0) && exact.is_null(1));
    }

    #[test]
    fn digits_are_equal_where_numbers_are() {
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![200, -3, 0]));
        let texts = |array: &ArrayRef| {
            let texts = digits(array);
            texts.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(texts(&decimals([20_000, -300, 0], 20, 2)), texts(&whole));
        assert_eq!(texts(&decimals([150, 1005, -10], 20, 2)), ["1.5", "10.05", "-0.1"]);
        let types =
            [whole.data_type().clone(), DataType::Decimal128(20, 2), DataType::Float64, DataType::Decimal128(9, 2)];
        assert!(need_digits(&types[0], &types[1]) && need_digits(&types[1], &types[3]));
        assert!(!need_digits(&types[1], &types[2]) && !need_digits(&types[0], &types[3]));
    }
}
