//! What the evaluation of the model says that the endpoint needs to know.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::artifact::Digest;
use crate::step::{StepContext, StepError};

/// From which probability on a row is positive if no evaluation says otherwise.
const DEFAULT_THRESHOLD: f64 = 0.5;

/// What the report on input `evidence` says; everything is empty without one.
pub(super) struct Evidence {
    pub(super) digest: Option<Digest>,
    pub(super) threshold: f64,
    pub(super) metrics: BTreeMap<String, f64>,
}

impl Evidence {
    pub(super) fn read(context: &StepContext) -> Result<Evidence, StepError> {
        let Some(input) = context.inputs("evidence").first() else {
            return Ok(Evidence { digest: None, threshold: DEFAULT_THRESHOLD, metrics: BTreeMap::new() });
        };
        let text = std::fs::read(context.path(&input.artifact)?)?;
        let report: Value = serde_json::from_slice(&text).map_err(|error| {
            StepError::input("evidence_format", "the evidence is not a JSON report").caused_by(error)
        })?;
        let threshold = report.pointer("/threshold/value").and_then(Value::as_f64).unwrap_or(DEFAULT_THRESHOLD);
        let metrics = input
            .metrics
            .iter()
            .filter(|metric| metric.slice.is_none())
            .filter_map(|metric| Some((metric.name.clone(), metric.value?)))
            .collect();
        Ok(Evidence { digest: Some(input.artifact.digest), threshold, metrics })
    }
}
