//! Rows of equal values in some columns, numbered as they come.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;

use super::super::parts;
use crate::step::StepError;
use crate::table::keys::Keys;
use crate::table::{TableReader, canonical_type, cast, computed, digits, exact, need_digits, present};

/// What becomes of a row without a value in one of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Having no value is a value of its own.
    Value,
    /// It is equal to no row.
    Unequal,
}

/// Numbers for the different values.
#[derive(Debug)]
pub(super) struct ByKey {
    readings: Vec<Reading>,
    known: HashMap<u128, u32>,
}

/// How values of a column are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// In the few types of computations, infinities too.
    Values,
    /// To the last digit, in one column.
    Exact,
    /// By their digits, in two columns of different types.
    Digits,
}

impl Reading {
    /// Of one column.
    pub(super) fn of(stored: &DataType) -> Reading {
        if need_digits(stored, stored) { Reading::Exact } else { Reading::Values }
    }

    /// Of a column in one table and another in another one.
    pub(super) fn of_both(one: &DataType, other: &DataType) -> Reading {
        if one == other {
            Reading::of(one)
        } else if need_digits(one, other) {
            Reading::Digits
        } else {
            Reading::Values
        }
    }

    fn read(self, column: &ArrayRef) -> Option<ArrayRef> {
        match self {
            Reading::Values => present(column),
            Reading::Exact => exact(column),
            Reading::Digits => Some(digits(column)),
        }
    }
}

impl ByKey {
    /// No values yet, of columns that are read like this.
    pub(super) fn new(readings: Vec<Reading>) -> ByKey {
        ByKey { readings, known: HashMap::new() }
    }

    /// How many different values there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What they take while they grow, at most.
    pub(super) fn bytes(&self) -> u64 {
        // A table that grows has its older half beside it until all have moved.
        self.known.capacity() as u64 * 2 * (size_of::<(u128, u32)>() as u64 + 1)
    }

    /// The numbers of the rows of `batch`, which holds the columns only; new values get the next ones.
    pub(super) fn learn(&mut self, batch: &RecordBatch, missing: Missing) -> Result<Vec<Option<u32>>, StepError> {
        let number = |known: &mut HashMap<u128, u32>, key: u128| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            Some(*known.entry(key).or_insert(next))
        };
        each(batch, &self.readings, missing, |key| number(&mut self.known, key))
    }

    /// The numbers of the rows of `batch`; none for values that are not known.
    pub(super) fn find(&self, batch: &RecordBatch) -> Result<Vec<Option<u32>>, StepError> {
        each(batch, &self.readings, Missing::Unequal, |key| self.known.get(&key).copied())
    }
}

fn each(
    batch: &RecordBatch,
    readings: &[Reading],
    missing: Missing,
    mut number: impl FnMut(u128) -> Option<u32>,
) -> Result<Vec<Option<u32>>, StepError> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip(readings)
        .map(|(column, reading)| {
            let read = reading.read(column).ok_or_else(|| {
                StepError::input(
                    "column_type",
                    format!("a column of type {} cannot tell rows apart", column.data_type()),
                )
                .help("take a column of texts, numbers or dates")
            })?;
            // NaN is a missing value; anything else that has gone would be one by mistake.
            let is_float = canonical_type(column.data_type()) == Some(DataType::Float64);
            if !is_float && read.logical_null_count() > column.logical_null_count() {
                let message =
                    format!("a column of type {} has values beyond those that are compared", column.data_type());
                return Err(StepError::input("key_value", message).help("filter such rows out before"));
            }
            Ok(read)
        })
        .collect::<Result<_, _>>()?;
    let keys = Keys::of_rows(&columns);
    // A column of nothing but nulls has no mask of its own.
    let masks: Vec<_> = columns.iter().filter_map(Array::logical_nulls).collect();
    let has_value = |row: usize| missing == Missing::Value || masks.iter().all(|mask| mask.is_valid(row));
    Ok((0..batch.num_rows()).map(|row| if has_value(row) { number(keys.at(row)) } else { None }).collect())
}

/// The canonical type of a column.
pub(super) fn type_of(table: &TableReader, name: &str) -> Result<DataType, StepError> {
    let field = parts::known(table, name)?;
    canonical_type(field.data_type()).ok_or_else(|| {
        StepError::input("column_type", format!("column `{name}` of type {} cannot be used here", field.data_type()))
            .help("turn it into numbers, texts or dates in a `data.sql` step before")
    })
}

/// Whether values of this canonical type are numbers.
pub(super) fn is_number(canonical: &DataType) -> bool {
    matches!(canonical, DataType::Int64 | DataType::Float64 | DataType::Boolean | DataType::Null)
}

/// Refuses a column that is no numbers.
pub(super) fn need_numbers(table: &TableReader, name: &str, what: &str) -> Result<(), StepError> {
    let found = type_of(table, name)?;
    if is_number(&found) {
        return Ok(());
    }
    Err(StepError::input("column_type", format!("{what} needs numbers, and column `{name}` is {found}"))
        .help("leave it out, or turn it into a number in a `data.sql` step before"))
}

/// A column as numbers; NaN where there is no value.
pub(super) fn numbers(column: &ArrayRef) -> Vec<f64> {
    let Some(computed) = computed(column) else { return vec![f64::NAN; column.len()] };
    let numbers = cast(&computed, &DataType::Float64);
    let numbers = numbers.as_primitive::<Float64Type>();
    numbers.iter().map(|value| value.unwrap_or(f64::NAN)).collect()
}
