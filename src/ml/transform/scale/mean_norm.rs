//! `mean_norm`: centred, and as wide as 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::Affine;
use crate::ml::transform::TransformError;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::gather::Range;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::divisor;

/// Subtracts the mean and divides by the range of the fit table (feature-engine's `MeanNormalizationScaler`). A constant
/// column is only centred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MeanNorm")]
pub(in crate::ml::transform) struct Params {}

impl Transform for Params {
    const EXAMPLE: &'static str = "{mean_norm: {}, columns: [amount]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("mean_norm", name, column)?;
        Ok(Plan::Learn(Box::new(Centre(Range::of(name))), Promise::numbers()))
    }
}

struct Centre(Range);

impl Learner for Centre {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.0.learn(frame)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, moments) = self.0.finish("mean_norm")?;
        let divisor = divisor(moments.max - moments.min);
        Ok(Unit::MeanNorm(Affine { column, center: moments.mean, divisor, offset: 0.0, clip: None }))
    }
}
