//! `max_abs`: the largest absolute value becomes 1.

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

/// Divides by the largest absolute value of the fit table (scikit-learn's `MaxAbsScaler`), so zeros stay zeros.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MaxAbs")]
pub(in crate::ml::transform) struct Params {
    /// Whether values beyond the fit table's range are cut to -1 and 1.
    #[serde(default)]
    clip: bool,
}

impl Transform for Params {
    const EXAMPLE: &'static str = "{max_abs: {}, columns: [amount]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("max_abs", name, column)?;
        let learner = Largest { clip: self.clip, range: Range::of(name) };
        Ok(Plan::Learn(Box::new(learner), Promise::numbers()))
    }
}

struct Largest {
    clip: bool,
    range: Range,
}

impl Learner for Largest {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.range.learn(frame)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, moments) = self.range.finish("max_abs")?;
        let divisor = divisor(moments.max.abs().max(moments.min.abs()));
        let clip = self.clip.then_some([-1.0, 1.0]);
        Ok(Unit::MaxAbs(Affine { column, center: 0.0, divisor, offset: 0.0, clip }))
    }
}
