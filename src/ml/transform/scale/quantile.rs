//! `quantile`: the place among the fit table's values, as a share or as a normal.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::normal::inverse_cdf;
use crate::ml::quantile::quantile;
use crate::ml::transform::TransformError;
use crate::ml::transform::column::{map_present, numbers};
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::gather::{Sample, Values};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_numbers, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;

/// A normal is cut to the quantiles of this share and its counterpart, scikit-learn's rule.
const BOUND: f64 = 1e-7;

/// What the values become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "QuantileOutput")]
pub(in crate::ml::transform) enum Output {
    /// Evenly spread from 0 to 1.
    #[default]
    Uniform,
    /// Normally distributed, cut to about -5.2 and 5.2.
    Normal,
}

/// Replaces each value by its place among the fit table's values (scikit-learn's `QuantileTransformer`, over all rows
/// unless `subsample` is given). Keeps the column's values while it learns. A bare word is the output:
/// `quantile: normal`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Quantile")]
pub(in crate::ml::transform) struct Params {
    /// What the values become.
    #[serde(default, alias = "output_distribution")]
    output: Output,
    /// How many quantiles are learnt; at most as many as there are rows.
    #[serde(default = "thousand")]
    #[schemars(range(min = 2, max = 100_000))]
    n_quantiles: u32,
    /// Learn from this many rows, chosen at random, to bound the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subsample: Option<u32>,
}

fn thousand() -> u32 {
    1000
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("output");
    const EXAMPLE: &'static str = "{quantile: {output: normal, n_quantiles: 50}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        if !(2..=100_000).contains(&self.n_quantiles) {
            return Err(format!("`n_quantiles: {}` must be from 2 to 100000", self.n_quantiles));
        }
        match self.subsample {
            Some(rows) if rows < self.n_quantiles => {
                Err(format!("`subsample: {rows}` must not be less than `n_quantiles`, which is {}", self.n_quantiles))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("quantile", name, column)?;
        let sample = self.subsample.map(|most| Sample::new(planning.facts.seed, most as usize));
        let learner = Places { name: name.to_owned(), params: self.clone(), values: Values::of(name), sample, rows: 0 };
        Ok(Plan::Learn(Box::new(learner), Promise::numbers()))
    }
}

struct Places {
    name: String,
    params: Params,
    values: Values,
    sample: Option<Sample<f64>>,
    rows: u64,
}

impl Learner for Places {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        self.rows += frame.rows() as u64;
        match &mut self.sample {
            Some(sample) => {
                let values = numbers(&frame.column(&self.name)?.array)?;
                sample.learn(values.iter(), rows);
                Ok(())
            }
            None => self.values.learn(frame),
        }
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, sorted) = match self.sample {
            None => self.values.sorted("quantile")?,
            Some(sample) => {
                let mut values = sample.by_row();
                values.sort_unstable_by(f64::total_cmp);
                match (values.first(), values.last()) {
                    (Some(first), Some(last)) if first.is_finite() && last.is_finite() => (self.name, values),
                    (None, _) => return Err(nothing_to_learn(&self.name, "quantile")),
                    _ => return Err(infinite(&self.name, "quantile")),
                }
            }
        };
        let rows = self.params.subsample.map_or(self.rows, |most| self.rows.min(u64::from(most)));
        let count = u64::from(self.params.n_quantiles).min(rows);
        let last = count.saturating_sub(1);
        let mut quantiles: Vec<f64> = (0..count)
            .map(|place| quantile(&sorted, if last == 0 { 0.0 } else { place as f64 / last as f64 }))
            .collect();
        // Rounding between equal values must not make the list fall.
        for place in 1..quantiles.len() {
            quantiles[place] = quantiles[place].max(quantiles[place - 1]);
        }
        Ok(Unit::Quantile(Quantile { column, quantiles, output: self.params.output }))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        match self.params.subsample {
            Some(most) => Sample::kept_bytes(rows, u64::from(most)),
            None => Values::kept_bytes(rows),
        }
    }
}

/// The fitted quantiles of one column, evenly spread from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Quantile {
    column: String,
    quantiles: Vec<f64>,
    output: Output,
}

impl Quantile {
    /// The share of `value`: where it equals several quantiles, the middle of their shares.
    fn share(&self, value: f64) -> f64 {
        if value.is_nan() {
            return value;
        }
        let (first, last) = (self.quantiles[0], self.quantiles[self.quantiles.len() - 1]);
        let slack = if self.output == Output::Normal { BOUND } else { 0.0 };
        // As in scikit-learn, the lower bound wins where both hold.
        if value - slack < first || (slack == 0.0 && value <= first) {
            return 0.0;
        }
        if value + slack > last || (slack == 0.0 && value >= last) {
            return 1.0;
        }
        let from_left = self.quantiles.partition_point(|quantile| *quantile <= value) - 1;
        let from_right = self.quantiles.partition_point(|quantile| *quantile < value);
        0.5 * (self.between(value, from_left) + self.between(value, from_right.saturating_sub(1)))
    }

    /// The share of `value` on the line through the quantile at `place` and the next.
    fn between(&self, value: f64, place: usize) -> f64 {
        let step = 1.0 / (self.quantiles.len() - 1) as f64;
        let (low, high) = (self.quantiles[place], self.quantiles[(place + 1).min(self.quantiles.len() - 1)]);
        let within = if high > low { (value - low) / (high - low) } else { 0.0 };
        (place as f64 + within) * step
    }
}

impl Fitted for Quantile {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        let cut = inverse_cdf(BOUND - f64::EPSILON);
        let placed = map_present(&values, |value| {
            let share = self.share(value);
            match self.output {
                Output::Uniform => share,
                Output::Normal => inverse_cdf(share).clamp(cut, -cut),
            }
        });
        frame.set(&self.column, Column::number(Arc::new(placed)));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
