//! The named parts of paths.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::id::{BackfillId, EndpointName, GateName, PipelineName, RunId, StepName};

/// A pipeline.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct PipelinePath {
    /// The pipeline's name.
    #[param(value_type = String, pattern = "^[a-z][a-z0-9_]{0,62}$", example = "churn")]
    pub(super) pipeline: PipelineName,
}

/// A trigger.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct TriggerPath {
    /// The pipeline's name.
    #[param(value_type = String, pattern = "^[a-z][a-z0-9_]{0,62}$", example = "churn")]
    pub(super) pipeline: PipelineName,
    /// The trigger's name.
    #[param(pattern = "^[a-z][a-z0-9_]{0,62}$", example = "nightly")]
    pub(super) trigger: String,
}

/// A run.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct RunPath {
    /// The run's id.
    #[param(value_type = String, pattern = "^run_[0-9a-f]{32}$", example = "run_0196b2c8f5e07a3b9c1d2e3f4a5b6c7d")]
    pub(super) run: RunId,
}

/// A step of a run.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct StepPath {
    /// The run's id.
    #[param(value_type = String, pattern = "^run_[0-9a-f]{32}$", example = "run_0196b2c8f5e07a3b9c1d2e3f4a5b6c7d")]
    pub(super) run: RunId,
    /// The step, an instance of a matrix with its keys.
    #[param(value_type = String, example = "train",
        pattern = "^[a-z][a-z0-9_]{0,62}(\\[[a-z][a-z0-9_]{0,62}=[A-Za-z0-9_. -]{0,62}(,[a-z][a-z0-9_]{0,62}=[A-Za-z0-9_. -]{0,62})*\\])?$")]
    pub(super) step: StepName,
}

/// A gate of a run.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct GatePath {
    /// The run's id.
    #[param(value_type = String, pattern = "^run_[0-9a-f]{32}$", example = "run_0196b2c8f5e07a3b9c1d2e3f4a5b6c7d")]
    pub(super) run: RunId,
    /// The gate's name.
    #[param(value_type = String, pattern = "^[a-z][a-z0-9_]{0,62}$", example = "good_enough")]
    pub(super) gate: GateName,
}

/// An artifact.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct DigestPath {
    /// The digest, or the beginning of it.
    #[param(pattern = "^[0-9a-f]{4,64}$")]
    pub(super) digest: String,
}

/// A model.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct ModelPath {
    /// The model's name, which is also its endpoint's.
    #[param(value_type = String, pattern = "^[a-z][a-z0-9_]{0,62}$", example = "churn")]
    pub(super) model: EndpointName,
}

/// A pool.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct PoolPath {
    /// The pool's name.
    #[param(pattern = "^[a-z][a-z0-9_]{0,62}$", example = "gpu")]
    pub(super) pool: String,
}

/// A backfill.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct BackfillPath {
    /// The backfill's id.
    #[param(value_type = String, pattern = "^bf_[0-9a-f]{32}$")]
    pub(super) backfill: BackfillId,
}
