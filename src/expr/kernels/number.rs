//! Arithmetic and mathematics. A result that is not finite, or does not fit into 64 bits, is null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int64Type};

use super::super::functions::Function;
use super::super::operand::Operand;
use super::super::types::Type;

/// `left op right`, both already of type `kind`.
pub(in super::super) fn arithmetic(function: Function, kind: Type, left: &Operand, right: &Operand) -> ArrayRef {
    match kind {
        Type::Int => {
            let operation: fn(i64, i64) -> Option<i64> = match function {
                Function::Add => i64::checked_add,
                Function::Subtract => i64::checked_sub,
                Function::Multiply => i64::checked_mul,
                Function::Divide => i64::checked_div,
                _ => i64::checked_rem,
            };
            Arc::new(whole(left, right, operation))
        }
        _ => Arc::new(match function {
            Function::Add => real(left, right, |a, b| a + b),
            Function::Subtract => real(left, right, |a, b| a - b),
            Function::Multiply => real(left, right, |a, b| a * b),
            Function::Divide => real(left, right, |a, b| a / b),
            Function::Pow => real(left, right, f64::powf),
            _ => real(left, right, |a, b| a % b),
        }),
    }
}

/// A function of one number, of type `kind`.
pub(in super::super) fn unary(function: Function, kind: Type, array: &ArrayRef) -> ArrayRef {
    if kind == Type::Int {
        let numbers = array.as_primitive::<Int64Type>();
        return match function {
            Function::Negate => Arc::new(numbers.unary_opt::<_, Int64Type>(i64::checked_neg)),
            Function::Abs => Arc::new(numbers.unary_opt::<_, Int64Type>(i64::checked_abs)),
            Function::Sign => Arc::new(numbers.unary::<_, Int64Type>(i64::signum)),
            // A whole number is its own ceiling, floor and rounding.
            _ => array.clone(),
        };
    }
    let operation: fn(f64) -> f64 = match function {
        Function::Negate => |value| -value,
        Function::Abs => f64::abs,
        Function::Sign => |value| if value == 0.0 { 0.0 } else { value.signum() },
        Function::Ceil => f64::ceil,
        Function::Floor => f64::floor,
        Function::Round => f64::round,
        Function::Sqrt => f64::sqrt,
        Function::Ln => f64::ln,
        Function::Log10 => f64::log10,
        _ => f64::exp,
    };
    let numbers = array.as_primitive::<Float64Type>();
    Arc::new(finite_or_null(numbers.unary::<_, Float64Type>(operation)))
}

/// Ten to the power of `-digits`, if it is a whole number of 64 bits.
fn power_of_ten(digits: i64) -> Option<i64> {
    10i64.checked_pow(u32::try_from(digits.checked_neg()?).ok()?)
}

/// `round(x, digits)`; digits below zero round to tens, hundreds and so on.
pub(in super::super) fn round(kind: Type, numbers: &ArrayRef, digits: &ArrayRef) -> ArrayRef {
    let digits = digits.as_primitive::<Int64Type>();
    let real = |value: f64, digits: i64| {
        let scale = 10f64.powi(i32::try_from(digits.clamp(-300, 300)).expect("clamped to three digits"));
        let scaled = value * scale;
        // Beyond the digits that a float has, there is nothing to round.
        if scaled.is_finite() && scale > 0.0 { scaled.round() / scale } else { value }
    };
    if kind == Type::Int {
        let numbers = numbers.as_primitive::<Int64Type>();
        let rounded: Int64Array = numbers
            .iter()
            .zip(digits)
            .map(|(value, digits)| {
                let (value, digits) = (value?, digits?);
                let Some(scale) = power_of_ten(digits) else {
                    return Some(if digits >= 0 { value } else { 0 });
                };
                let rest = value % scale;
                let down = value - rest;
                let away = rest.unsigned_abs() * 2 >= scale.unsigned_abs() && scale > 1;
                if away { down.checked_add(scale * rest.signum()) } else { Some(down) }
            })
            .collect();
        return Arc::new(rounded);
    }
    let numbers = numbers.as_primitive::<Float64Type>();
    let rounded: Float64Array = numbers.iter().zip(digits).map(|(value, digits)| Some(real(value?, digits?))).collect();
    Arc::new(finite_or_null(rounded))
}

/// The same floats with null for each that is not finite.
pub(in super::super) fn finite_or_null(floats: Float64Array) -> Float64Array {
    // The common case costs one pass that the compiler vectorises, and no allocation.
    if floats.values().iter().all(|value| value.is_finite()) {
        return floats;
    }
    let (_, values, nulls) = floats.into_parts();
    let finite = NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| values[row].is_finite()));
    Float64Array::new(values, NullBuffer::union(nulls.as_ref(), Some(&finite)))
}

fn real(left: &Operand, right: &Operand, operation: impl Fn(f64, f64) -> f64) -> Float64Array {
    let (left_values, right_values) = (values::<Float64Type>(left), values::<Float64Type>(right));
    let results: Vec<f64> = match (left.is_scalar, right.is_scalar) {
        (true, false) => right_values.iter().map(|value| operation(left_values[0], *value)).collect(),
        (false, true) => left_values.iter().map(|value| operation(*value, right_values[0])).collect(),
        _ => left_values.iter().zip(right_values).map(|(left, right)| operation(*left, *right)).collect(),
    };
    let nulls = union_nulls(left, right, results.len());
    finite_or_null(Float64Array::new(ScalarBuffer::from(results), nulls))
}

fn whole(left: &Operand, right: &Operand, operation: impl Fn(i64, i64) -> Option<i64>) -> Int64Array {
    let (left_values, right_values) = (values::<Int64Type>(left), values::<Int64Type>(right));
    let rows = if left.is_scalar { right_values.len() } else { left_values.len() };
    let (left_step, right_step) = (usize::from(!left.is_scalar), usize::from(!right.is_scalar));
    let mut misfits = false;
    let results: Vec<i64> = (0..rows)
        .map(|row| {
            let result = operation(left_values[row * left_step], right_values[row * right_step]);
            misfits |= result.is_none();
            result.unwrap_or_default()
        })
        .collect();
    let mut nulls = union_nulls(left, right, rows);
    if misfits {
        let fits = BooleanBuffer::collect_bool(rows, |row| {
            operation(left_values[row * left_step], right_values[row * right_step]).is_some()
        });
        nulls = NullBuffer::union(nulls.as_ref(), Some(&NullBuffer::new(fits)));
    }
    Int64Array::new(ScalarBuffer::from(results), nulls)
}

fn values<T: ArrowPrimitiveType>(operand: &Operand) -> &[T::Native] {
    let array: &PrimitiveArray<T> = operand.array.as_primitive::<T>();
    array.values()
}

/// Which of `rows` results of a binary operation are not null for their arguments' sake.
fn union_nulls(left: &Operand, right: &Operand, rows: usize) -> Option<NullBuffer> {
    let spread = |operand: &Operand| {
        if operand.is_scalar && rows != operand.array.len() {
            operand.array.is_null(0).then(|| NullBuffer::new_null(rows))
        } else {
            operand.array.nulls().cloned()
        }
    };
    NullBuffer::union(spread(left).as_ref(), spread(right).as_ref())
}
