//! The order of values down the table.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::super::check::State;
use super::super::definition::{Definition, Target};
use super::super::expectation::Expectation;
use super::super::row_test::RowTest;
use super::super::setting::Setting;
use crate::table::cast;
use crate::table::keys::{KeyHasher, Keys};

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "increasing",
        "expect_column_values_to_be_increasing",
        "Rows: the value is not less than the one before it, in the same group of `group_by`; with `strict`, greater.",
        Target::Column,
        increasing,
    )
    .takes(&["strict", "group_by", "mostly"]),
    Definition::new(
        "decreasing",
        "expect_column_values_to_be_decreasing",
        "Rows: the value is not greater than the one before it, in the same group of `group_by`; with `strict`, less.",
        Target::Column,
        decreasing,
    )
    .takes(&["strict", "group_by", "mostly"]),
];

fn increasing(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    ordered(setting, expectation, false)
}

fn decreasing(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    ordered(setting, expectation, true)
}

/// The last value of each group.
type LastOf<T> = HashMap<u128, T, BuildHasherDefault<KeyHasher>>;

fn ordered(setting: &Setting<'_>, expectation: &Expectation, descending: bool) -> Result<State, String> {
    let column = setting.the_column(expectation)?;
    let groups = expectation.group_by.as_ref().map(|groups| groups.names()).unwrap_or_default();
    let mut columns = vec![match column.kind {
        DataType::Utf8 | DataType::Float64 | DataType::Null => column,
        DataType::Boolean | DataType::Int64 => column.read_as(DataType::Int64),
        _ => column.into_moments(),
    }];
    for name in groups {
        columns.push(setting.column(name)?.into_exact(setting.schema));
    }
    let strict = expectation.strict.unwrap_or(false);
    let follows = move |order: std::cmp::Ordering| {
        let order = if descending { order.reverse() } else { order };
        order.is_gt() || (!strict && order.is_eq())
    };
    // Each type of value has a memory of its own; only one of them is ever used.
    let (mut whole, mut real, mut text) =
        (LastOf::<i64>::default(), LastOf::<f64>::default(), LastOf::<String>::default());
    let shown = columns.len();
    let mut test = RowTest::of(columns, move |values| {
        let group = if shown > 1 { Some(Keys::of_rows(&values[1..])) } else { None };
        let key = |row: usize| group.as_ref().map_or(0, |group| group.at(row));
        let value = &values[0];
        match value.data_type() {
            DataType::Float64 => steps(value.as_primitive::<Float64Type>().iter(), key, &mut real, |last, value| {
                value.partial_cmp(last).is_some_and(follows)
            }),
            DataType::Utf8 => {
                let owned = value.as_string::<i32>().iter().map(|text| text.map(str::to_owned));
                steps(owned, key, &mut text, |last, value| follows(value.cmp(last)))
            }
            DataType::Null => BooleanArray::new_null(value.len()),
            _ => {
                let numbers: ArrayRef = cast(value, &DataType::Int64);
                let numbers = numbers.as_primitive::<Int64Type>().clone();
                steps(numbers.iter(), key, &mut whole, |last, value| follows(value.cmp(last)))
            }
        }
    });
    // The groups only say which value is the one before.
    test.only_first = true;
    test.remembers = true;
    Ok(setting.of_rows(test))
}

/// Compares each value with the one before it in its group; missing values are stepped over.
fn steps<T>(
    values: impl Iterator<Item = Option<T>>,
    key: impl Fn(usize) -> u128,
    last: &mut LastOf<T>,
    follows: impl Fn(&T, &T) -> bool,
) -> BooleanArray {
    values
        .enumerate()
        .map(|(row, value)| {
            let value = value?;
            let key = key(row);
            let passes = last.get(&key).is_none_or(|last| follows(last, &value));
            last.insert(key, value);
            Some(passes)
        })
        .collect()
}
