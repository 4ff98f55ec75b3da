//! The table against another one, at the input `reference`.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Float64Type};
use serde_json::{Value, json};

use super::super::check::{Outcome, State};
use super::super::column::Column;
use super::super::counts::MOST_VALUES;
use super::super::definition::{Definition, Target};
use super::super::expectation::{Expectation, SkewMetric};
use super::super::row_test::RowTest;
use super::super::setting::{BYTES_PER_KEY, Room, Setting};
use super::super::summary::{Seen, Summary};
use crate::ml::drift::{Method, Sample, compare};
use crate::table::keys::{KeySet, Keys, presence};
use crate::table::{cast, cell, digits, need_digits, present};

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "row_count_vs",
        "expect_table_row_count_to_equal_other_table",
        "The number of rows is that of the reference, or lies between `min_ratio` and `max_ratio` times it.",
        Target::Table,
        row_count_vs,
    )
    .takes(&["min_ratio", "max_ratio"]),
    Definition::new(
        "foreign_key",
        "",
        "Rows: the value occurs in `reference_column` of the reference.",
        Target::Column,
        foreign_key,
    )
    .takes(&["reference_column", "mostly"]),
    Definition::new(
        "drift",
        "",
        "At most the share `max_ratio` (0) of the columns, all or `columns`, is distributed otherwise than in the reference, \
         by `method` and `threshold` as in `monitor.drift`.",
        Target::AnyColumns,
        drift,
    )
    .takes(&["method", "threshold", "max_ratio"]),
    Definition::new(
        "train_serve_skew",
        "",
        "No column, of all or `columns`, differs from the reference by more than `threshold`: the greatest difference of a \
         share (`metric: linf`), or the Jensen-Shannon divergence in bits (`metric: js`). Numbers are counted in ten bins.",
        Target::AnyColumns,
        train_serve_skew,
    )
    .needs(&["threshold"])
    .takes(&["metric"]),
];

fn row_count_vs(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let other = setting.reference(expectation)?.rows();
    if expectation.filter.is_some() {
        return Err("`row_count_vs` takes no `where`: it counts all rows of both tables".to_owned());
    }
    let (rows, ratio) = (setting.rows as f64, setting.rows as f64 / other as f64);
    let success = match (expectation.min_ratio, expectation.max_ratio) {
        (None, None) => setting.rows == other,
        // Compared as products, for there may be no rows to divide by.
        (min, max) => {
            min.is_none_or(|min| rows >= min * other as f64) && max.is_none_or(|max| rows <= max * other as f64)
        }
    };
    let observed = json!({"self": setting.rows, "other": other});
    let outcome = Outcome::observed(success, observed);
    Ok(State::Known(outcome.with("details", json!({"ratio": ratio.is_finite().then_some(ratio)}))))
}

fn foreign_key(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.the_column(expectation)?;
    let reference = setting.reference(expectation)?;
    let name = expectation.reference_column.as_deref().unwrap_or(&column.name);
    // The same number may be stored with other digits behind the point.
    let stored = setting.schema.field(setting.index(&column.name)?).data_type();
    let other = reference.schema().field_with_name(name).map(arrow::datatypes::Field::data_type).ok();
    let by_digits = other.is_some_and(|other| need_digits(stored, other));
    let mut keys = KeySet::default();
    for batch in reference.select(&[name]).map_err(|error| format!("the reference: {error}"))? {
        let batch = batch.map_err(|error| format!("the reference: {error}"))?;
        let values = present(batch.column(0)).filter(|values| values.data_type() == &column.kind).ok_or_else(|| {
            let stored = batch.column(0).data_type();
            format!("column `{}` is {} and `{name}` of the reference is {stored}", column.name, column.kind)
        })?;
        let values = if by_digits { digits(batch.column(0)) } else { values };
        let (batch_keys, is_there) = (Keys::of(&values), presence(&values));
        keys.extend((0..values.len()).filter(|row| is_there(*row)).map(|row| batch_keys.at(row)));
        setting.room(expectation).hold(keys.len(), BYTES_PER_KEY)?;
    }
    let column = if by_digits { column.into_digits() } else { column };
    Ok(setting.of_rows(RowTest::of(vec![column], move |values| {
        let row_keys = Keys::of(&values[0]);
        let is_there = presence(&values[0]);
        (0..values[0].len())
            .map(|row| is_there(row).then(|| keys.contains(&row_keys.at(row))))
            .collect::<BooleanArray>()
    })))
}

