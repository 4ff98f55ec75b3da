//! `standardize` and `min_max`: shift and scale numbers.

use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TransformError;
use super::column::numbers;
use super::frame::{Column, Frame};
use super::learn::{Learner, LearningRows, Plan, Promise};
use super::stats::{Moments, infinite, nothing_to_learn};
use super::unit::{Unit, need_numbers};

/// Subtracts the mean and divides by the population standard deviation (scikit-learn's `StandardScaler`). A constant
/// column is only centred; missing values stay missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Standardize {
    /// Whether to subtract the mean.
    #[serde(default = "yes")]
    pub(super) with_mean: bool,
    /// Whether to divide by the standard deviation.
    #[serde(default = "yes")]
    pub(super) with_std: bool,
}

/// Maps the range of the fit table to a range of choice (scikit-learn's `MinMaxScaler`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MinMax {
    /// The range to map to.
    #[serde(default = "unit_range")]
    pub(super) feature_range: [f64; 2],
    /// Whether values beyond the fit table's range are cut to the range.
    #[serde(default)]
    pub(super) clip: bool,
}

fn yes() -> bool {
    true
}

fn unit_range() -> [f64; 2] {
    [0.0, 1.0]
}

impl Standardize {
    pub(super) fn plan(&self, name: &str, column: &Column) -> Result<Plan, TransformError> {
        need_numbers("standardize", name, column)?;
        Ok(learner(name, Goal::Standardize(self.clone())))
    }
}

impl MinMax {
    pub(super) fn check(&self) -> Result<(), String> {
        let [low, high] = self.feature_range;
        if low < high { Ok(()) } else { Err(format!("`feature_range: [{low}, {high}]` must rise")) }
    }

    pub(super) fn plan(&self, name: &str, column: &Column) -> Result<Plan, TransformError> {
        need_numbers("min_max", name, column)?;
        Ok(learner(name, Goal::MinMax(self.clone())))
    }
}

/// A fitted shift and scale of one column: `(value - center) / divisor + offset`, cut to `clip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    pub(super) column: String,
    pub(super) center: f64,
    pub(super) divisor: f64,
    #[serde(default)]
    pub(super) offset: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clip: Option<[f64; 2]>,
}

impl Scale {
    pub(super) fn apply(&self, frame: &mut Frame) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        let scaled: Float64Array = values.unary(|value| (value - self.center) / self.divisor + self.offset);
        let scaled = match self.clip {
            Some([low, high]) => scaled.unary(|value| value.clamp(low, high)),
            None => scaled,
        };
        frame.set(&self.column, Column::number(Arc::new(scaled)));
        Ok(())
    }
}

enum Goal {
    Standardize(Standardize),
    MinMax(MinMax),
}

struct Range {
    name: String,
    goal: Goal,
    moments: Moments,
}

fn learner(name: &str, goal: Goal) -> Plan {
    Plan::Learn(Box::new(Range { name: name.to_owned(), goal, moments: Moments::default() }), Promise::NUMBER)
}

impl Learner for Range {
    fn learn(&mut self, column: &Column, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let values = numbers(&column.array)?;
        let moments = if arrow::array::Array::null_count(&values) == 0 {
            Moments::of(values.values().iter().copied())
        } else {
            Moments::of(values.iter().flatten())
        };
        self.moments.merge(&moments);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Range { name, goal, moments } = *self;
        let transform = if matches!(goal, Goal::MinMax(_)) { "min_max" } else { "standardize" };
        if moments.count == 0.0 {
            return Err(nothing_to_learn(&name, transform));
        }
        if !(moments.min.is_finite() && moments.max.is_finite()) {
            return Err(infinite(&name, transform));
        }
        Ok(match goal {
            Goal::Standardize(params) => Unit::Standardize(Scale {
                column: name,
                center: if params.with_mean { moments.mean } else { 0.0 },
                divisor: if params.with_std { moments.scale() } else { 1.0 },
                offset: 0.0,
                clip: None,
            }),
            Goal::MinMax(MinMax { feature_range: [low, high], clip }) => {
                let range = moments.max - moments.min;
                let range = if range < 10.0 * f64::EPSILON { 1.0 } else { range };
                Unit::MinMax(Scale {
                    column: name,
                    center: moments.min,
                    divisor: range / (high - low),
                    offset: low,
                    clip: clip.then_some([low, high]),
                })
            }
        })
    }
}
