//! How values are distributed, in a column and between two.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Float64Type;
use serde_json::json;

use super::super::check::{Outcome, State};
use super::super::counts::Counts;
use super::super::definition::{Definition, Target};
use super::super::divergence::{Expected, OfBins, OfValues};
use super::super::expectation::{CorrelationMethod, Expectation};
use super::super::setting::Setting;
use super::super::summary::{Observed, Seen, Summary};
use crate::table::keys::Keys;
use crate::table::sketch::{CoMoments, cramers_v, ranks};
use crate::table::statistics::{Kind, LEAK, Leakage};

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "kl_divergence",
        "expect_column_kl_divergence_to_be_less_than",
        "The relative entropy of the values against `partition`, in nats, is at most `threshold`.",
        Target::Column,
        kl_divergence,
    )
    .needs(&["partition"])
    .takes(&["threshold", "tail_weight_holdout", "internal_weight_holdout"]),
    Definition::new(
        "class_balance",
        "",
        "The rarest value occurs at least `min_ratio` times as often as the most frequent one.",
        Target::Column,
        class_balance,
    )
    .needs(&["min_ratio"]),
    Definition::new(
        "correlation",
        "",
        "The correlation of the two `columns` (`method`: pearson, spearman or cramers_v) lies between `min` and `max`.",
        Target::Pair,
        correlation,
    )
    .needs_one_of(&["min", "max"])
    .takes(&["method", "strict_min", "strict_max"]),
    Definition::new(
        "no_leakage",
        "",
        "No single column, or none of `columns`, predicts the `target` of two values better than `max_auc` (0.99), as area under \
         the ROC curve, and none has a value for each class alone.",
        Target::AnyColumns,
        no_leakage,
    )
    .needs(&["target"])
    .takes(&["max_auc"]),
];

fn kl_divergence(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let partition = expectation.partition.as_ref().ok_or("`partition` is missing")?;
    match Expected::check(partition)? {
        Expected::Values(values) => {
            let column = setting.the_column(expectation)?.into_comparable(setting.schema);
            let summary = OfValues::new(values, &column)?;
            Ok(State::of_columns(vec![column], summary))
        }
        Expected::Bins(bounds) => {
            let column = setting.number_column(expectation, expectation.column.as_deref().unwrap_or_default())?;
            Ok(State::of_columns(vec![column], OfBins::new(bounds)))
        }
    }
}

/// The rarest class against the most frequent one.
struct Balance(Counts);

impl Summary for Balance {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.0.take(&values[0])
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let counts = || self.0.all().iter().map(|(_, count)| *count);
        let ratio = match (counts().min(), counts().max()) {
            // One class alone is as far from balance as can be.
            (Some(_), Some(_)) if self.0.all().len() == 1 => Some(0.0),
            (Some(least), Some(most)) => Some(least as f64 / most as f64),
            _ => None,
        };
        let success = ratio.is_some_and(|ratio| ratio >= expectation.min_ratio.unwrap_or_default());
        let mut classes: Vec<_> = self.0.all().iter().collect();
        classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let classes: Vec<_> =
            classes.iter().take(20).map(|(value, count)| json!({"value": value, "count": count})).collect();
        Ok(Outcome::observed(success, json!(ratio)).with("details", json!({"classes": classes})))
    }
}

fn class_balance(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.the_column(expectation)?.into_comparable(setting.schema);
    let balance = Balance(Counts::of_column(&column));
    Ok(State::of_columns(vec![column], balance))
}

/// The correlation of two columns over the rows that have both values.
enum Correlation {
    Pearson(CoMoments),
    Spearman(Vec<f64>, Vec<f64>),
    CramersV(BTreeMap<(u128, u128), u64>),
}

/// More different pairs than this are refused.
const MOST_PAIRS: usize = 1_000_000;

