//! Steps of a run and attempts at them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::VIEWER;
use super::paths::{RunPath, StepPath};
use super::query::{list_query, page};
use crate::api::extract::{Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Page, Route};
use crate::control::{self, Why};
use crate::id::{RunId, StepName};
use crate::store::queries::{AttemptSummary, StepDetail};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/runs/{run}/steps", VIEWER),
    Route::get("/api/v1/runs/{run}/steps/{step}", VIEWER),
    Route::get("/api/v1/runs/{run}/attempts", VIEWER),
    Route::get("/api/v1/runs/{run}/steps/{step}/attempts", VIEWER),
    Route::get("/api/v1/runs/{run}/steps/{step}/why", VIEWER),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(attempts))
        .routes(routes!(attempts_at_step))
        .routes(routes!(why))
}

/// The states that a step can be in.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum StepStateName {
    /// It has not begun, or waits before another attempt.
    Waiting,
    /// An attempt runs.
    Running,
    /// An attempt of this run made the result.
    Succeeded,
    /// An earlier result counts.
    Reused,
    /// It was given up.
    Failed,
    /// It will not run.
    Skipped,
    /// It was interrupted.
    Cancelled,
}

impl StepStateName {
    fn as_str(self) -> &'static str {
        match self {
            StepStateName::Waiting => "waiting",
            StepStateName::Running => "running",
            StepStateName::Succeeded => "succeeded",
            StepStateName::Reused => "reused",
            StepStateName::Failed => "failed",
            StepStateName::Skipped => "skipped",
            StepStateName::Cancelled => "cancelled",
        }
    }
}

list_query! {
    /// Which steps.
    StepsQuery {
        /// Those in this state.
        #[param(inline)]
        state: Option<StepStateName>,
        /// Whether outputs, metrics and failures are told too; not unless told.
        details: Option<bool>,
    }
}

list_query! {
    /// Which attempts.
    AttemptsQuery {}
}

/// The steps of a run in the order of the plan; without outputs, metrics and failures unless these are asked for.
#[utoipa::path(get, path = "/api/v1/runs/{run}/steps", tag = "steps", params(RunPath, StepsQuery),
    responses((status = 200, body = Page<StepDetail>, description = "A page of steps."), Errors))]
async fn list(
    State(state): State<ApiState>,
    Path(RunPath { run }): Path<RunPath>,
    Query(query): Query<StepsQuery>,
) -> Result<Json<Page<StepDetail>>, ApiError> {
    let request = query.page()?;
    state.store.run_summary(run).await?;
    let (wanted, has_details) = (query.state.map(StepStateName::as_str), query.details.unwrap_or_default());
    Ok(page(state.store.steps_page(run, wanted, has_details, &request).await?))
}

/// A step of a run with what it made and measured.
#[utoipa::path(get, path = "/api/v1/runs/{run}/steps/{step}", tag = "steps", params(StepPath),
    responses((status = 200, body = StepDetail, description = "The step."), Errors))]
async fn show(
    State(state): State<ApiState>,
    Path(StepPath { run, step }): Path<StepPath>,
) -> Result<Json<StepDetail>, ApiError> {
    Ok(Json(found(&state, run, &step).await?))
}

/// The step of that name.
pub(super) async fn found(state: &ApiState, run: RunId, step: &StepName) -> Result<StepDetail, ApiError> {
    state.store.run_summary(run).await?;
    let found = state.store.step_detail(run, step.as_str()).await?;
    found.ok_or_else(|| {
        ApiError::not_found("no_such_step", format!("{run} has no step `{step}`"))
            .help(format!("`/api/v1/runs/{run}/steps` lists its steps"))
    })
}

/// The attempts of a run, oldest first.
#[utoipa::path(get, path = "/api/v1/runs/{run}/attempts", tag = "steps", params(RunPath, AttemptsQuery),
    responses((status = 200, body = Page<AttemptSummary>, description = "A page of attempts."), Errors))]
async fn attempts(
    State(state): State<ApiState>,
    Path(RunPath { run }): Path<RunPath>,
    Query(query): Query<AttemptsQuery>,
) -> Result<Json<Page<AttemptSummary>>, ApiError> {
    let request = query.page()?;
    state.store.run_summary(run).await?;
    Ok(page(state.store.attempts_page(run, None, &request).await?))
}

/// The attempts at a step, oldest first.
#[utoipa::path(get, path = "/api/v1/runs/{run}/steps/{step}/attempts", tag = "steps", params(StepPath, AttemptsQuery),
    responses((status = 200, body = Page<AttemptSummary>, description = "A page of attempts."), Errors))]
async fn attempts_at_step(
    State(state): State<ApiState>,
    Path(StepPath { run, step }): Path<StepPath>,
    Query(query): Query<AttemptsQuery>,
) -> Result<Json<Page<AttemptSummary>>, ApiError> {
    let request = query.page()?;
    found(&state, run, &step).await?;
    Ok(page(state.store.attempts_page(run, Some(step.as_str()), &request).await?))
}

/// Why a step is where it is: what it waits for and who could change that, or how it ended.
#[utoipa::path(get, path = "/api/v1/runs/{run}/steps/{step}/why", tag = "steps", params(StepPath),
    responses((status = 200, body = Why, description = "The reasons, the first to go away first."), Errors))]
async fn why(
    State(state): State<ApiState>,
    Path(StepPath { run, step }): Path<StepPath>,
) -> Result<Json<Why>, ApiError> {
    Ok(Json(control::why(&state.store, run, step.as_str()).await?))
}
