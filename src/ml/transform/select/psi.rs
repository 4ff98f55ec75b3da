//! `drop_high_psi`: columns that drift from one part of the fit table to the other go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::chosen::{Choice, Chosen, promise};
use super::intervals::{Strategy, interval};
use super::kept::{Kept, Missing};
use super::parts::{CutOff, Parts};
use crate::ml::transform::TransformError;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, Learner, LearningRows};
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::whole;

/// The key in manifests.
const KEY: &str = "drop_high_psi";

/// What a column may not be above.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "PsiThreshold")]
enum Threshold {
    /// This population stability index.
    Number(f64),
    /// What chance alone stays below with a probability of `1 - p_value`.
    Named(Auto),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PsiAuto")]
enum Auto {
    Auto,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PsiMissingValues")]
enum MissingValues {
    /// They are refused.
    #[default]
    Raise,
    /// They do not count.
    Ignore,
}

/// Takes columns away whose population stability index between two parts of the fit table is above `threshold`
/// (feature-engine's `DropHighPSIFeatures`). The first part, which the intervals are made of, holds the rows whose value
/// in `split_col` is not above `cut_off`, or the first `split_frac` of them; without `split_col` it is the first rows
/// of the table. Numbers are cut into `bins` intervals; categories are compared as they are. Keeps the columns' values
/// while learning. A bare value is the threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DropHighPsi")]
pub(in crate::ml::transform) struct Params {
    /// The largest index of a column that goes on, or `auto`: what chance alone explains at `p_value`.
    #[serde(default = "quarter")]
    threshold: Threshold,
    /// The number of intervals of a number.
    #[serde(default = "ten")]
    #[schemars(range(min = 2, max = 1000))]
    bins: u32,
    /// How the intervals are made.
    #[serde(default = "equal_frequency")]
    strategy: Strategy,
    /// The column that says which part a row belongs to, such as a date; not judged itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split_col: Option<String>,
    /// The share of the rows in the first part.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1))]
    split_frac: f64,
    /// Whether `split_frac` is a share of the different values of `split_col` and not of the rows.
    #[serde(default)]
    split_distinct: bool,
    /// The last value of the first part, in the place of `split_frac`; or a list of all its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut_off: Option<CutOff>,
    /// Whether the two parts change places.
    #[serde(default)]
    switch: bool,
    /// The share that an interval without rows counts as.
    #[serde(default = "hardly_any")]
    #[schemars(range(min = 0))]
    min_pct_empty_bins: f64,
    /// What becomes of missing values.
    #[serde(default)]
    missing_values: MissingValues,
    /// For `threshold: auto`: how often chance alone may exceed the threshold.
    #[serde(default = "thousandth")]
    #[schemars(range(min = 0, max = 1))]
    p_value: f64,
}

fn quarter() -> Threshold {
    Threshold::Number(0.25)
}

fn ten() -> u32 {
    10
}

fn half() -> f64 {
    0.5
}

fn equal_frequency() -> Strategy {
    Strategy::EqualFrequency
}

fn hardly_any() -> f64 {
    1e-4
}

fn thousandth() -> f64 {
    1e-3
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("threshold");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{drop_high_psi: {threshold: 2, split_frac: 0.7}, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        match self.threshold {
            Threshold::Number(threshold) if threshold.is_nan() || threshold < 0.0 => {
                return Err(format!("`threshold: {threshold}` must be 0 or more, or `auto`"));
            }
            Threshold::Number(_) | Threshold::Named(Auto::Auto) => {}
        }
        match () {
            () if !(2..=1000).contains(&self.bins) => Err(format!("`bins: {}` must be from 2 to 1000", self.bins)),
            () if !(self.split_frac > 0.0 && self.split_frac < 1.0) => {
                Err(format!("`split_frac: {}` must be between 0 and 1", self.split_frac))
            }
            () if !(self.min_pct_empty_bins > 0.0 && self.min_pct_empty_bins < 1.0) => {
                Err(format!("`min_pct_empty_bins: {}` must be between 0 and 1", self.min_pct_empty_bins))
            }
            () if !(self.p_value > 0.0 && self.p_value < 1.0) => {
                Err(format!("`p_value: {}` must be between 0 and 1", self.p_value))
            }
            () => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open {
            return Ok(Plan::Wait);
        }
        let judged = planning.columns.iter().filter(|name| Some(*name) != self.split_col.as_ref());
        let columns = judged.map(|name| Kept::of(KEY, name, planning)).collect::<Result<_, _>>()?;
        let parts = Parts::new(self.split_col.as_deref(), planning)?;
        Ok(Plan::Learn(Box::new(Drifts { params: self.clone(), columns, parts, rows: 0 }), promise(planning)?))
    }
}

struct Drifts {
    params: Params,
    columns: Vec<Kept>,
    parts: Parts,
    rows: usize,
}

impl Learner for Drifts {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let missing = match self.params.missing_values {
            MissingValues::Raise => Missing::Refused,
            MissingValues::Ignore => Missing::Kept,
        };
        self.rows += frame.rows();
        self.parts.learn(frame)?;
        self.columns.iter_mut().try_for_each(|column| column.learn(KEY, frame, missing))
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Drifts { params, columns, parts, rows } = *self;
        let is_first = parts.split(rows, params.split_frac, params.split_distinct, params.cut_off.as_ref())?;
        let first = is_first.iter().filter(|is_first| **is_first).count();
        let least = first.min(rows - first);
        if least < params.bins as usize {
            let message = format!(
                "`{KEY}` would compare {first} rows with {} rows, and needs at least {} on each side",
                rows - first,
                params.bins
            );
            return Err(TransformError::input("too_few_rows", message)
                .help("change `split_frac` or `cut_off`, or take fewer `bins`"));
        }
        let limit = |intervals: f64| match params.threshold {
            Threshold::Number(threshold) => threshold,
            Threshold::Named(Auto::Auto) => {
                let chance = ChiSquared::new((intervals - 1.0).max(1.0)).expect("one or more degrees of freedom");
                let rows = 1.0 / first as f64 + 1.0 / (rows - first) as f64;
                chance.inverse_cdf(1.0 - params.p_value) * rows
            }
        };
        let choices = columns.into_iter().map(|column| {
            let side = |wanted: bool| -> Vec<f64> {
                let rows = column.values.iter().zip(&is_first);
                rows.filter(|(value, side)| **side == wanted && !value.is_nan()).map(|(value, _)| *value).collect()
            };
            let (basis, test) = (side(!params.switch), side(params.switch));
            if basis.is_empty() || test.is_empty() {
                let reason = "one part has no value of it".to_owned();
                return Choice::new(KEY, column.name, true, None, reason);
            }
            let (psi, intervals) = match &column.categories {
                Some(categories) => {
                    let mut is_seen = vec![false; categories.len()];
                    basis.iter().chain(&test).for_each(|code| is_seen[whole(*code)] = true);
                    let count = is_seen.into_iter().filter(|is_seen| *is_seen).count();
                    (params.index(&basis, &test, categories.len(), whole), count as f64)
                }
                None => {
                    let limits = params.strategy.limits(&basis, params.bins);
                    let of = |value: f64| interval(&limits, value);
                    (params.index(&basis, &test, limits.len() + 1, of), f64::from(params.bins))
                }
            };
            let limit = limit(intervals);
            let kept = psi <= limit;
            let side = if kept { "not above" } else { "above" };
            Choice::new(KEY, column.name, kept, Some(psi), format!("its stability index is {side} {limit}"))
        });
        Ok(Unit::DropHighPsi(Chosen::new(KEY, choices.collect())?))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        rows.saturating_mul((self.columns.len() as u64 + 2) * BYTES_PER_KEPT_VALUE)
    }

    fn reads(&self) -> Vec<&str> {
        self.parts.column().into_iter().collect()
    }
}

impl Params {
    /// The population stability index of two lists of values, by the place of a value among `places`.
    fn index(&self, basis: &[f64], test: &[f64], places: usize, place: impl Fn(f64) -> usize) -> f64 {
        let shares = |values: &[f64]| {
            let mut shares = vec![0.0; places];
            for value in values {
                shares[place(*value)] += 1.0;
            }
            shares.into_iter().map(|share| share / values.len() as f64).collect::<Vec<f64>>()
        };
        let or_least = |share: f64| if share > 0.0 { share } else { self.min_pct_empty_bins };
        let pairs = shares(basis).into_iter().zip(shares(test)).filter(|(basis, test)| *basis > 0.0 || *test > 0.0);
        pairs
            .map(|(basis, test)| {
                let (basis, test) = (or_least(basis), or_least(test));
                (test - basis) * (test / basis).ln()
            })
            .sum()
    }
}
