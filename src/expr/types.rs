//! The types of values and how Arrow's many types map onto them.

use std::fmt;

use arrow::datatypes::DataType;

use crate::table::{MICROSECONDS, canonical_type};

/// The type of a value; `Null` is the type of the literal `null` and of a missing path, and fits every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Bool,
    Int,
    Float,
    Text,
    Date,
    Timestamp,
}

impl Type {
    /// The type of a column, if expressions can read it.
    pub(super) fn of(data_type: &DataType) -> Option<Type> {
        Some(match canonical_type(data_type)? {
            DataType::Null => Type::Null,
            DataType::Boolean => Type::Bool,
            DataType::Int64 => Type::Int,
            DataType::Float64 => Type::Float,
            DataType::Utf8 => Type::Text,
            DataType::Date32 => Type::Date,
            _ => Type::Timestamp,
        })
    }

    /// The one Arrow type in which values of this type are computed.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Type::Null => DataType::Null,
            Type::Bool => DataType::Boolean,
            Type::Int => DataType::Int64,
            Type::Float => DataType::Float64,
            Type::Text => DataType::Utf8,
            Type::Date => DataType::Date32,
            Type::Timestamp => MICROSECONDS,
        }
    }

    /// The type that holds both, if there is one.
    pub(super) fn unify(self, other: Type) -> Option<Type> {
        match (self, other) {
            (one, another) if one == another => Some(one),
            (Type::Null, known) | (known, Type::Null) => Some(known),
            (Type::Int | Type::Float, Type::Int | Type::Float) => Some(Type::Float),
            (Type::Date | Type::Timestamp, Type::Date | Type::Timestamp) => Some(Type::Timestamp),
            _ => None,
        }
    }

    /// The type in which both are compared: as [`Type::unify`], and text beside a date is read as one.
    pub(super) fn comparable(self, other: Type) -> Option<Type> {
        match (self, other) {
            (Type::Text, Type::Date | Type::Timestamp) | (Type::Date | Type::Timestamp, Type::Text) => {
                Some(Type::Timestamp)
            }
            _ => self.unify(other),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Type::Null => "null",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Float => "float",
            Type::Text => "text",
            Type::Date => "date",
            Type::Timestamp => "timestamp",
        })
    }
}
