//! A column as checks read it.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::record_batch::RecordBatch;

use crate::table::{MICROSECONDS, canonical_type, cast, digits, exact_type, present};

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

    /// Whether it has no value at all, and so no type.
    pub(super) fn is_null(&self) -> bool {
        self.kind == DataType::Null
    }

    /// Its values in a batch.
    pub(super) fn read(&self, batch: &RecordBatch) -> Result<ArrayRef, String> {
        let array = batch.column_by_name(&self.name).ok_or_else(|| format!("there is no column `{}`", self.name))?;
        match self.reading {
            Reading::Stored => Ok(array.clone()),
            Reading::Exact => Ok(cast(array, &self.kind)),
            Reading::Digits => Ok(digits(array)),
            Reading::Values => {
                let values = present(array).ok_or_else(|| format!("column `{}` cannot be read", self.name))?;
                Ok(cast(&values, &self.kind))
            }
        }
    }
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
