//! The shape of the table: rows, columns and their types.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use serde_json::{Map, Value, json};

use super::super::check::{Outcome, State};
use super::super::definition::{Definition, Target};
use super::super::expectation::Expectation;
use super::super::setting::Setting;
use super::super::summary::{Observed, Seen, Summary};
use crate::table::canonical_type;

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "row_count",
        "expect_table_row_count_to_be_between",
        "The number of rows equals `equals` or lies between `min` and `max`.",
        Target::Table,
        row_count,
    )
    .needs_one_of(&["equals", "min", "max"])
    .takes(&["strict_min", "strict_max"]),
    Definition::new(
        "column_count",
        "expect_table_column_count_to_be_between",
        "The number of columns equals `equals` or lies between `min` and `max`.",
        Target::Table,
        column_count,
    )
    .needs_one_of(&["equals", "min", "max"])
    .takes(&["strict_min", "strict_max"]),
    Definition::new(
        "columns_match",
        "expect_table_columns_to_match_set",
        "The columns are `columns`; `ordered` asks for their order, `exact: false` allows more.",
        Target::Columns,
        columns_match,
    )
    .takes(&["ordered", "exact"]),
    Definition::new(
        "no_extra_columns",
        "",
        "There is no column besides those in `allow`, or in the table at the input `reference`.",
        Target::Table,
        no_extra_columns,
    )
    .takes(&["allow"]),
    Definition::new(
        "column_exists",
        "expect_column_to_exist",
        "The column is there; with `index`, at this place, counted from 0.",
        Target::Column,
        column_exists,
    )
    .takes(&["index"]),
    Definition::new(
        "dtype",
        "expect_column_values_to_be_in_type_list",
        "The type is `type`, or one of a list: int, float, number, text, bool, date, timestamp or an Arrow name.",
        Target::Column,
        dtype,
    )
    .needs(&["type"]),
];

/// Counts the rows that are looked at.
struct Rows;

impl Summary for Rows {
    fn take(&mut self, _: &[ArrayRef]) -> Result<(), String> {
        Ok(())
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        Observed::Count(seen.rows).judge(expectation)
    }
}

fn row_count(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    if expectation.filter.is_some() {
        return Ok(State::of_columns(Vec::new(), Rows));
    }
    Observed::Count(setting.rows).judge(expectation).map(State::Known)
}

fn column_count(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    Observed::Count(setting.schema.fields().len() as u64).judge(expectation).map(State::Known)
}

fn names<'a>(setting: &'a Setting<'_>) -> Vec<&'a str> {
    setting.schema.fields().iter().map(|field| field.name().as_str()).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "every check is prepared by one signature")]
fn columns_match(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let wanted = expectation.named_columns();
    let mut found = names(setting);
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !found.contains(name)).collect();
    let unexpected: Vec<&str> = found.iter().copied().filter(|name| !wanted.contains(name)).collect();
    let allows_more = expectation.exact == Some(false);
    let is_ordered = expectation.ordered == Some(true);
    let in_order = || {
        let common: Vec<&str> = found.iter().copied().filter(|name| wanted.contains(name)).collect();
        common == wanted
    };
    let success = missing.is_empty() && (allows_more || unexpected.is_empty()) && (!is_ordered || in_order());
    let details = if is_ordered {
        let places = wanted.len().max(found.len());
        let differs = (0..places).filter(|place| wanted.get(*place) != found.get(*place));
        let describe = |place: usize| json!({"Expected Column Position": place, "Expected": wanted.get(place), "Found": found.get(place)});
        let list: Vec<Value> = differs.map(describe).collect();
        if list.is_empty() { Map::new() } else { Map::from_iter([("mismatched".to_owned(), json!(list))]) }
    } else {
        let sides = [("unexpected", unexpected), ("missing", missing)];
        let listed: Map<String, Value> = sides
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(side, list)| (side.to_owned(), json!(list)))
            .collect();
        if listed.is_empty() { Map::new() } else { Map::from_iter([("mismatched".to_owned(), json!(listed))]) }
    };
    if !is_ordered {
        // A set is shown in the order of its names, as in Great Expectations.
        found.sort_unstable();
    }
    let mut outcome = Outcome::observed(success, json!(found));
    if !details.is_empty() {
        outcome = outcome.with("details", Value::Object(details));
    }
    Ok(State::Known(outcome))
}

fn no_extra_columns(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let allowed: Vec<String> = match &expectation.allow {
        Some(allowed) => allowed.clone(),
        None => setting.reference(expectation)?.columns().map(str::to_owned).collect(),
    };
    let extra: Vec<&str> =
        names(setting).into_iter().filter(|name| !allowed.iter().any(|allowed| allowed == name)).collect();
    Ok(State::Known(Outcome::observed(extra.is_empty(), json!(extra))))
}

#[expect(clippy::unnecessary_wraps, reason = "every check is prepared by one signature")]
fn column_exists(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let name = expectation.column.as_deref().unwrap_or_default();
    let success = match (setting.schema.index_of(name), expectation.index) {
        (Ok(found), Some(wanted)) => found == wanted,
        (found, _) => found.is_ok(),
    };
    Ok(State::Known(Outcome { success, vacuous: false, result: Map::new() }))
}

fn dtype(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let name = expectation.column.as_deref().unwrap_or_default();
    let stored = setting.schema.field(setting.index(name)?).data_type();
    let short = match canonical_type(stored) {
        Some(DataType::Int64) => "int",
        Some(DataType::Float64) => "float",
        Some(DataType::Utf8) => "text",
        Some(DataType::Boolean) => "bool",
        Some(DataType::Date32) => "date",
        Some(DataType::Timestamp(..)) => "timestamp",
        Some(DataType::Null) => "null",
        _ => "other",
    };
    let arrow = stored.to_string();
    let fits = |wanted: &&str| {
        *wanted == short
            || wanted.eq_ignore_ascii_case(&arrow)
            || (*wanted == "number" && matches!(short, "int" | "float"))
    };
    let success = expectation.data_type.as_ref().is_some_and(|kinds| kinds.names().iter().any(fits));
    Ok(State::Known(Outcome::observed(success, json!(short)).with("arrow_type", json!(arrow))))
}
