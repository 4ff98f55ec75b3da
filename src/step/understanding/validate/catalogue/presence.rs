//! Values that are missing, or are there and are none.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Float64Type};

use super::super::check::{Outcome, State};
use super::super::column::Column;
use super::super::definition::{Definition, Target};
use super::super::expectation::Expectation;
use super::super::row_test::RowTest;
use super::super::setting::Setting;
use super::super::summary::{Observed, Seen, Summary};
use crate::table::cast;

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "not_null",
        "expect_column_values_to_not_be_null",
        "Rows: the value is there; with `columns`, all of them.",
        Target::ColumnOrColumns,
        not_null,
    )
    .takes(&["mostly"]),
    Definition::new(
        "is_null",
        "expect_column_values_to_be_null",
        "Rows: the value is missing; with `columns`, all of them.",
        Target::ColumnOrColumns,
        is_null,
    )
    .takes(&["mostly"]),
    Definition::new(
        "label_present",
        "",
        "Rows: the label is there, and is no blank text.",
        Target::Column,
        label_present,
    )
    .takes(&["mostly"]),
    Definition::new(
        "completeness",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "The share of values that are there lies between `min` and `max`.",
        Target::Column,
        completeness,
    )
    .needs_one_of(&["min", "max"])
    .takes(&["strict_min", "strict_max"]),
    Definition::new(
        "null_rate",
        "",
        "The share of missing values lies between `min` and `max`.",
        Target::Column,
        null_rate,
    )
    .needs_one_of(&["min", "max"])
    .takes(&["strict_min", "strict_max"]),
    Definition::new("no_nan", "", "Rows: the number is not NaN.", Target::Column, no_nan).takes(&["mostly"]),
    Definition::new("no_inf", "", "Rows: the number is not infinite.", Target::Column, no_inf).takes(&["mostly"]),
];

fn is_missing(value: &ArrayRef, row: usize) -> bool {
    value.is_null(row) || *value.data_type() == DataType::Null
}

/// The columns that an expectation is about, for a look at which values are there.
fn stored(setting: &Setting<'_>, expectation: &Expectation) -> Result<Vec<Column>, String> {
    let columns = setting.the_columns(expectation)?.into_iter();
    Ok(columns.map(|column| column.into_stored(setting.schema)).collect())
}

fn not_null(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = stored(setting, expectation)?;
    Ok(setting.of_rows(RowTest::of(columns, |values| {
        let rows = values[0].len();
        if values.iter().all(|value| value.logical_null_count() == 0) {
            return BooleanArray::from(vec![true; rows]);
        }
        (0..rows).map(|row| Some(!values.iter().any(|value| is_missing(value, row)))).collect()
    })))
}

fn is_null(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = stored(setting, expectation)?;
    Ok(setting.of_rows(RowTest::of(columns, |values| {
        (0..values[0].len()).map(|row| Some(values.iter().all(|value| is_missing(value, row)))).collect()
    })))
}

fn label_present(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.the_column(expectation)?.into_stored(setting.schema);
    Ok(setting.of_rows(RowTest::of(vec![column], |values| {
        let value = &values[0];
        let is_blank =
            |row: usize| value.as_string_opt::<i32>().is_some_and(|texts| texts.value(row).trim().is_empty());
        (0..value.len()).map(|row| Some(!is_missing(value, row) && !is_blank(row))).collect()
    })))
}

/// The share of rows with or without a value.
enum Share {
    Present,
    Missing,
}

impl Summary for Share {
    fn take(&mut self, _: &[ArrayRef]) -> Result<(), String> {
        Ok(())
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let part = match self {
            Share::Present => seen.present(),
            Share::Missing => seen.missing,
        };
        Observed::share(part, seen.rows).judge(expectation)
    }
}

fn completeness(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    Ok(State::of_columns(vec![setting.the_column(expectation)?.into_stored(setting.schema)], Share::Present))
}

fn null_rate(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    Ok(State::of_columns(vec![setting.the_column(expectation)?.into_stored(setting.schema)], Share::Missing))
}

fn no_nan(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    not_special(setting, expectation, f64::is_nan)
}

fn no_inf(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    not_special(setting, expectation, f64::is_infinite)
}

fn not_special(setting: &Setting<'_>, expectation: &Expectation, is_special: fn(f64) -> bool) -> Result<State, String> {
    let name = expectation.column.as_deref().unwrap_or_default();
    setting.number_column(expectation, name)?;
    let stored = setting.schema.field(setting.index(name)?).data_type();
    Ok(setting.of_rows(RowTest::of(vec![Column::stored(name, stored)], move |values| {
        let floats = cast(&values[0], &DataType::Float64);
        BooleanArray::from_unary(floats.as_primitive::<Float64Type>(), |value| !is_special(value))
    })))
}
