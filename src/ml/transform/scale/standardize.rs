//! `standardize`: zero mean and unit variance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::Affine;
use crate::ml::transform::TransformError;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::gather::Range;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{need_numbers, too_large};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;

/// Subtracts the mean and divides by the population standard deviation (scikit-learn's `StandardScaler`). A constant
/// column is only centred; missing values stay missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Standardize")]
pub(in crate::ml::transform) struct Params {
    /// Whether to subtract the mean.
    #[serde(default = "yes")]
    with_mean: bool,
    /// Whether to divide by the standard deviation.
    #[serde(default = "yes")]
    with_std: bool,
}

fn yes() -> bool {
    true
}

impl Transform for Params {
    const EXAMPLE: &'static str = "{standardize: {}, columns: \"@numeric\"}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("standardize", name, column)?;
        let learner = Standard { params: self.clone(), range: Range::of(name) };
        Ok(Plan::Learn(Box::new(learner), Promise::numbers()))
    }
}

struct Standard {
    params: Params,
    range: Range,
}

impl Learner for Standard {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.range.learn(frame)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, moments) = self.range.finish("standardize")?;
        if self.params.with_std && !moments.variance().is_finite() {
            return Err(too_large(&[&column], "standardize"));
        }
        let center = if self.params.with_mean { moments.mean } else { 0.0 };
        let divisor = if self.params.with_std { moments.scale() } else { 1.0 };
        Ok(Unit::Standardize(Affine { column, center, divisor, offset: 0.0, clip: None }))
    }
}