impl Summary for Correlation {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        if let Correlation::CramersV(pairs) = self {
            let keys = [Keys::of(&values[0]), Keys::of(&values[1])];
            for row in (0..values[0].len()).filter(|row| values.iter().all(|value| value.is_valid(*row))) {
                *pairs.entry((keys[0].at(row), keys[1].at(row))).or_default() += 1;
            }
            if pairs.len() > MOST_PAIRS {
                return Err(format!("there are more than {MOST_PAIRS} different pairs of values"));
            }
            return Ok(());
        }
        let [left, right] = [0, 1].map(|side| values[side].as_primitive::<Float64Type>());
        let finite = |(left, right): (Option<f64>, Option<f64>)| {
            Some((left?, right?)).filter(|(left, right)| left.is_finite() && right.is_finite())
        };
        let pairs: Vec<(f64, f64)> = left.iter().zip(right.iter()).filter_map(finite).collect();
        match self {
            Correlation::Pearson(moments) => moments.merge(&CoMoments::of(pairs.into_iter())),
            Correlation::Spearman(lefts, rights) => {
                lefts.extend(pairs.iter().map(|(left, _)| left));
                rights.extend(pairs.iter().map(|(_, right)| right));
            }
            Correlation::CramersV(_) => {}
        }
        Ok(())
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let correlation = match self {
            Correlation::Pearson(moments) => moments.correlation(),
            Correlation::Spearman(left, right) => {
                CoMoments::of(ranks(left).into_iter().zip(ranks(right))).correlation()
            }
            Correlation::CramersV(pairs) => cramers_v(pairs),
        };
        Observed::number(correlation).judge(expectation)
    }
}

fn correlation(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let method = expectation.correlation_method()?;
    if method == CorrelationMethod::CramersV {
        let columns = setting.the_columns(expectation)?.into_iter();
        let columns = columns.map(|column| column.into_comparable(setting.schema)).collect();
        return Ok(State::of_columns(columns, Correlation::CramersV(BTreeMap::new())));
    }
    let columns = expectation
        .named_columns()
        .into_iter()
        .map(|name| setting.number_column(expectation, name))
        .collect::<Result<Vec<_>, _>>()?;
    let summary = if method == CorrelationMethod::Pearson {
        Correlation::Pearson(CoMoments::default())
    } else {
        setting.afford(expectation, setting.rows * 40)?;
        Correlation::Spearman(Vec::new(), Vec::new())
    };
    Ok(State::of_columns(columns, summary))
}

fn no_leakage(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let target = setting.column(expectation.target.as_deref().unwrap_or_default())?.into_comparable(setting.schema);
    let named = expectation.named_columns();
    let fields = setting.schema.fields().iter().map(|field| field.name().as_str());
    let names: Vec<&str> = if named.is_empty() { fields.collect() } else { named };
    let mut columns = vec![target.clone()];
    for name in names.into_iter().filter(|name| *name != target.name) {
        let column = setting.column(name)?;
        columns.push(if column.is_number() { column.into_floats() } else { column });
    }
    let kinds = columns[1..].iter().map(|column| (column.name.clone(), Kind::of(&column.kind)));
    let leakage = Leakage::new(kinds);
    Ok(State::of_columns(columns, leakage))
}

impl Summary for Leakage {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.batch(&values[0], &values[1..]);
        Ok(())
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        if self.classes() != Some(2) {
            return Err("the target does not have two values".to_owned());
        }
        let areas = self.areas();
        let limit = expectation.max_auc.unwrap_or(LEAK);
        let worst = areas.iter().filter_map(|(_, area)| *area).max_by(f64::total_cmp);
        let deciding = self.deciding();
        let leaks: Vec<&str> = areas
            .iter()
            .filter(|(name, area)| area.is_some_and(|area| area > limit) || deciding.contains(name))
            .map(|(name, _)| *name)
            .collect();
        let listed: serde_json::Map<_, _> =
            areas.iter().map(|(name, area)| ((*name).to_owned(), json!(area))).collect();
        Ok(Outcome::observed(leaks.is_empty(), json!(worst)).with("details", json!({"leaks": leaks, "auc": listed})))
    }
}
