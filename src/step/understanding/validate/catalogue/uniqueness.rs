//! How often values occur.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use serde_json::json;

use super::super::check::{Outcome, State};
use super::super::column::Column;
use super::super::definition::{Definition, Target};
use super::super::expectation::{Expectation, IgnoreRowIf};
use super::super::row_test::RowTest;
use super::super::setting::{BYTES_PER_KEY, Room, Setting};
use super::super::summary::{Observed, Seen, Summary};
use super::super::unique::{Missing, UniqueCheck};
use crate::table::keys::{KeyHasher, KeySet, Keys, presence};

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "unique",
        "expect_column_values_to_be_unique",
        "Rows: the value, or the combination of `columns`, occurs once.",
        Target::ColumnOrColumns,
        unique,
    )
    .takes(&["ignore_row_if", "mostly"]),
    Definition::new(
        "primary_key",
        "",
        "Rows: the value, or the combination of `columns`, is there and occurs once.",
        Target::ColumnOrColumns,
        primary_key,
    )
    .takes(&["mostly"]),
    Definition::new(
        "unique_in_row",
        "expect_select_column_values_to_be_unique_within_record",
        "Rows: the values of `columns` differ from one another.",
        Target::Several,
        unique_in_row,
    )
    .takes(&["ignore_row_if", "mostly"]),
    Definition::new(
        "distinct_count",
        "expect_column_unique_value_count_to_be_between",
        "The number of different values lies between `min` and `max`.",
        Target::Column,
        distinct_count,
    )
    .needs_one_of(&["min", "max"])
    .takes(&["strict_min", "strict_max"]),
    Definition::new(
        "distinct_ratio",
        "expect_column_proportion_of_unique_values_to_be_between",
        "The number of different values, divided by the number of values, lies between `min` and `max`.",
        Target::Column,
        distinct_ratio,
    )
    .needs_one_of(&["min", "max"])
    .takes(&["strict_min", "strict_max"]),
    Definition::new(
        "uniqueness",
        "",
        "The share of values that occur exactly once lies between `min` and `max`.",
        Target::Column,
        uniqueness,
    )
    .needs_one_of(&["min", "max"])
    .takes(&["strict_min", "strict_max"]),
    Definition::new(
        "no_duplicate_rows",
        "",
        "The share of rows that repeat an earlier one, in all columns or in `columns`, is at most `max_ratio`, else 0.",
        Target::AnyColumns,
        no_duplicate_rows,
    )
    .takes(&["max_ratio"]),
];

fn unique(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = setting.the_columns(expectation)?;
    let missing = match expectation.ignore_row_if.unwrap_or_default() {
        IgnoreRowIf::BothValuesAreMissing => Missing::AllIgnored,
        IgnoreRowIf::EitherValueIsMissing => Missing::AnyIgnored,
        IgnoreRowIf::Neither => Missing::Value,
    };
    distinct_rows(setting, expectation, columns, missing)
}

fn primary_key(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    distinct_rows(setting, expectation, setting.the_columns(expectation)?, Missing::Fails)
}

fn distinct_rows(
    setting: &Setting<'_>,
    expectation: &Expectation,
    columns: Vec<Column>,
    missing: Missing,
) -> Result<State, String> {
    let columns: Vec<Column> = columns.into_iter().map(|column| column.into_exact(setting.schema)).collect();
    let is_narrow = columns.len() == 1 && !columns[0].is_text() && missing != Missing::Value;
    setting.afford(expectation, setting.rows * if is_narrow { 8 } else { 16 })?;
    Ok(State::Unique(UniqueCheck::new(columns, missing, setting.limit, setting.rows)))
}

