//! What transforms ask of their columns, and the errors for those that do not have it.

use arrow::array::ArrayRef;
use arrow::util::display::array_value_to_string;

use super::frame::{Column, Kind};
use super::{ColumnType, TransformError};

/// Refuses a column that is no numbers.
pub(super) fn need_numbers(transform: &str, name: &str, column: &Column) -> Result<(), TransformError> {
    let found = column.column_type();
    if matches!(found, ColumnType::Int | ColumnType::Float) {
        return Ok(());
    }
    let message = format!("`{transform}` needs numbers, but column `{name}` holds {}", found.describe());
    Err(TransformError::input("column_type", message)
        .help("select with `@numeric`, or encode the column before (`one_hot`, `ordinal`, `date_parts`)"))
}

/// Refuses a column whose values are no categories.
pub(super) fn need_categories(transform: &str, name: &str, column: &Column) -> Result<(), TransformError> {
    if column.kind != Kind::Moment {
        return Ok(());
    }
    let found = column.column_type().describe();
    let message = format!("`{transform}` needs categories, but column `{name}` holds {found}");
    Err(TransformError::input("column_type", message).help("turn it into numbers with `date_parts` before"))
}

/// The error for a column that has nothing to learn from.
pub(super) fn nothing_to_learn(column: &str, transform: &str) -> TransformError {
    TransformError::input(
        "all_null",
        format!("column `{column}` has no value in the fit table, so `{transform}` has nothing to learn"),
    )
    .help(format!("put `{column}` under `drop`, or `impute` it with `strategy: constant` before"))
}

/// The error for a column whose infinite values would spoil what is learnt.
pub(super) fn infinite(column: &str, transform: &str) -> TransformError {
    TransformError::input(
        "infinite_values",
        format!("column `{column}` has infinite values in the fit table, which `{transform}` cannot learn from"),
    )
    .help(format!("guard the division that makes them, or put `{column}` under `drop`"))
}

/// The error for columns whose values are so large that what is learnt from them is no finite number.
pub(super) fn too_large(columns: &[&str], transform: &str) -> TransformError {
    let of = match columns {
        [one] => format!("column `{one}`"),
        several => format!("columns `{}`", several.join("`, `")),
    };
    TransformError::input(
        "too_large",
        format!("the values of {of} are too large for `{transform}`: what it learns from them is not finite"),
    )
    .help("divide them by a constant in a `derive` before, or leave such columns out")
}

/// The error for a number that a function does not take.
pub(super) fn domain(
    transform: &str,
    function: &str,
    column: &str,
    row: Option<usize>,
    value: f64,
    range: &str,
) -> TransformError {
    let place = row.map_or_else(|| "in the fit table".to_owned(), |row| format!("in row {row}"));
    let what = if transform == function { String::new() } else { format!(" with `{function}`") };
    TransformError::input(
        "domain",
        format!("`{transform}`{what} takes numbers {range}, but column `{column}` has {value} {place}"),
    )
}

/// The error for a value that the fit table does not have, in a transform that refuses such values.
pub(super) fn unseen(column: &str, array: &ArrayRef, row: usize, remedy: &str) -> TransformError {
    let value = array_value_to_string(array, row).unwrap_or_default();
    let message = if array.is_null(row) {
        format!("column `{column}` is null in row {row}, which never happened in the fit table")
    } else {
        format!("column `{column}` has the value `{value}` in row {row}, which the fit table does not have")
    };
    TransformError::input("unseen_category", message).help(remedy)
}
