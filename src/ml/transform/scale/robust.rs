//! `robust`: median and interquartile range, which values far out do not move.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::Affine;
use super::normal::inverse_cdf;
use crate::ml::transform::TransformError;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::gather::Values;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::divisor;

/// Subtracts the median and divides by the distance of two quantiles (scikit-learn's `RobustScaler`). Keeps the
/// column's values while it learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Robust")]
pub(in crate::ml::transform) struct Params {
    /// Whether to subtract the median.
    #[serde(default = "yes")]
    with_centering: bool,
    /// Whether to divide by the distance.
    #[serde(default = "yes")]
    with_scaling: bool,
    /// The two quantiles, in percent.
    #[serde(default = "quartiles")]
    quantile_range: [f64; 2],
    /// Whether to scale so that normally distributed values have a variance of 1.
    #[serde(default)]
    unit_variance: bool,
}

fn yes() -> bool {
    true
}

fn quartiles() -> [f64; 2] {
    [25.0, 75.0]
}

impl Transform for Params {
    const EXAMPLE: &'static str = "{robust: {quantile_range: [10, 90]}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        let [low, high] = self.quantile_range;
        if !(0.0 <= low && low < high && high <= 100.0) {
            return Err(format!("`quantile_range: [{low}, {high}]` must rise, from 0 to 100"));
        }
        if self.unit_variance && !(low > 0.0 && high < 100.0) {
            return Err(
                "`unit_variance` needs a `quantile_range` without 0 and 100, where a normal is infinite".to_owned()
            );
        }
        Ok(())
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("robust", name, column)?;
        let learner = Quartiles { params: self.clone(), values: Values::of(name) };
        Ok(Plan::Learn(Box::new(learner), Promise::numbers()))
    }
}

struct Quartiles {
    params: Params,
    values: Values,
}

impl Learner for Quartiles {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.values.learn(frame)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, mut ranks) = self.values.ranks("robust")?;
        let [low, high] = self.params.quantile_range.map(|percent| percent / 100.0);
        let mut scale = 1.0;
        if self.params.with_scaling {
            scale = divisor(ranks.quantile(high) - ranks.quantile(low));
            if self.params.unit_variance {
                scale /= inverse_cdf(high) - inverse_cdf(low);
            }
        }
        let center = if self.params.with_centering { ranks.quantile(0.5) } else { 0.0 };
        Ok(Unit::Robust(Affine { column, center, divisor: scale, offset: 0.0, clip: None }))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        Values::kept_bytes(rows)
    }
}