/// What a category takes with its count, unless it is a long text.
const BYTES_PER_CATEGORY: u64 = 120;

/// The values of one column, for a comparison.
fn gather(name: &str, values: &ArrayRef, sample: &mut Sample, room: Room) -> Result<(), String> {
    match sample {
        Sample::Numbers(numbers) => {
            let floats = cast(values, &DataType::Float64);
            numbers.extend(floats.as_primitive::<Float64Type>().iter().flatten().filter(|value| value.is_finite()));
        }
        Sample::Categories(counts) => {
            for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
                let text = match cell(values, row) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                *counts.entry(text).or_default() += 1;
            }
            room.hold(counts.len(), BYTES_PER_CATEGORY)?;
            if counts.len() > MOST_VALUES {
                return Err(format!(
                    "column `{name}` has more than {MOST_VALUES} different values, which are no categories; name the columns \
                     to compare under `columns`"
                ));
            }
        }
    }
    Ok(())
}

/// A column of both tables.
struct Both {
    name: String,
    reference: Sample,
    current: Sample,
}

/// The columns that both tables have, with the reference's values. Dates are left out, for they always move.
fn both(setting: &Setting<'_>, expectation: &Expectation) -> Result<(Vec<Column>, Vec<Both>), String> {
    let reference = setting.reference(expectation)?;
    let named = expectation.named_columns();
    let mut columns = Vec::new();
    for field in setting.schema.fields() {
        let Some(column) = Column::of(field.name(), field.data_type()) else { continue };
        let other = reference.schema().field_with_name(field.name()).ok();
        let other = other.and_then(|other| Column::of(other.name(), other.data_type()));
        let is_alike = other.is_some_and(|other| other.is_number() == column.is_number());
        let is_wanted = if named.is_empty() {
            is_alike && !column.is_time() && !column.is_null()
        } else {
            named.contains(&column.name.as_str())
        };
        if is_wanted && !is_alike {
            return Err(format!("column `{}` is not in the reference, or of another type there", column.name));
        }
        if is_wanted {
            columns.push(if column.is_number() { column.into_floats() } else { column });
        }
    }
    if let Some(unknown) = named.iter().find(|name| !columns.iter().any(|column| column.name == **name)) {
        setting.index(unknown)?;
        return Err(format!("column `{unknown}` cannot be compared"));
    }
    if columns.is_empty() {
        return Err("the tables have no column in common that can be compared".to_owned());
    }
    let numbers = columns.iter().filter(|column| column.is_number()).count() as u64;
    setting.afford(expectation, 8 * numbers * (setting.rows + reference.rows()))?;
    let empty = |column: &Column| {
        if column.is_number() { Sample::Numbers(Vec::new()) } else { Sample::Categories(BTreeMap::new()) }
    };
    let room = setting.room(expectation);
    let mut both: Vec<Both> = columns
        .iter()
        .map(|column| Both { name: column.name.clone(), reference: empty(column), current: empty(column) })
        .collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    for batch in reference.select(&names).map_err(|error| format!("the reference: {error}"))? {
        let batch = batch.map_err(|error| format!("the reference: {error}"))?;
        for (place, both) in both.iter_mut().enumerate() {
            gather(&both.name, &columns[place].read(&batch)?, &mut both.reference, room)?;
        }
    }
    for both in &mut both {
        both.reference = std::mem::replace(&mut both.reference, Sample::Numbers(Vec::new())).sorted();
    }
    Ok((columns, both))
}

/// Columns compared as `monitor.drift` compares them.
struct Drift {
    columns: Vec<Both>,
    method: Option<Method>,
    room: Room,
}

impl Summary for Drift {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let mut columns = self.columns.iter_mut().zip(values);
        columns.try_for_each(|(both, values)| gather(&both.name, values, &mut both.current, self.room))
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let mut described = serde_json::Map::new();
        let (mut drifted, mut compared) = (0u32, 0u32);
        for both in &self.columns {
            let current = both.current.clone().sorted();
            if let Some(found) = compare(&both.reference, &current, self.method, expectation.threshold) {
                compared += 1;
                drifted += u32::from(found.drifted);
                described.insert(both.name.clone(), json!(found));
            }
        }
        if compared == 0 {
            return Err("no column has values in both tables".to_owned());
        }
        let share = f64::from(drifted) / f64::from(compared);
        let success = share <= expectation.max_ratio.unwrap_or(0.0);
        Ok(Outcome::observed(success, json!(share)).with("details", json!({"columns": described})))
    }
}

