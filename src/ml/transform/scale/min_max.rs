//! `min_max`: a range of choice.

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

/// Maps the range of the fit table to a range of choice (scikit-learn's `MinMaxScaler`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MinMax")]
pub(in crate::ml::transform) struct Params {
    /// The range to map to.
    #[serde(default = "unit_range")]
    feature_range: [f64; 2],
    /// Whether values beyond the fit table's range are cut to the range.
    #[serde(default)]
    clip: bool,
}

fn unit_range() -> [f64; 2] {
    [0.0, 1.0]
}

impl Transform for Params {
    const EXAMPLE: &'static str = "{min_max: {feature_range: [-1, 1], clip: true}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        let [low, high] = self.feature_range;
        if low < high { Ok(()) } else { Err(format!("`feature_range: [{low}, {high}]` must rise")) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("min_max", name, column)?;
        let learner = Extremes { params: self.clone(), range: Range::of(name) };
        Ok(Plan::Learn(Box::new(learner), Promise::numbers()))
    }
}

struct Extremes {
    params: Params,
    range: Range,
}

impl Learner for Extremes {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.range.learn(frame)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, moments) = self.range.finish("min_max")?;
        let [low, high] = self.params.feature_range;
        let range = divisor(moments.max - moments.min);
        Ok(Unit::MinMax(Affine {
            column,
            center: moments.min,
            divisor: range / (high - low),
            offset: low,
            clip: self.params.clip.then_some([low, high]),
        }))
    }
}
