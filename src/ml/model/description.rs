//! `model.json`: what a model is, what it needs and how it came about.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::features::Feature;
use super::ModelError;
use crate::table::roles::Task;

const FORMAT: &str = "phaseline.model";
const VERSION: u32 = 1;
const FILE: &str = "model.json";

/// What `model.json` says about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDescription {
    /// How it predicts: `linear`, `logistic` or `mlp`.
    pub kind: String,
    /// What it predicts.
    pub task: Task,
    /// The target column that it was trained on.
    pub target: String,
    /// What it needs to know of a row, in order.
    pub features: Vec<Feature>,
    /// The params of its training.
    pub params: Value,
    /// The seed of its training.
    pub seed: u64,
    /// What the weights are the weights of, for kinds whose features do not say it; else null.
    pub architecture: Value,
    /// How the training went.
    pub training: Value,
    /// What was measured after training: `train.roc_auc`, `valid.roc_auc`, ...
    pub metrics: BTreeMap<String, Option<f64>>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: String,
    version: u32,
    kind: String,
    task: String,
    classes: Vec<String>,
    target: String,
    features: Vec<Feature>,
    params: Value,
    seed: u64,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    architecture: Value,
    training: Value,
    metrics: BTreeMap<String, Option<f64>>,
}

#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

impl ModelDescription {
    /// Writes `model.json` into `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        let path = folder.join(FILE);
        let document = Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            kind: self.kind.clone(),
            task: self.task.as_str().to_owned(),
            classes: self.task.classes().to_vec(),
            target: self.target.clone(),
            features: self.features.clone(),
            params: self.params.clone(),
            seed: self.seed,
            architecture: self.architecture.clone(),
            training: self.training.clone(),
            metrics: self.metrics.clone(),
        };
        let text = serde_json::to_vec_pretty(&document)
            .map_err(|source| ModelError::Description { path: path.clone(), source })?;
        fs::write(&path, text).map_err(|source| ModelError::Io { path, source })
    }

    /// Reads `model.json` from `folder`.
    pub fn load(folder: &Path) -> Result<ModelDescription, ModelError> {
        let path = folder.join(FILE);
        let text = fs::read(&path).map_err(|source| ModelError::Io { path: path.clone(), source })?;
        let wrong = |source| ModelError::Description { path: path.clone(), source };
        // A later version may have other fields, so the header is read by itself.
        let header: Header = serde_json::from_slice(&text).map_err(wrong)?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(ModelError::Format { format: header.format, version: header.version });
        }
        let document: Document = serde_json::from_slice(&text).map_err(wrong)?;
        let task = task(&document.task, document.classes)?;
        Ok(ModelDescription {
            kind: document.kind,
            task,
            target: document.target,
            features: document.features,
            params: document.params,
            seed: document.seed,
            architecture: document.architecture,
            training: document.training,
            metrics: document.metrics,
        })
    }
}

fn task(name: &str, classes: Vec<String>) -> Result<Task, ModelError> {
    match (name, classes.len()) {
        ("regression", 0) => Ok(Task::Regression),
        ("binary", 2) => {
            let classes = classes.try_into().map_err(|_| ModelError::Unusable("two classes are not two".to_owned()))?;
            Ok(Task::Binary { classes })
        }
        ("multiclass", 1..) => Ok(Task::Multiclass { classes }),
        (name, count) => Err(ModelError::Unusable(format!("it is `{name}` with {count} classes"))),
    }
}