fn drift(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let method = expectation.drift_method()?;
    let (columns, both) = both(setting, expectation)?;
    Ok(State::of_columns(columns, Drift { columns: both, method, room: setting.room(expectation) }))
}

/// Columns compared by the shares of their values.
struct Skew {
    columns: Vec<Both>,
    room: Room,
}

impl Summary for Skew {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let mut columns = self.columns.iter_mut().zip(values);
        columns.try_for_each(|(both, values)| gather(&both.name, values, &mut both.current, self.room))
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let metric = expectation.metric.unwrap_or_default();
        let threshold = expectation.threshold.unwrap_or_default();
        let distances: Vec<(&str, f64)> =
            self.columns.iter().filter_map(|both| Some((both.name.as_str(), distance(both, metric)?))).collect();
        if distances.is_empty() {
            return Err("no column has values in both tables".to_owned());
        }
        let worst = distances.iter().map(|(_, distance)| *distance).fold(0.0, f64::max);
        let skewed: Vec<&str> =
            distances.iter().filter(|(_, distance)| *distance > threshold).map(|(name, _)| *name).collect();
        let listed: serde_json::Map<String, Value> =
            distances.iter().map(|(name, distance)| ((*name).to_owned(), json!(distance))).collect();
        let details = json!({"skewed": skewed, "distances": listed});
        Ok(Outcome::observed(skewed.is_empty(), json!(worst)).with("details", details))
    }
}

fn train_serve_skew(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let (columns, both) = both(setting, expectation)?;
    Ok(State::of_columns(columns, Skew { columns: both, room: setting.room(expectation) }))
}

/// How far the shares of a column are apart; none if one side has no values.
fn distance(both: &Both, metric: SkewMetric) -> Option<f64> {
    if both.reference.is_empty() || both.current.is_empty() {
        return None;
    }
    let pairs: Vec<(f64, f64)> = match (&both.reference, &both.current) {
        (Sample::Categories(one), Sample::Categories(two)) => {
            let mut names: Vec<&String> = one.keys().chain(two.keys()).collect();
            names.sort_unstable();
            names.dedup();
            let count = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0) as f64;
            names.into_iter().map(|name| (count(one, name), count(two, name))).collect()
        }
        (Sample::Numbers(one), Sample::Numbers(two)) => {
            let low = one.iter().chain(two).copied().fold(f64::INFINITY, f64::min);
            let high = one.iter().chain(two).copied().fold(f64::NEG_INFINITY, f64::max);
            one_of_ten(one, low, high).into_iter().zip(one_of_ten(two, low, high)).collect()
        }
        _ => return None,
    };
    let sums = pairs.iter().fold((0.0, 0.0), |sums, pair| (sums.0 + pair.0, sums.1 + pair.1));
    let shares = pairs.into_iter().map(|(one, two)| (one / sums.0, two / sums.1));
    Some(match metric {
        SkewMetric::Linf => shares.map(|(one, two)| (one - two).abs()).fold(0.0, f64::max),
        SkewMetric::Js => {
            let part = |share: f64, mean: f64| if share == 0.0 { 0.0 } else { share * (share / mean).log2() };
            shares
                .map(|(one, two)| {
                    let mean = f64::midpoint(one, two);
                    f64::midpoint(part(one, mean), part(two, mean))
                })
                .sum()
        }
    })
}

/// How many values lie in each tenth of a range.
fn one_of_ten(values: &[f64], low: f64, high: f64) -> [f64; 10] {
    let mut counts = [0.0; 10];
    for value in values {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
        let place = if high > low { ((value - low) / (high - low) * 10.0) as usize } else { 0 };
        counts[place.min(9)] += 1.0;
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn texts_that_are_no_categories_are_not_kept() {
        let few: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a"]));
        let many: ArrayRef = Arc::new(StringArray::from_iter_values((0..=MOST_VALUES).map(|text| text.to_string())));
        let mut sample = Sample::Categories(BTreeMap::new());
        let room = Room { check: "drift", memory_bytes: Some(100 << 20) };
        gather("town", &few, &mut sample, room).unwrap();
        let error = gather("town", &many, &mut sample, room).unwrap_err();
        assert!(error.starts_with("`drift` needs 114 MiB for the 1000003 different values"), "{error}");
        let error = gather("town", &few, &mut sample, Room { memory_bytes: None, ..room }).unwrap_err();
        assert!(error.starts_with("column `town` has more than 1000000 different values"), "{error}");
    }
}
