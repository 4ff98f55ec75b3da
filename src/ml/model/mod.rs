//! Trained models: one folder with `model.json`, which describes, and `weights.safetensors`, which holds the numbers.

mod description;
mod error;
mod predictions;
mod trained;

pub use description::ModelDescription;
pub use error::ModelError;
pub use predictions::Predictions;
pub use trained::{Predictor, TrainedModel};
pub(crate) use trained::{link, output_width};
