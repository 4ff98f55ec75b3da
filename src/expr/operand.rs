//! A value during evaluation: a column, or a scalar as a column of one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Datum, Float64Array, Int64Array, StringArray, UInt32Array, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options, nullif, take};
use arrow::datatypes::{DataType, TimeUnit};

use super::kernels::number::finite_or_null;
use super::syntax::Literal;
use super::types::Type;

/// A value of one of our types, in that type's own Arrow type.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) array: ArrayRef,
    pub(super) is_scalar: bool,
}

impl Datum for Operand {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.is_scalar)
    }
}

impl Operand {
    pub(super) fn scalar(array: ArrayRef) -> Operand {
        debug_assert_eq!(array.len(), 1, "a scalar is a column of one");
        Operand { array, is_scalar: true }
    }

    pub(super) fn literal(literal: &Literal) -> Operand {
        Operand::scalar(match literal {
            Literal::Null => new_null_array(&DataType::Null, 1),
            Literal::Bool(value) => Arc::new(BooleanArray::from(vec![*value])),
            Literal::Int(value) => Arc::new(Int64Array::from(vec![*value])),
            Literal::Float(value) => Arc::new(finite_or_null(Float64Array::from(vec![*value]))),
            Literal::Text(value) => Arc::new(StringArray::from(vec![value.as_str()])),
        })
    }

    /// A column of a table in the type that we compute in; none if expressions cannot read it.
    pub(super) fn column(array: &ArrayRef) -> Option<Operand> {
        let kind = Type::of(array.data_type())?;
        // Epochs of any unit, and clock times of any zone, become microseconds of UTC.
        let array = match array.data_type() {
            DataType::Timestamp(unit, Some(_)) => cast(array, &DataType::Timestamp(*unit, None)),
            _ => array.clone(),
        };
        let array = cast(&array, &kind.data_type());
        let array = if kind == Type::Float { finite(&array) } else { array };
        Some(Operand { array, is_scalar: false })
    }

    /// The type; every operand has one, for that is how operands are made.
    pub(super) fn kind(&self) -> Type {
        Type::of(self.array.data_type()).expect("operands are made of readable types only")
    }

    /// The same values in type `kind`, into which this type mixes.
    pub(super) fn convert(&self, kind: Type) -> Operand {
        if self.kind() == kind {
            return self.clone();
        }
        let array = match self.kind() {
            Type::Null => new_null_array(&kind.data_type(), self.array.len()),
            _ => cast(&self.array, &kind.data_type()),
        };
        Operand { array, is_scalar: self.is_scalar }
    }

    /// A column of `rows` rows with this value in each, or the column as it is.
    pub(super) fn broadcast(&self, rows: usize) -> ArrayRef {
        if !self.is_scalar || (rows == 1 && self.array.len() == 1) {
            return self.array.clone();
        }
        if self.array.data_type() == &DataType::Null {
            return new_null_array(&DataType::Null, rows);
        }
        take(&self.array, &UInt32Array::from(vec![0; rows]), None).expect("row 0 of a scalar exists")
    }
}

/// The arguments of a kernel as columns of one length, and whether the result is a scalar.
pub(super) fn aligned(arguments: &[Operand]) -> (Vec<ArrayRef>, bool) {
    let rows = arguments.iter().find(|argument| !argument.is_scalar).map(|argument| argument.array.len());
    let arrays = arguments.iter().map(|argument| argument.broadcast(rows.unwrap_or(1))).collect();
    (arrays, rows.is_none())
}

/// `array` in another type; what does not fit is null.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> ArrayRef {
    if array.data_type() == to {
        return array.clone();
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    cast_with_options(array, to, &options).expect("the types that expressions read can be cast to one another")
}

fn finite(array: &ArrayRef) -> ArrayRef {
    use arrow::array::AsArray;
    let floats = array.as_primitive::<arrow::datatypes::Float64Type>();
    if floats.values().iter().all(|value| value.is_finite()) {
        return array.clone();
    }
    let missing = BooleanArray::from_unary(floats, |value| !value.is_finite());
    nullif(array, &missing).expect("the mask has the array's length")
}

/// Microseconds since 1970, the one unit of timestamps here.
pub(super) const MICROSECONDS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
