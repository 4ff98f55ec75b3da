//! A column as checks read it.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::record_batch::RecordBatch;
use serde_json::Value;

use crate::table::{
    MICROSECONDS, canonical_type, cast, cell, digits, exact_type, has_many_digits, misfit, number, present, value_type,
};

/// A column of the table and how its values are read.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type that reading gives.
    pub(super) kind: DataType,
    reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// In the few types of computations. NaN is no value; infinities are.
    Values,
    /// As stored.
    Stored,
    /// In a type that keeps every digit.
    Exact,
    /// As the text of each value, to the last digit and without zeros behind it.
    Digits,
}

impl Column {
    /// The column `name`, which is stored as `stored`; none for types that no check can read.
    pub(super) fn of(name: &str, stored: &DataType) -> Option<Column> {
        canonical_type(stored).map(|kind| Column { name: name.to_owned(), kind, reading: Reading::Values })
    }

    /// The column with every value as it is stored.
    pub(super) fn stored(name: &str, stored: &DataType) -> Column {
        Column { name: name.to_owned(), kind: stored.clone(), reading: Reading::Stored }
    }

    /// The same column, read to the last digit where it is stored with more than computations keep.
    pub(super) fn into_exact(self, schema: &Schema) -> Column {
        let stored = schema.field_with_name(&self.name).map(Field::data_type);
        match stored.ok().and_then(exact_type) {
            Some(kind) if kind != self.kind => Column { kind, reading: Reading::Exact, ..self },
            _ => self,
        }
    }

    /// The same column of whole numbers or decimals, read as the shortest text of each.
    pub(super) fn into_digits(self) -> Column {
        Column { kind: DataType::Utf8, reading: Reading::Digits, ..self }
    }

    /// The same column, read so that equal values are told from others: by the digits of each where it is stored with more
    /// than computations keep.
    pub(super) fn into_comparable(self, schema: &Schema) -> Column {
        let stored = schema.field_with_name(&self.name).map(Field::data_type);
        if stored.is_ok_and(has_many_digits) { self.into_digits() } else { self }
    }

    /// The same column, for a look at which values are there: whole numbers and times need not be ones that computations take.
    pub(super) fn into_stored(self, schema: &Schema) -> Column {
        let is_plain = |field: &&Field| value_type(field.data_type()) == field.data_type();
        match schema.field_with_name(&self.name).ok().filter(is_plain) {
            Some(field) if self.kind == DataType::Int64 || self.is_time() => {
                Column::stored(&self.name, field.data_type())
            }
            _ => self,
        }
    }

    /// The same column, read in another type.
    pub(super) fn read_as(self, kind: DataType) -> Column {
        Column { kind, ..self }
    }

    /// The same column, read as numbers.
    pub(super) fn into_floats(self) -> Column {
        self.read_as(DataType::Float64)
    }

    /// The same column, read as microseconds since 1970.
    pub(super) fn into_moments(self) -> Column {
        self.read_as(MICROSECONDS)
    }

    /// Whether its values are whole or real numbers.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.kind, DataType::Int64 | DataType::Float64)
    }

    /// Whether its values are days or moments.
    pub(super) fn is_time(&self) -> bool {
        matches!(self.kind, DataType::Date32 | DataType::Timestamp(..))
    }

    /// Whether its values are texts.
    pub(super) fn is_text(&self) -> bool {
        self.kind == DataType::Utf8
    }

    /// Whether its values are the texts of numbers.
    pub(super) fn is_digits(&self) -> bool {
        self.reading == Reading::Digits
    }

    /// Whether it has no value at all, and so no type.
    pub(super) fn is_null(&self) -> bool {
        self.kind == DataType::Null
    }

    /// How a report shows one of its values.
    pub(super) fn shows(&self) -> fn(&ArrayRef, usize) -> Value {
        if self.is_digits() { from_digits } else { cell }
    }

    /// Its values in a batch.
    pub(super) fn read(&self, batch: &RecordBatch) -> Result<ArrayRef, String> {
        let array = batch.column_by_name(&self.name).ok_or_else(|| format!("there is no column `{}`", self.name))?;
        match self.reading {
            Reading::Stored => Ok(array.clone()),
            Reading::Exact => Ok(cast(array, &self.kind)),
            Reading::Digits => Ok(digits(array)),
            // A double takes every number nearly.
            Reading::Values if self.kind == DataType::Float64 && *value_type(array.data_type()) == DataType::UInt64 => {
                Ok(cast(array, &self.kind))
            }
            Reading::Values => {
                if let Some(value) = misfit(array) {
                    return Err(format!(
                        "column `{}` holds {value}, which is beyond what this check computes with; give the column another \
                         type, or leave such rows out, in a `data.sql` step before",
                        self.name
                    ));
                }
                let values = present(array).ok_or_else(|| format!("column `{}` cannot be read", self.name))?;
                Ok(cast(&values, &self.kind))
            }
        }
    }
}

/// The text of a number as a number if that keeps every digit.
fn from_digits(values: &ArrayRef, row: usize) -> Value {
    if values.is_null(row) { Value::Null } else { number(values.as_string::<i32>().value(row)) }
}

/// The numbers of a column that was read by [`Column::into_floats`].
pub(super) fn numbers(values: &ArrayRef) -> impl Iterator<Item = f64> + Clone + '_ {
    let floats = values.as_primitive::<Float64Type>();
    let nulls = floats.nulls();
    floats
        .values()
        .iter()
        .enumerate()
        .filter(move |(row, _)| nulls.is_none_or(|nulls| nulls.is_valid(*row)))
        .map(|(_, value)| *value)
}
