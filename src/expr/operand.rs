//! A value during evaluation: a column, or a scalar as a column of one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Datum, Float64Array, Int64Array, StringArray, UInt32Array, new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::DataType;

use super::kernels::number::finite_or_null;
use super::syntax::Literal;
use super::types::Type;
use crate::table::{canonical, cast};

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
        let array = canonical(array)?;
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
