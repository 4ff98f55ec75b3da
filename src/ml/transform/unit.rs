//! One fitted transform: plain data that is written to `transform.json` and applied to any batch.

use arrow::array::ArrayRef;
use arrow::util::display::array_value_to_string;
use serde::{Deserialize, Serialize};

use super::bin::Bin;
use super::date_parts::DateParts;
use super::derive::Derive;
use super::frame::{Column, Frame, Kind};
use super::hash::Hash;
use super::impute::Impute;
use super::log1p::Log1p;
use super::one_hot::OneHot;
use super::ordinal::Ordinal;
use super::scale::Scale;
use super::target_encoding::TargetEncoding;
use super::winsorize::Winsorize;
use super::{ColumnType, TransformError};

/// Which rows are being transformed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rows {
    /// Rows of the fit table from this number on: encoders that saw their targets use what the other folds taught.
    Learnt {
        /// The number of the first row.
        first: u64,
    },
    /// Any other rows.
    Fresh,
}

/// A fitted transform of one column, or of a few.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "transform", rename_all = "snake_case")]
pub(super) enum Unit {
    Impute(Impute),
    Winsorize(Winsorize),
    Standardize(Scale),
    MinMax(Scale),
    Log1p(Log1p),
    OneHot(OneHot),
    Ordinal(Ordinal),
    Target(TargetEncoding),
    Hash(Hash),
    Bin(Bin),
    DateParts(DateParts),
    Derive(Derive),
    Drop { columns: Vec<String> },
}

impl Unit {
    /// Replaces, adds or takes away columns of `frame`.
    pub(super) fn apply(&self, frame: &mut Frame, rows: Rows) -> Result<(), TransformError> {
        match self {
            Unit::Impute(unit) => unit.apply(frame),
            Unit::Winsorize(unit) => unit.apply(frame),
            Unit::Standardize(unit) | Unit::MinMax(unit) => unit.apply(frame),
            Unit::Log1p(unit) => unit.apply(frame),
            Unit::OneHot(unit) => unit.apply(frame),
            Unit::Ordinal(unit) => unit.apply(frame),
            Unit::Target(unit) => unit.apply(frame, rows),
            Unit::Hash(unit) => unit.apply(frame),
            Unit::Bin(unit) => unit.apply(frame),
            Unit::DateParts(unit) => unit.apply(frame),
            Unit::Derive(unit) => unit.apply(frame),
            Unit::Drop { columns } => {
                for column in columns {
                    frame.remove(column);
                }
                Ok(())
            }
        }
    }

    /// The transform's name in manifests and lineage.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Unit::Impute(_) => "impute",
            Unit::Winsorize(_) => "winsorize",
            Unit::Standardize(_) => "standardize",
            Unit::MinMax(_) => "min_max",
            Unit::Log1p(_) => "log1p",
            Unit::OneHot(_) => "one_hot",
            Unit::Ordinal(_) => "ordinal",
            Unit::Target(_) => "target",
            Unit::Hash(_) => "hash",
            Unit::Bin(_) => "bin",
            Unit::DateParts(_) => "date_parts",
            Unit::Derive(_) => "derive",
            Unit::Drop { .. } => "drop",
        }
    }

    /// The columns that it reads.
    pub(super) fn inputs(&self) -> Vec<&str> {
        match self {
            Unit::Impute(Impute { column, .. })
            | Unit::Winsorize(Winsorize { column, .. })
            | Unit::Standardize(Scale { column, .. })
            | Unit::MinMax(Scale { column, .. })
            | Unit::Log1p(Log1p { column })
            | Unit::OneHot(OneHot { column, .. })
            | Unit::Ordinal(Ordinal { column, .. })
            | Unit::Target(TargetEncoding { column, .. })
            | Unit::Bin(Bin { column, .. })
            | Unit::DateParts(DateParts { column, .. }) => vec![column],
            Unit::Hash(Hash { reads, .. }) | Unit::Derive(Derive { reads, .. }) => names(reads),
            Unit::Drop { .. } => Vec::new(),
        }
    }

    /// The columns that it makes or changes.
    pub(super) fn outputs(&self) -> Vec<&str> {
        match self {
            Unit::Impute(Impute { column, indicator, .. }) => {
                [Some(column), indicator.as_ref()].into_iter().flatten().map(String::as_str).collect()
            }
            Unit::Winsorize(Winsorize { column, .. })
            | Unit::Standardize(Scale { column, .. })
            | Unit::MinMax(Scale { column, .. })
            | Unit::Log1p(Log1p { column })
            | Unit::Ordinal(Ordinal { column, .. })
            | Unit::Derive(Derive { column, .. }) => vec![column],
            Unit::Bin(Bin { column, columns, .. }) if columns.is_empty() => vec![column],
            Unit::OneHot(OneHot { columns, .. })
            | Unit::Target(TargetEncoding { columns, .. })
            | Unit::Hash(Hash { columns, .. })
            | Unit::Bin(Bin { columns, .. })
            | Unit::DateParts(DateParts { columns, .. }) => names(columns),
            Unit::Drop { .. } => Vec::new(),
        }
    }

    /// Whether it fills the missing values of `column`.
    pub(super) fn fills(&self, column: &str) -> bool {
        matches!(self, Unit::Impute(unit) if unit.column == column)
    }
}

fn names(columns: &[String]) -> Vec<&str> {
    columns.iter().map(String::as_str).collect()
}

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
