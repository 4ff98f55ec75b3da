//! What can go wrong with a model.

use std::io;
use std::path::PathBuf;

use super::super::features::FeatureError;
use super::super::tensors::TensorError;

/// A model that cannot be read, written or asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The disk refused.
    #[error("cannot access the model file `{path}`", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// `model.json` is not what this version writes.
    #[error("`{path}` does not describe a model", path = .path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The model was written by another kind of program or a later version.
    #[error("the model has format `{format}` version {version}, which this version of phaseline cannot read")]
    Format {
        /// The format it names.
        format: String,
        /// Its version.
        version: u32,
    },
    /// The model is of a kind that this version does not know, or its parts contradict each other.
    #[error("the model is not usable: {0}")]
    Unusable(String),
    /// The weights cannot be read or written.
    #[error(transparent)]
    Weights(#[from] TensorError),
    /// The features do not fit the model.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// The network's library failed.
    #[error("the network could not be evaluated")]
    Network(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A prediction is infinite or no number.
    #[error("the model predicts a value that is not a number for row {row}")]
    NotFinite {
        /// The row, from 0.
        row: usize,
    },
}
