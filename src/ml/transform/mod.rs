//! Feature pipelines: transforms that are fitted once on the fit table and then turn raw columns into numbers.
//!
//! [`FittedPipeline`] is the main type. The same code transforms a Parquet batch and the JSON rows of a request, so that
//! training and serving cannot differ. Names and formulas are scikit-learn's; fixtures made by it hold them to 1e-9.
//! This module knows nothing of steps, artifacts or endpoints.

mod bin;
mod category;
mod column;
mod date_parts;
mod derive;
mod error;
mod fit;
mod frame;
mod hash;
mod impute;
mod learn;
mod log1p;
mod one_hot;
mod ordinal;
mod pipeline;
mod scale;
mod selector;
mod source;
mod spec;
mod stats;
mod target;
mod target_encoding;
mod unit;
mod winsorize;

pub use category::{Category, Dictionary};
pub use column::{ColumnType, canonical};
pub use error::TransformError;
pub use fit::{PipelineSpec, fit};
pub use pipeline::{Feature, FittedPipeline, InputColumn};
pub use selector::Selector;
pub use source::FitSource;
pub use spec::TransformSpec;
pub use target::{Target, TargetSpec, TaskName};

#[cfg(test)]
mod tests;
