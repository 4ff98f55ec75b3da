//! A trained model that answers.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::record_batch::RecordBatch;

use super::super::features::{Feature, FeatureMatrix};
use super::super::linear::{LinearWeights, sigmoid, softmax};
use super::super::network::{Architecture, ComputeDevice, DeviceChoice, Network};
use super::super::tensors::Tensors;
use super::{ModelDescription, ModelError, Predictions};
use crate::table::roles::Task;

const WEIGHTS: &str = "weights.safetensors";

/// The part of a model that turns features into numbers.
#[derive(Debug, Clone)]
pub enum Predictor {
    /// A linear combination: `linear` and `logistic` models.
    Linear(LinearWeights),
    /// A feed-forward network: `mlp` models.
    Network(Network),
}

/// A trained model. It can be shared between threads.
#[derive(Debug, Clone)]
pub struct TrainedModel {
    description: ModelDescription,
    predictor: Predictor,
}

impl TrainedModel {
    /// A model of its two parts.
    pub fn new(description: ModelDescription, predictor: Predictor) -> TrainedModel {
        TrainedModel { description, predictor }
    }

    /// Reads the model in `folder`.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the model is of a later version.
    pub fn load(folder: &Path) -> Result<TrainedModel, ModelError> {
        let description = ModelDescription::load(folder)?;
        let tensors = Tensors::load(&folder.join(WEIGHTS))?;
        let predictor = match description.kind.as_str() {
            "linear" | "logistic" => Predictor::Linear(linear_weights(&description, &tensors)?),
            "mlp" => Predictor::Network(network(&description, &tensors)?),
            kind => return Err(ModelError::Unusable(format!("its kind `{kind}` is unknown"))),
        };
        Ok(TrainedModel { description, predictor })
    }

    /// Writes the model into the empty folder `folder`. Equal models give equal bytes.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        self.description.save(folder)?;
        let mut tensors = Tensors::default();
        match &self.predictor {
            Predictor::Linear(weights) => {
                tensors.insert_f64("coefficients", &[weights.outputs, weights.width], weights.coefficients.clone());
                tensors.insert_f64("intercepts", &[weights.outputs], weights.intercepts.clone());
            }
            Predictor::Network(network) => {
                network.write(&mut tensors, "").map_err(|error| ModelError::Network(Box::new(error)))?;
            }
        }
        Ok(tensors.save(&folder.join(WEIGHTS))?)
    }

    /// Records what was measured after training.
    pub fn set_metrics(&mut self, metrics: BTreeMap<String, Option<f64>>) {
        self.description.metrics = metrics;
    }

    /// What is known of the model.
    pub fn description(&self) -> &ModelDescription {
        &self.description
    }

    /// What the model needs to know of a row, in order.
    pub fn features(&self) -> &[Feature] {
        &self.description.features
    }

    /// What the model predicts.
    pub fn task(&self) -> &Task {
        &self.description.task
    }

    /// Predicts for the rows of `batch`; features are found by name, other columns do not matter.
    ///
    /// # Errors
    /// When a feature is missing, is not a number, or has a value that the model cannot use.
    pub fn predict(&self, batch: &RecordBatch) -> Result<Predictions, ModelError> {
        self.predict_matrix(&FeatureMatrix::of(self.features(), batch)?)
    }

    /// Predicts for rows that are already a matrix of the model's own features.
    pub fn predict_matrix(&self, features: &FeatureMatrix) -> Result<Predictions, ModelError> {
        if features.features() != self.features() {
            return Err(ModelError::Unusable("it was trained on other features than it is asked about".to_owned()));
        }
        let outputs = match &self.predictor {
            Predictor::Linear(weights) => weights.apply(features),
            Predictor::Network(network) => {
                network.outputs(features).map_err(|error| ModelError::Network(Box::new(error)))?
            }
        };
        let predictions = link(self.task(), outputs);
        match predictions.first_bad_row() {
            Some(row) => Err(ModelError::NotFinite { row }),
            None => Ok(predictions),
        }
    }
}

/// Turns the outputs of a model into predictions: logits into probabilities.
pub(crate) fn link(task: &Task, mut outputs: Vec<f64>) -> Predictions {
    match task {
        Task::Regression => Predictions::Regression(outputs),
        Task::Binary { .. } => {
            for logit in &mut outputs {
                *logit = sigmoid(*logit);
            }
            Predictions::Binary(outputs)
        }
        Task::Multiclass { classes } => {
            for row in outputs.chunks_mut(classes.len()) {
                softmax(row);
            }
            Predictions::Multiclass { classes: classes.len(), probabilities: outputs }
        }
    }
}

