//! Values against a set of values.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, BooleanArray};
use serde_json::{Value, json};

use super::super::check::{Outcome, State};
use super::super::column::Column;
use super::super::counts::{Counts, in_order};
use super::super::definition::{Definition, Target};
use super::super::expectation::Expectation;
use super::super::row_check::SHOWN;
use super::super::row_test::RowTest;
use super::super::setting::Setting;
use super::super::summary::{Seen, Summary};
use super::super::value_set::{ValueSet, typed};
use crate::table::cast;
use crate::table::keys::{KeySet, Keys, double_key, presence};

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "in_set",
        "expect_column_values_to_be_in_set",
        "Rows: the value is one of `values`.",
        Target::Column,
        in_set,
    )
    .needs(&["values"])
    .takes(&["mostly"]),
    Definition::new(
        "not_in_set",
        "expect_column_values_to_not_be_in_set",
        "Rows: the value is none of `values`.",
        Target::Column,
        not_in_set,
    )
    .needs(&["values"])
    .takes(&["mostly"]),
    Definition::new(
        "distinct_in_set",
        "expect_column_distinct_values_to_be_in_set",
        "Every different value is one of `values`.",
        Target::Column,
        distinct_in_set,
    )
    .needs(&["values"]),
    Definition::new(
        "distinct_contains",
        "expect_column_distinct_values_to_contain_set",
        "Every one of `values` occurs.",
        Target::Column,
        distinct_contains,
    )
    .needs(&["values"]),
    Definition::new(
        "distinct_equals",
        "expect_column_distinct_values_to_equal_set",
        "The different values are `values`.",
        Target::Column,
        distinct_equals,
    )
    .needs(&["values"]),
    Definition::new(
        "mode_in_set",
        "expect_column_most_common_value_to_be_in_set",
        "The most frequent value is one of `values`. Where several are most frequent it fails, unless `ties_ok` is set and one \
         of them is in the set.",
        Target::Column,
        mode_in_set,
    )
    .needs(&["values"])
    .takes(&["ties_ok"]),
    Definition::new(
        "pair_in_set",
        "expect_column_pair_values_to_be_in_set",
        "Rows: the values of the two `columns` are one of `pairs`.",
        Target::Pair,
        pair_in_set,
    )
    .needs(&["pairs"])
    .takes(&["ignore_row_if", "mostly"]),
];

fn in_set(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    membership(setting, expectation, true)
}

fn not_in_set(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    membership(setting, expectation, false)
}

fn membership(setting: &Setting<'_>, expectation: &Expectation, wanted: bool) -> Result<State, String> {
    let column = setting.the_column(expectation)?.into_comparable(setting.schema);
    let set = ValueSet::of(expectation.values.as_deref().unwrap_or_default(), &column)?;
    let test = RowTest::of(vec![column], move |values| {
        let (values, keys) = set.keys_of(&values[0]);
        let is_there = presence(&values);
        (0..values.len())
            .map(|row| is_there(row).then(|| set.keys.contains(&keys.at(row)) == wanted))
            .collect::<BooleanArray>()
    });
    Ok(setting.of_rows(test.by_text()))
}

/// Which different values are in a set, and which of the set occur.
struct DistinctAgainst {
    set: ValueSet,
    found: KeySet<u128>,
    unexpected: KeySet<u128>,
    shows: fn(&ArrayRef, usize) -> Value,
    shown: Vec<Value>,
    refuses_others: bool,
    wants_all: bool,
}

impl Summary for DistinctAgainst {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let (values, keys) = self.set.keys_of(&values[0]);
        let is_there = presence(&values);
        for row in (0..values.len()).filter(|row| is_there(*row)) {
            let key = keys.at(row);
            if self.set.keys.contains(&key) {
                self.found.insert(key);
            } else if self.refuses_others && self.unexpected.insert(key) && self.shown.len() < SHOWN {
                self.shown.push((self.shows)(&values, row));
            }
        }
        Ok(())
    }

    fn outcome(&self, _: Seen, _: &Expectation) -> Result<Outcome, String> {
        let missing = self.set.listed.iter().filter(|(key, _)| !self.found.contains(key));
        let missing: BTreeMap<u128, &Value> = missing.map(|(key, value)| (*key, value)).collect();
        let mut missing: Vec<&Value> = missing.into_values().collect();
        missing.sort_by(|left, right| in_order(left, right));
        let mut shown = self.shown.clone();
        shown.sort_by(in_order);
        let success = (!self.refuses_others || self.unexpected.is_empty()) && (!self.wants_all || missing.is_empty());
        let mut outcome = Outcome::observed(success, Value::Null);
        if self.refuses_others {
            outcome = outcome
                .with("unexpected_count", json!(self.unexpected.len()))
                .with("partial_unexpected_list", json!(shown));
        }
        if self.wants_all {
            outcome = outcome
                .with("missing_count", json!(missing.len()))
                .with("partial_missing_list", json!(&missing[..missing.len().min(SHOWN)]));
        }
        Ok(outcome)
    }
}

