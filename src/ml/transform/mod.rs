//! Feature pipelines: transforms that are fitted once on the fit table and then turn raw columns into numbers.
//!
//! [`FittedPipeline`] is the main type. The same code transforms a Parquet batch and the JSON rows of a request, so that
//! training and serving cannot differ. Names and formulas are scikit-learn's; fixtures made by it hold them to 1e-9.
//! This module knows nothing of steps, artifacts or endpoints.

mod category;
mod column;
mod derive;
mod error;
mod fit;
mod frame;
mod impute;
mod learn;
mod one_hot;
mod pipeline;
mod scale;
mod selector;
mod source;
mod spec;
mod stats;
mod target;
mod unit;

pub use category::{Category, Dictionary};
pub use column::{ColumnType, canonical};
pub use error::TransformError;
pub use fit::{PipelineSpec, fit};
pub use pipeline::{Feature, FittedPipeline, InputColumn};
pub use selector::Selector;
pub use source::FitSource;
pub use spec::TransformSpec;
pub use target::{Target, TargetSpec, TaskName};
