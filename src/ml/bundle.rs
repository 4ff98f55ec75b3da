//! The bundle: model and fitted transform in one folder, with a record of what goes in and where it comes from.
//!
//! Main type: [`Bundle`]. Layout: `bundle.json`, `model/…`, `transform/…`. Equal parts give an equal bundle: nothing in
//! it names a run or a time.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use super::model::{ModelError, Predictions, TrainedModel};
use super::transform::{FittedPipeline, TransformError};
use crate::artifact::Digest;
use crate::id::{EndpointName, PipelineName};
use crate::table::roles::Task;

/// The layout that this version of the program writes and reads.
pub const FORMAT: u32 = 1;

const RECORD: &str = "bundle.json";
/// The folder of the trained model inside a bundle.
pub const MODEL: &str = "model";
/// The folder of the fitted transform inside a bundle.
pub const TRANSFORM: &str = "transform";

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
    /// From which probability on a row counts as positive, as the evaluation decided; only for two classes.
    pub threshold: Option<f64>,
    /// The raw columns of a request.
    pub inputs: Vec<InputColumn>,
    /// Columns that the fit table had and no feature comes from; a request may have them.
    pub ignored: Vec<String>,
    /// The features that the model learned from.
    pub features: Vec<String>,
    /// The digest of the trained model.
    pub model: Digest,
    /// The digest of the fitted transform.
    pub transform: Digest,
    /// The digest of the evaluation report.
    pub evidence: Option<Digest>,
    /// What the evaluation measured.
    pub metrics: BTreeMap<String, f64>,
    /// The schema contract of the source, whose rules rows of requests must keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<serde_json::Value>,
}

/// One raw column of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// What it holds: `int`, `float`, `text`, `bool`, `date` or `timestamp`.
    #[serde(rename = "type")]
    pub column_type: super::transform::ColumnType,
    /// Whether null is taken.
    pub nullable: bool,
}

/// A bundle that cannot be read or asked.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The disk refused.
    #[error("cannot access `{path}`", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// `bundle.json` is not what this version writes.
    #[error("the bundle's record cannot be read")]
    Record(#[source] serde_json::Error),
    /// The bundle was written by another version.
    #[error("the bundle has format {found}, and this program reads {FORMAT}")]
    Format {
        /// The format it names.
        found: u32,
    },
    /// The model learned from features that the transform does not make.
    #[error("the model does not fit the transform: {0}")]
    Mismatch(String),
    /// The transform cannot be read or refuses the rows.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// The model cannot be read or asked.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A model with the transform that feeds it: raw columns in, predictions out.
#[derive(Debug)]
pub struct Bundle {
    record: BundleRecord,
    transform: FittedPipeline,
    model: TrainedModel,
}

impl Bundle {
    /// Writes the record into `folder`, which already has the two folders of the parts.
    pub fn save_record(record: &BundleRecord, folder: &Path) -> Result<(), BundleError> {
        let path = folder.join(RECORD);
        let text = serde_json::to_vec_pretty(record).map_err(BundleError::Record)?;
        std::fs::write(&path, text).map_err(|source| BundleError::Io { path, source })
    }

    /// Reads the bundle in `folder`, whose sentence models may take `memory_bytes` if there is a limit.
    ///
    /// # Errors
    /// When a part is missing, damaged or of another version, or when the parts do not fit.
    pub fn load(folder: &Path, memory_bytes: Option<u64>) -> Result<Bundle, BundleError> {
        let path = folder.join(RECORD);
        let text = std::fs::read(&path).map_err(|source| BundleError::Io { path, source })?;
        let record: BundleRecord = serde_json::from_slice(&text).map_err(BundleError::Record)?;
        if record.format != FORMAT {
            return Err(BundleError::Format { found: record.format });
        }
        let transform = FittedPipeline::load(&folder.join(TRANSFORM), memory_bytes)?;
        let model = TrainedModel::load(&folder.join(MODEL))?;
        check_fit(&model, &transform)?;
        Ok(Bundle { record, transform, model })
    }

    /// What the bundle says about itself.
    pub fn record(&self) -> &BundleRecord {
        &self.record
    }

    /// What it predicts.
    pub fn task(&self) -> &Task {
        self.model.task()
    }

    /// The raw columns that it takes.
    pub fn input_schema(&self) -> SchemaRef {
        self.transform.input_schema()
    }

    /// Predicts from raw columns, a row each.
    pub fn predict(&self, rows: &RecordBatch) -> Result<Predictions, BundleError> {
        Ok(self.model.predict(&self.transform.transform(rows)?)?)
    }
}

/// Whether the transform makes what the model learned from.
///
/// # Errors
/// [`BundleError::Mismatch`], which names the first feature that is not there or is another one.
pub fn check_fit(model: &TrainedModel, transform: &FittedPipeline) -> Result<(), BundleError> {
    for wanted in model.features() {
        let Some(made) = transform.features().iter().find(|made| made.name == wanted.name) else {
            let message = format!("it learned from `{}`, which the transform does not make", wanted.name);
            return Err(BundleError::Mismatch(message));
        };
        if made.categories != wanted.categories.map(|count| count as usize) {
            let message = format!("the transform makes `{}` with other categories", wanted.name);
            return Err(BundleError::Mismatch(message));
        }
    }
    let (learned, fitted) = (model.task(), transform.target.task());
    if *learned == fitted {
        Ok(())
    } else {
        Err(BundleError::Mismatch(format!(
            "it predicts {} {:?}, and the transform was fitted for {} {:?}",
            learned.as_str(),
            learned.classes(),
            fitted.as_str(),
            fitted.classes()
        )))
    }
}
