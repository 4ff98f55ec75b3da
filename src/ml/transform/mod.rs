//! Feature pipelines: transforms that are fitted once on the fit table and then turn raw columns into numbers.
//!
//! [`FittedPipeline`] is the main type. The same code transforms a Parquet batch and the JSON rows of a request, so that
//! training and serving cannot differ. Names and formulas are scikit-learn's; fixtures made by it hold them to 1e-9.
//! This module knows nothing of steps, artifacts or endpoints.
//!
//! # Adding a transform
//! A transform is one file in the folder of its family (`impute`, `scale`, `outliers`, `encode`, ...) with three parts:
//! - `Params`, what the manifest says: serde, `JsonSchema` and doc comments, which become `docs/transforms.md`. They
//!   implement [`plan::Transform`]: the constants say which value a bare word stands for (`BARE`), where the columns
//!   come from (`COLUMNS`) and whether it works on each alone or on all together (`SCOPE`); `check` refuses params that
//!   make no sense; `plan` looks at the columns' types and gives a fitted transform that needs no learning
//!   (`Plan::Ready`), or a learner with what it promises to make (`Plan::Learn`).
//! - a [`learn::Learner`], which sees the planned columns and the target batch by batch, and at the end gives
//! - the fitted transform, plain data that serde writes into `transform.json`. It implements [`fitted::Fitted`]: `apply`
//!   changes the columns of a batch, where a row's result may depend on that row alone; `inputs` and `outputs` are its
//!   column lineage. What it learnt from the target must not reach the row that taught it: see `Rows::Learnt`.
//!
//! One line in [`registry`] adds it to manifests, schemas, docs and `transform.json`; an item in `serve/parity.rs` holds
//! it to equal numbers in a table and in a request, and a case in `tools/oracle` to those of the reference. Generated are
//! `docs/transforms.md` (by the tests of `step/docs.rs`) and `schemas/pipeline.schema.json`, with `PHASELINE_UPDATE=1`.

mod category;
mod chance;
mod column;
mod create;
mod discretise;
mod encode;
mod error;
mod finite;
mod fit;
mod fitted;
mod frame;
mod gather;
mod impute;
mod learn;
mod needs;
mod outliers;
mod pieces;
mod pipeline;
mod plan;
mod reduce;
mod registry;
mod scale;
mod select;
mod selector;
mod source;
mod spec;
mod stats;
mod symmetric;
mod target;
mod text;
mod walk;

pub use category::{Category, Dictionary};
pub use column::{ColumnType, canonical};
pub use error::TransformError;
pub use fit::{FitOptions, PipelineSpec, fit};
pub use pieces::pieces;
pub use pipeline::{Feature, FittedPipeline, InputColumn};
pub use registry::{Listed, catalogue, is_known};
pub use select::chosen::Choice;
pub use selector::Selector;
pub use source::FitSource;
pub use spec::TransformSpec;
pub use target::{Target, TargetSpec, TaskName};

#[cfg(test)]
mod odd_tables;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
