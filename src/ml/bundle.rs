//! The bundle: model and fitted transform in one folder, with a record of what goes in and where it comes from.
//!
//! Layout: `bundle.json`, `model/…`, `transform/…`. Equal parts give an equal bundle: nothing in it names a run or a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::Digest;
use crate::id::{EndpointName, PipelineName};

/// What `bundle.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleRecord {
    /// The version of this layout.
    pub format: u32,
    /// The endpoint that it was made for.
    pub endpoint: EndpointName,
    /// The pipeline that made it.
    pub pipeline: Option<PipelineName>,
    /// `binary`, `multiclass` or `regression`.
    pub task: String,
    /// The labels; for two, the second one is the positive class. Empty for regression.
    pub classes: Vec<String>,
    /// The raw columns of a request.
    pub inputs: Vec<InputColumn>,
    /// Columns that the fit table had and no feature comes from; a request may have them.
    pub ignored: Vec<String>,
    /// The features that the transform makes of them and the model learned from.
    pub features: Vec<String>,
    /// The digest of the trained model.
    pub model: Digest,
    /// The digest of the fitted transform.
    pub transform: Digest,
    /// The digest of the evaluation report.
    pub evidence: Option<Digest>,
    /// What the evaluation measured.
    pub metrics: BTreeMap<String, f64>,
}

/// One raw column of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// `integer`, `number`, `string`, `boolean`, `date` or `timestamp`.
    #[serde(rename = "type")]
    pub kind: String,
}