fn distinct_in_set(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    distinct_against(setting, expectation, true, false)
}

fn distinct_contains(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    distinct_against(setting, expectation, false, true)
}

fn distinct_equals(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    distinct_against(setting, expectation, true, true)
}

fn distinct_against(
    setting: &Setting<'_>,
    expectation: &Expectation,
    refuses_others: bool,
    wants_all: bool,
) -> Result<State, String> {
    let column = setting.the_column(expectation)?.into_comparable(setting.schema);
    let set = ValueSet::of(expectation.values.as_deref().unwrap_or_default(), &column)?;
    let summary = DistinctAgainst {
        set,
        found: KeySet::default(),
        unexpected: KeySet::default(),
        shows: column.shows(),
        shown: Vec::new(),
        refuses_others,
        wants_all,
    };
    Ok(State::of_columns(vec![column], summary))
}

/// The most frequent values.
struct Mode {
    counts: Counts,
    wanted: ValueSet,
    /// Whether values are counted by the keys that the wanted ones have.
    has_keys: bool,
}

impl Summary for Mode {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.counts.take(&values[0])
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let most = self.counts.all().iter().map(|(_, count)| *count).max();
        let mut modes: Vec<&Value> =
            self.counts.all().iter().filter(|(_, count)| Some(*count) == most).map(|(value, _)| value).collect();
        modes.sort_by(|left, right| in_order(left, right));
        let is_wanted = |(key, _): &(u128, Value)| {
            if self.has_keys {
                most.is_some_and(|most| self.counts.of(*key) == most)
            } else {
                // Whole numbers against numbers with a fraction.
                modes.iter().filter_map(|mode| mode.as_f64()).any(|mode| *key == double_key(mode))
            }
        };
        let success =
            self.wanted.listed.iter().any(is_wanted) && (modes.len() == 1 || expectation.ties_ok.unwrap_or(false));
        Ok(Outcome::observed(success, json!(modes)))
    }
}

fn mode_in_set(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.the_column(expectation)?.into_comparable(setting.schema);
    let wanted = ValueSet::of(expectation.values.as_deref().unwrap_or_default(), &column)?;
    let mode = Mode { counts: Counts::of_column(&column), has_keys: wanted.kind == column.kind, wanted };
    Ok(State::of_columns(vec![column], mode))
}

fn pair_in_set(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = setting.the_columns(expectation)?;
    let columns: Vec<Column> = columns.into_iter().map(|column| column.into_comparable(setting.schema)).collect();
    let pairs = expectation.pairs.as_deref().unwrap_or_default();
    let sides = [side(pairs, 0, &columns[0])?, side(pairs, 1, &columns[1])?];
    let kinds = [sides[0].0.clone(), sides[1].0.clone()];
    // What stands left decides what may stand right; a missing value is one like others.
    let mut allowed: BTreeMap<Option<u128>, Vec<Option<u128>>> = BTreeMap::new();
    for (left, right) in sides[0].1.iter().zip(&sides[1].1) {
        allowed.entry(*left).or_default().push(*right);
    }
    let ignore = expectation.ignore_row_if.unwrap_or_default();
    Ok(setting.of_rows(RowTest::of(columns, move |values| {
        let read: Vec<(ArrayRef, Keys)> = values
            .iter()
            .zip(&kinds)
            .map(|(values, kind)| {
                let values = cast(values, kind);
                let keys = Keys::of(&values);
                (values, keys)
            })
            .collect();
        let key = |side: usize, row: usize| read[side].0.is_valid(row).then(|| read[side].1.at(row));
        (0..values[0].len())
            .map(|row| {
                let (left, right) = (key(0, row), key(1, row));
                let missing = usize::from(left.is_none()) + usize::from(right.is_none());
                (!ignore.leaves_out(missing, 2))
                    .then(|| allowed.get(&left).is_some_and(|rights| rights.contains(&right)))
            })
            .collect::<BooleanArray>()
    })))
}

/// One side of pairs: the type in which it is compared and the key of each pair; none for null.
fn side(
    pairs: &[[Value; 2]],
    side: usize,
    column: &Column,
) -> Result<(arrow::datatypes::DataType, Vec<Option<u128>>), String> {
    let present: Vec<&Value> = pairs.iter().map(|pair| &pair[side]).filter(|value| !value.is_null()).collect();
    let array = typed(&present, column)?;
    let keys = Keys::of(&array);
    let mut next = 0;
    let listed = pairs
        .iter()
        .map(|pair| {
            (!pair[side].is_null()).then(|| {
                next += 1;
                keys.at(next - 1)
            })
        })
        .collect();
    Ok((array.data_type().clone(), listed))
}
