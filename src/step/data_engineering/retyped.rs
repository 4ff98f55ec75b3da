//! Numbers that were changed, back in the type of their column.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::compute::cast;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{DataType, Float64Type};

use crate::step::StepError;

/// The changed `values` of `old` in its type: whole numbers are rounded, decimals to their digits. What the type cannot
/// hold stays as it was.
pub(super) fn like(old: &ArrayRef, values: Float64Array) -> Result<ArrayRef, StepError> {
    let values = if old.data_type().is_integer() { values.unary(f64::round) } else { values };
    let values: ArrayRef = Arc::new(values);
    let array = cast(&values, old.data_type())?;
    let again = cast(&array, &DataType::Float64)?;
    let again = again.as_primitive::<Float64Type>();
    let is_lost = |row: usize| values.is_valid(row) && !(again.is_valid(row) && again.value(row).is_finite());
    let lost: BooleanArray = (0..old.len()).map(|row| Some(is_lost(row))).collect();
    if lost.true_count() == 0 { Ok(array) } else { Ok(zip(&lost, old, &array)?) }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Float32Array, Int8Array, UInt64Array};

    use super::*;

    fn check(old: impl Array + 'static, values: Vec<Option<f64>>, expected: &impl Array) {
        let old: ArrayRef = Arc::new(old);
        let found = like(&old, Float64Array::from(values)).unwrap();
        assert_eq!(found.to_data(), expected.to_data());
    }

    #[test]
    fn decimals_keep_their_digits_and_whole_numbers_are_rounded() {
        let cents = |values: Vec<Option<i128>>| Decimal128Array::from(values).with_precision_and_scale(5, 2).unwrap();
        check(
            cents(vec![Some(1999), None, Some(100)]),
            vec![Some(20.126), None, Some(-0.5)],
            &cents(vec![Some(2013), None, Some(-50)]),
        );
        check(Int8Array::from(vec![1, 2]), vec![Some(1.6), Some(-2.4)], &Int8Array::from(vec![2, -2]));
    }

    #[test]
    fn what_the_type_cannot_hold_stays_as_it_was() {
        let cents = |values: Vec<i128>| Decimal128Array::from(values).with_precision_and_scale(5, 2).unwrap();
        check(cents(vec![99_999, 1]), vec![Some(1000.4), Some(0.02)], &cents(vec![99_999, 2]));
        check(Int8Array::from(vec![127, 3]), vec![Some(130.0), Some(4.0)], &Int8Array::from(vec![127, 4]));
        check(UInt64Array::from(vec![0, 3]), vec![Some(-1.0), Some(2.0)], &UInt64Array::from(vec![0, 2]));
        check(Float32Array::from(vec![f32::MAX]), vec![Some(1e39)], &Float32Array::from(vec![f32::MAX]));
    }
}