/// How many numbers a model of `task` puts out for a row.
pub(crate) fn output_width(task: &Task) -> usize {
    match task {
        Task::Regression | Task::Binary { .. } => 1,
        Task::Multiclass { classes } => classes.len(),
    }
}

fn linear_weights(description: &ModelDescription, tensors: &Tensors) -> Result<LinearWeights, ModelError> {
    let columns = |feature: &Feature| feature.categories.map_or(1, |count| count as usize);
    let width = description.features.iter().map(columns).sum();
    let outputs = output_width(&description.task);
    Ok(LinearWeights {
        outputs,
        width,
        coefficients: tensors.f64("coefficients", &[outputs, width])?.to_vec(),
        intercepts: tensors.f64("intercepts", &[outputs])?.to_vec(),
    })
}

/// The network of a description, always on the CPU: a model answers where there is no GPU too.
fn network(description: &ModelDescription, tensors: &Tensors) -> Result<Network, ModelError> {
    let architecture: Architecture = serde_json::from_value(description.architecture.clone())
        .map_err(|error| ModelError::Unusable(format!("its architecture is not that of a network: {error}")))?;
    let codes: Vec<u32> = description.features.iter().filter_map(|feature| feature.categories).collect();
    let fits = architecture.numeric == description.features.len() - codes.len()
        && architecture
            .embeddings
            .iter()
            .map(|(count, _)| *count as u64)
            .eq(codes.iter().map(|count| u64::from(*count)))
        && architecture.outputs == output_width(&description.task);
    if !fits {
        return Err(ModelError::Unusable("its architecture does not fit its features and classes".to_owned()));
    }
    let device = ComputeDevice::find(DeviceChoice::Cpu).map_err(|error| ModelError::Unusable(error.to_string()))?;
    Ok(Network::from_tensors(&architecture, tensors, "", &device)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int32Array};
    use serde_json::Value;

    use super::*;

    fn model() -> TrainedModel {
        let feature = |name: &str, categories| Feature { name: name.to_owned(), categories };
        let description = ModelDescription {
            kind: "logistic".to_owned(),
            task: Task::Binary { classes: ["no".to_owned(), "yes".to_owned()] },
            target: "y".to_owned(),
            features: vec![feature("code", Some(2)), feature("x", None)],
            params: Value::Null,
            seed: 1,
            architecture: Value::Null,
            training: Value::Null,
            metrics: BTreeMap::from([("valid.roc_auc".to_owned(), None)]),
        };
        let weights = LinearWeights { outputs: 1, width: 3, coefficients: vec![2.0, 0.0, 1.0], intercepts: vec![-1.0] };
        TrainedModel::new(description, Predictor::Linear(weights))
    }

    fn batch() -> RecordBatch {
        let x: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 0.0]));
        let code: ArrayRef = Arc::new(Int32Array::from(vec![0, 1]));
        RecordBatch::try_from_iter([("x", x), ("code", code)]).unwrap()
    }

    #[test]
    fn a_model_reads_back_as_written_and_predicts_the_same() {
        let folder = tempfile::tempdir().unwrap();
        model().save(folder.path()).unwrap();
        let loaded = TrainedModel::load(folder.path()).unwrap();
        assert_eq!(loaded.description(), model().description());
        let expected = Predictions::Binary(vec![0.5, 0.5]);
        assert_eq!(loaded.predict(&batch()).unwrap(), expected);
        assert_eq!(model().predict(&batch()).unwrap(), expected);
    }

    #[test]
    fn a_model_can_be_shared_between_threads() {
        fn check<T: Send + Sync + 'static>() {}
        check::<TrainedModel>();
    }

    #[test]
    fn a_missing_feature_is_named() {
        let error = model().predict(&batch().project(&[0]).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the table has no feature column `code`");
    }

    #[test]
    fn a_model_of_a_later_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        model().save(folder.path()).unwrap();
        let path = folder.path().join("model.json");
        let text = fs::read_to_string(&path).unwrap().replace("\"version\": 1", "\"version\": 2");
        fs::write(&path, text).unwrap();
        let error = TrainedModel::load(folder.path()).unwrap_err();
        assert!(matches!(error, ModelError::Format { version: 2, .. }), "{error}");
    }
}
