//! `variance_threshold`: columns that hardly vary go.

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

/// Takes columns away whose variance is not above `threshold` (scikit-learn's `VarianceThreshold`); with 0 those that
/// never vary. Missing values do not count. A bare number is the threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VarianceThreshold")]
pub(in crate::ml::transform) struct Params {
    /// The largest variance of a column that goes.
    #[serde(default)]
    #[schemars(range(min = 0))]
    threshold: f64,
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("threshold");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{variance_threshold: 0.01, columns: [amount, months]}";

    fn check(&self) -> Result<(), String> {
        if self.threshold >= 0.0 { Ok(()) } else { Err("`threshold` must be 0 or more".to_owned()) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open {
            return Ok(Plan::Wait);
        }
        need("variance_threshold", planning)?;
        let columns: Vec<(String, Moments)> =
            planning.columns.iter().map(|name| (name.clone(), Moments::default())).collect();
        Ok(Plan::Learn(Box::new(Variances { threshold: self.threshold, columns }), promise(planning)?))
    }
}

struct Variances {
    threshold: f64,
    columns: Vec<(String, Moments)>,
}

impl Learner for Variances {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        for (name, moments) in &mut self.columns {
            let values = numbers(&frame.column(name)?.array)?;
            moments.merge(&Moments::of(values.iter().flatten()));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let threshold = self.threshold;
        let mut choices = Vec::new();
        for (column, moments) in self.columns {
            if moments.count > 0.0 && !(moments.min.is_finite() && moments.max.is_finite()) {
                return Err(infinite(&column, "variance_threshold"));
            }
            let range = if moments.count > 0.0 { moments.max - moments.min } else { 0.0 };
            // Rounding gives a constant a variance, and never a range.
            let variance = if threshold == 0.0 { moments.variance().min(range) } else { moments.variance() };
            let kept = variance > threshold;
            let side = if kept { "above" } else { "not above" };
            let reason = format!("its variance is {side} {threshold}");
            choices.push(Choice::new("variance_threshold", column, kept, Some(variance), reason));
        }
        Ok(Unit::VarianceThreshold(Chosen::new("variance_threshold", choices)?))
    }
}