fn unique_in_row(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let mut columns = setting.the_columns(expectation)?;
    if columns.iter().all(Column::is_number) {
        let read = if setting.need_digits(&columns)? { Column::into_digits } else { Column::into_floats };
        columns = columns.into_iter().map(read).collect();
    }
    let ignore = expectation.ignore_row_if.unwrap_or_default();
    Ok(setting.of_rows(
        RowTest::of(columns, move |values| {
            let keys: Vec<Keys> = values.iter().map(Keys::of).collect();
            // Values of different types differ, and a missing value is one like others.
            let key = |column: usize, row: usize| {
                let is_there = values[column].is_valid(row) && *values[column].data_type() != DataType::Null;
                is_there.then(|| (values[column].data_type(), keys[column].at(row)))
            };
            (0..values[0].len())
                .map(|row| {
                    let row_keys: Vec<_> = (0..values.len()).map(|column| key(column, row)).collect();
                    let missing = row_keys.iter().filter(|key| key.is_none()).count();
                    let differ = || (1..row_keys.len()).all(|later| !row_keys[..later].contains(&row_keys[later]));
                    (!ignore.leaves_out(missing, values.len())).then(differ)
                })
                .collect::<BooleanArray>()
        })
        .by_name(),
    ))
}

/// The different values.
struct Distinct {
    room: Room,
    seen: KeySet<u128>,
    as_ratio: bool,
}

impl Summary for Distinct {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let values = &values[0];
        let keys = Keys::of(values);
        let is_there = presence(values);
        self.seen.extend((0..values.len()).filter(|row| is_there(*row)).map(|row| keys.at(row)));
        self.room.hold(self.seen.len(), BYTES_PER_KEY)
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let distinct = self.seen.len() as u64;
        if self.as_ratio {
            return Observed::share(distinct, seen.present()).judge(expectation);
        }
        Observed::Count(distinct).judge(expectation)
    }
}

fn distinct_count(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = vec![setting.the_column(expectation)?.into_exact(setting.schema)];
    Ok(State::of_columns(
        columns,
        Distinct { room: setting.room(expectation), seen: KeySet::default(), as_ratio: false },
    ))
}

fn distinct_ratio(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = vec![setting.the_column(expectation)?.into_exact(setting.schema)];
    Ok(State::of_columns(
        columns,
        Distinct { room: setting.room(expectation), seen: KeySet::default(), as_ratio: true },
    ))
}

/// Which values occur exactly once.
struct Once {
    room: Room,
    /// Whether each value was seen again.
    repeated: HashMap<u128, bool, BuildHasherDefault<KeyHasher>>,
}

impl Summary for Once {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let values = &values[0];
        let keys = Keys::of(values);
        let is_there = presence(values);
        for row in (0..values.len()).filter(|row| is_there(*row)) {
            self.repeated.entry(keys.at(row)).and_modify(|repeated| *repeated = true).or_insert(false);
        }
        // With whether it came again, which fills up to sixteen bytes.
        self.room.hold(self.repeated.len(), 2 * BYTES_PER_KEY)
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let once = self.repeated.values().filter(|repeated| !**repeated).count() as u64;
        Observed::share(once, seen.present()).judge(expectation)
    }
}

fn uniqueness(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    Ok(State::of_columns(
        vec![setting.the_column(expectation)?.into_exact(setting.schema)],
        Once { room: setting.room(expectation), repeated: HashMap::default() },
    ))
}

/// Rows that repeat an earlier one.
#[derive(Default)]
struct Duplicates {
    seen: KeySet<u128>,
    duplicates: u64,
}

impl Summary for Duplicates {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let Some(first) = values.first() else { return Ok(()) };
        let keys = Keys::of_rows(values);
        self.duplicates += (0..first.len()).filter(|row| !self.seen.insert(keys.at(*row))).count() as u64;
        Ok(())
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let ratio = if seen.rows == 0 { 0.0 } else { self.duplicates as f64 / seen.rows as f64 };
        let success = ratio <= expectation.max_ratio.unwrap_or(0.0);
        let details = json!({"duplicate_rows": self.duplicates});
        Ok(Outcome { vacuous: seen.rows == 0, ..Outcome::observed(success, json!(ratio)) }.with("details", details))
    }
}

fn no_duplicate_rows(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = match &expectation.columns {
        Some(_) => setting.the_columns(expectation)?,
        None => setting.schema.fields().iter().map(|field| setting.column(field.name())).collect::<Result<_, _>>()?,
    };
    let columns = columns.into_iter().map(|column: Column| column.into_exact(setting.schema)).collect();
    setting.afford(expectation, setting.rows * BYTES_PER_KEY)?;
    Ok(State::of_columns(columns, Duplicates::default()))
}
