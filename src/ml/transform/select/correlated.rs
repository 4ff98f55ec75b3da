//! `drop_correlated`: of columns that say the same, one goes on.

use arrow::array::{Array, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chosen::{Choice, Chosen, need, promise};
use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::infinite;
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;

/// The key in manifests.
const KEY: &str = "drop_correlated";

/// More columns than this make too many pairs.
const MOST: usize = 2000;

/// Takes columns away whose correlation with one that goes on is above `threshold`, up or down (feature-engine's
/// `DropCorrelatedFeatures` with Pearson's correlation). Columns are gone through in the order of their names, as there;
/// a pair is judged by the rows where both have a value. A bare number is the threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DropCorrelated")]
pub(in crate::ml::transform) struct Params {
    /// The largest correlation of two columns that both go on.
    #[serde(default = "most")]
    #[schemars(range(min = 0, max = 1))]
    threshold: f64,
}

fn most() -> f64 {
    0.8
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("threshold");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{drop_correlated: 0.9, columns: [amount, months]}";

    fn check(&self) -> Result<(), String> {
        if (0.0..=1.0).contains(&self.threshold) {
            Ok(())
        } else {
            Err(format!("`threshold: {}` must be from 0 to 1", self.threshold))
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open {
            return Ok(Plan::Wait);
        }
        need("drop_correlated", planning)?;
        if planning.columns.len() > MOST {
            let message = format!("`drop_correlated` of {} columns; {MOST} are the most", planning.columns.len());
            return Err(TransformError::input("too_many_columns", message)
                .help("select fewer `columns`, or take `variance_threshold` or `k_best` before"));
        }
        let mut names = planning.columns.to_vec();
        names.sort();
        let pairs = names.len() * (names.len() - 1) / 2;
        let learner = Pairs {
            threshold: self.threshold,
            moments: vec![Moments::default(); names.len()],
            centre: None,
            sums: vec![Pair::default(); pairs],
            names,
        };
        Ok(Plan::Learn(Box::new(learner), promise(planning)?))
    }
}

/// Sums over the rows where both columns of a pair have a value, around their means.
#[derive(Clone, Copy, Default)]
struct Pair {
    count: f64,
    sums: [f64; 2],
    squares: [f64; 2],
    product: f64,
}

impl Pair {
    fn correlation(&self) -> f64 {
        let spread = |side: usize| self.squares[side] - self.sums[side] * self.sums[side] / self.count;
        (self.product - self.sums[0] * self.sums[1] / self.count) / (spread(0) * spread(1)).sqrt()
    }
}

struct Pairs {
    threshold: f64,
    names: Vec<String>,
    moments: Vec<Moments>,
    /// The mean of each column, after the first pass.
    centre: Option<Vec<f64>>,
    sums: Vec<Pair>,
}

impl Learner for Pairs {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let columns: Vec<Float64Array> =
            self.names.iter().map(|name| numbers(&frame.column(name)?.array)).collect::<Result<_, _>>()?;
        let Some(centre) = &self.centre else {
            for (moments, column) in self.moments.iter_mut().zip(&columns) {
                moments.merge(&Moments::of(column.iter().flatten()));
            }
            return Ok(());
        };
        let mut pairs = self.sums.iter_mut();
        for one in 0..columns.len() {
            for (other, pair) in (one + 1..columns.len()).zip(&mut pairs) {
                for row in 0..frame.rows() {
                    if columns[one].is_null(row) || columns[other].is_null(row) {
                        continue;
                    }
                    let values = [columns[one].value(row) - centre[one], columns[other].value(row) - centre[other]];
                    pair.count += 1.0;
                    pair.product += values[0] * values[1];
                    for ((sum, square), value) in pair.sums.iter_mut().zip(&mut pair.squares).zip(values) {
                        *sum += value;
                        *square += value * value;
                    }
                }
            }
        }
        Ok(())
    }

    fn needs_another_pass(&mut self) -> Result<bool, TransformError> {
        if self.centre.is_some() {
            return Ok(false);
        }
        for (name, moments) in self.names.iter().zip(&self.moments) {
            if moments.count > 0.0 && !(moments.min.is_finite() && moments.max.is_finite()) {
                return Err(infinite(name, "drop_correlated"));
            }
        }
        self.centre = Some(self.moments.iter().map(|moments| moments.mean).collect());
        Ok(true)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Pairs { threshold, names, sums, .. } = *self;
        let mut choices: Vec<Option<Choice>> = vec![None; names.len()];
        let first_of = |one: usize| one * names.len() - one * (one + 1) / 2;
        for one in 0..names.len() {
            if choices[one].is_some() {
                continue;
            }
            let reason = "no column before it by name says the same".to_owned();
            choices[one] = Some(Choice::new(KEY, names[one].clone(), true, None, reason));
            for other in one + 1..names.len() {
                let correlation = sums[first_of(one) + other - one - 1].correlation();
                if choices[other].is_none() && correlation.abs() > threshold {
                    let reason = format!("it is correlated with `{}`", names[one]);
                    choices[other] = Some(Choice::new(KEY, names[other].clone(), false, Some(correlation), reason));
                }
            }
        }
        Ok(Unit::DropCorrelated(Chosen::new(KEY, choices.into_iter().flatten().collect())?))
    }
}
