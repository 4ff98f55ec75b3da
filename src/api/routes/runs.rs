//! Runs: the list, one of them, and what can be asked of it.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, ReasonBody, by};
use super::paths::RunPath;
use super::query::{list_query, page, request};
use super::{OPERATOR, VIEWER};
use crate::api::extract::{Json as Body, Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Caller, Page, Route};
use crate::control;
use crate::store::queries::{ApprovalSummary, GateDetail, Progress, RunFilter, RunLease, RunSummary, StepDetail};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/runs", VIEWER),
    Route::get("/api/v1/runs/{run}", VIEWER),
    Route::post("/api/v1/runs/{run}/cancel", OPERATOR),
];

/// Steps in the answer about one run; the list of steps has them all.
const STEPS: u32 = 200;
/// Approvals in the answer about one run.
const APPROVALS: u32 = 500;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(cancel))
}

/// The states that a run can be shown in.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum RunStateName {
    /// Nobody has begun it.
    Waiting,
    /// Somebody drives it.
    Running,
    /// Whoever drove it is gone.
    Interrupted,
    /// Somebody has to decide.
    AwaitingApproval,
    /// Somebody halted it.
    Paused,
    /// It ended well.
    Succeeded,
    /// A step failed.
    Failed,
    /// A gate did not pass.
    Rejected,
    /// Somebody cancelled it.
    Cancelled,
}

list_query! {
    /// Which runs.
    RunsQuery {
        /// Those of this pipeline.
        #[param(pattern = "^[a-z][a-z0-9_]{0,62}$")]
        pipeline: Option<String>,
        /// Those in this state.
        #[param(inline)]
        state: Option<RunStateName>,
        /// Those asked for at this time or later, as in `2026-03-02T08:00:00Z`.
        since: Option<DateTime<Utc>>,
        /// Those fired by this trigger.
        #[param(max_length = 200)]
        trigger: Option<String>,
        /// Those of this backfill.
        #[param(max_length = 200)]
        backfill: Option<String>,
    }
}

/// A run with what there is to know at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RunAnswer {
    /// What the list of runs says.
    #[serde(flatten)]
    summary: RunSummary,
    /// How many steps are where.
    progress: Progress,
    /// Who drives it.
    lease: RunLease,
    /// The values of the pipeline's params.
    params: std::collections::BTreeMap<String, String>,
    /// The first 200 steps in the order of the plan, without outputs and metrics.
    steps: Vec<StepDetail>,
    /// The gates, in the order of the plan.
    gates: Vec<GateDetail>,
    /// What somebody had to decide about or has to.
    approvals: Vec<ApprovalSummary>,
    /// What was asked with the run.
    options: Value,
}

/// The runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(RunsQuery),
    responses((status = 200, body = Page<RunSummary>, description = "A page of runs."), Errors))]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<RunsQuery>,
) -> Result<Json<Page<RunSummary>>, ApiError> {
    let request = query.page()?;
    let filter = RunFilter {
        pipeline: query.pipeline,
        state: query.state.map(|state| {
            serde_json::to_value(state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
        }),
        since: query.since,
        trigger: query.trigger,
        backfill: query.backfill,
    };
    Ok(page(state.store.runs_page(&filter, &request).await?))
}

/// A run with its steps, gates and approvals.
#[utoipa::path(get, path = "/api/v1/runs/{run}", tag = "runs", params(RunPath),
    responses((status = 200, body = RunAnswer, description = "The run."), Errors))]
async fn show(
    State(state): State<ApiState>,
    Path(RunPath { run }): Path<RunPath>,
) -> Result<Json<RunAnswer>, ApiError> {
    let store = &state.store;
    let summary = store.run_summary(run).await?;
    let id = run.to_string();
    Ok(Json(RunAnswer {
        summary,
        progress: store.progress(run).await?,
        lease: store.run_lease(run).await?,
        params: store.run_params(run).await?.into_iter().collect(),
        steps: store
            .steps_page(run, None, &crate::store::queries::PageRequest { after: None, limit: STEPS })
            .await?
            .items,
        gates: store.run_gates(run).await?,
        approvals: store.approvals_page(Some(&id), None, &request(Some(APPROVALS), None)?).await?.items,
        options: store.run_options(run).await?,
    }))
}

/// Asks for the end of a run.
#[utoipa::path(post, path = "/api/v1/runs/{run}/cancel", tag = "runs", params(RunPath), request_body = ReasonBody,
    responses((status = 202, body = Asked, description = "Whoever drives the run ends it."), Errors))]
async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    Path(RunPath { run }): Path<RunPath>,
    Body(body): Body<ReasonBody>,
) -> Result<Asked, ApiError> {
    Ok(Asked::new(control::cancel(&state.store, run, body.reason.as_deref(), &by(&caller)).await?))
}
