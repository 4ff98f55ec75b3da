//! Bundles as models of the server.

use arrow::record_batch::RecordBatch;

use super::{Deployment, LoadedModel, ModelSource, Prediction, RequestColumns, ScoreError, Scorer};
use crate::artifact::ArtifactStore;
use crate::ml::bundle::Bundle;
use crate::step::understanding::contract::Contract;
use crate::table::roles::Task;

/// From which probability on a row is positive if the bundle does not say.
const DEFAULT_THRESHOLD: f64 = 0.5;

impl ModelSource for ArtifactStore {
    fn load(&self, deployment: &Deployment) -> Result<LoadedModel, Box<dyn std::error::Error + Send + Sync>> {
        let bundle = Bundle::load(&self.verified_path(&deployment.bundle)?, None)?;
        let record = bundle.record().clone();
        let columns = RequestColumns::new(bundle.input_schema(), record.ignored.iter().cloned().collect());
        let columns = match &record.contract {
            Some(document) => columns.bound_to(&serde_json::from_value::<Contract>(document.clone())?),
            None => columns,
        };
        Ok(LoadedModel { record, columns, scorer: Box::new(bundle) })
    }
}

impl Scorer for Bundle {
    fn score(&self, rows: &RecordBatch) -> Result<Vec<Prediction>, ScoreError> {
        let predictions = self
            .predict(rows)
            .map_err(|error| ScoreError::new("the rows could not be transformed or predicted").caused_by(error))?;
        let threshold = self.record().threshold.unwrap_or(DEFAULT_THRESHOLD);
        let classes = self.task().classes();
        let is_binary = matches!(self.task(), Task::Binary { .. });
        let of_row = |row: usize| {
            if let Some(value) = predictions.value(row) {
                return Prediction::Value(value);
            }
            let probabilities = predictions.probabilities(row);
            let class = predictions.class(row, threshold).unwrap_or_default();
            let ranked = if is_binary { 1 } else { class };
            Prediction::Class { label: classes[class].clone(), probability: probabilities[ranked], probabilities }
        };
        Ok((0..predictions.rows()).map(of_row).collect())
    }
}
