//! Runs: the list, one of them, and what can be asked of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, OnceKey, ReasonBody, by};
use super::paths::RunPath;
use super::pipelines::{SubmittedAnswer, params};
use super::query::{list_query, page, request};
use super::{OPERATOR, VIEWER};
use crate::api::extract::{Json as Body, Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Caller, Page, Route};
use crate::control::{self, Manifest, Rerun, Target};
use crate::id::{PipelineName, StepName};
use crate::store::RequestDetail;
use crate::store::queries::{ApprovalSummary, GateDetail, Progress, RunFilter, RunLease, RunSummary, StepDetail};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/runs", VIEWER),
    Route::get("/api/v1/runs/{run}", VIEWER),
    Route::post("/api/v1/runs/{run}/cancel", OPERATOR),
    Route::post("/api/v1/runs/{run}/pause", OPERATOR),
    Route::post("/api/v1/runs/{run}/resume", OPERATOR),
    Route::post("/api/v1/runs/{run}/rerun", OPERATOR),
    Route::get("/api/v1/runs/{run}/requests", VIEWER),
];

/// Steps in the answer about one run; the list of steps has them all.
const STEPS: u32 = 200;
/// Approvals in the answer about one run.
const APPROVALS: u32 = 500;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(rerun))
        .routes(routes!(requests))
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
        #[param(value_type = Option<String>, pattern = "^[a-z][a-z0-9_]{0,62}$")]
        pipeline: Option<PipelineName>,
        /// Those in this state.
        #[param(inline)]
        state: Option<RunStateName>,
        /// Those asked for at this time or later, as in `2026-03-02T08:00:00Z`.
        since: Option<DateTime<Utc>>,
        /// Those fired by this trigger.
        trigger: Option<String>,
        /// Those of this backfill.
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
    /// The digest of the manifest's text.
    manifest_digest: String,
    /// The digest of the sealed success criteria.
    criteria_digest: Option<String>,
    /// Git commit, program version, host and the like.
    environment: Value,
    /// The values of the pipeline's params.
    params: std::collections::BTreeMap<String, String>,
    /// The first 200 steps in the order of the plan, without outputs and metrics.
    first_steps: Vec<StepDetail>,
    /// The gates, in the order of the plan.
    gates: Vec<GateDetail>,
    /// What somebody had to decide about or has to.
    approvals: Vec<ApprovalSummary>,
    /// What was asked with the run.
    options: Value,
}

/// How a run is to be repeated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::api) struct RerunBody {
    /// Values of params that differ from those of the earlier run.
    params: std::collections::BTreeMap<String, Value>,
    /// The same as texts such as `epochs=50`, which take the declared types; instead of `params`.
    set: Vec<String>,
    /// These steps and everything after them run anew.
    #[schema(value_type = Vec<String>)]
    from: Vec<StepName>,
    /// These steps run anew.
    #[schema(value_type = Vec<String>)]
    refresh: Vec<StepName>,
    /// Whether the manifest counts as it is now, and not as it was for the earlier run.
    latest: bool,
    /// Runs with a higher number get slots first; as for the earlier run unless told.
    priority: Option<i32>,
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
        pipeline: query.pipeline.map(String::from),
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
    let facts = store.run_facts(run).await?;
    Ok(Json(RunAnswer {
        summary,
        manifest_digest: facts.manifest_digest,
        criteria_digest: facts.criteria_digest,
        environment: facts.environment,
        progress: store.progress(run).await?,
        lease: store.run_lease(run).await?,
        params: store.run_params(run).await?.into_iter().collect(),
        first_steps: store
            .steps_page(run, None, false, &crate::store::queries::PageRequest { after: None, limit: STEPS })
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

/// Asks that a run start no more attempts until it is resumed.
#[utoipa::path(post, path = "/api/v1/runs/{run}/pause", tag = "runs", params(RunPath), request_body = ReasonBody,
    responses((status = 202, body = Asked, description = "Whoever drives the run halts it."), Errors))]
async fn pause(
    State(state): State<ApiState>,
    caller: Caller,
    Path(RunPath { run }): Path<RunPath>,
    Body(body): Body<ReasonBody>,
) -> Result<Asked, ApiError> {
    let (target, reason) = (Target::Run(run), body.reason.as_deref());
    asked(control::pause(&state.store, &target, reason, &by(&caller), Utc::now()).await?)
}

/// Asks that a paused run go on, or one that has ended badly.
#[utoipa::path(post, path = "/api/v1/runs/{run}/resume", tag = "runs", params(RunPath), request_body = ReasonBody,
    responses((status = 202, body = Asked, description = "Whoever drives the run goes on with it."), Errors))]
async fn resume(
    State(state): State<ApiState>,
    caller: Caller,
    Path(RunPath { run }): Path<RunPath>,
    Body(body): Body<ReasonBody>,
) -> Result<Asked, ApiError> {
    asked(control::resume(&state.store, &Target::Run(run), body.reason.as_deref(), &by(&caller)).await?)
}

fn asked(request: Option<crate::id::RequestId>) -> Result<Asked, ApiError> {
    let missing = || ApiError::internal(&std::io::Error::other("nothing was asked of the run"));
    request.map(Asked::new).ok_or_else(missing)
}

/// Records a run that repeats an earlier one, with its manifest and params unless told otherwise.
#[utoipa::path(post, path = "/api/v1/runs/{run}/rerun", tag = "runs", params(RunPath), request_body = RerunBody,
    responses(
        (status = 201, body = SubmittedAnswer, description = "The new run."),
        (status = 200, body = SubmittedAnswer, description = "The run that was recorded under the same key before."),
        Errors))]
async fn rerun(
    State(state): State<ApiState>,
    caller: Caller,
    Path(RunPath { run }): Path<RunPath>,
    OnceKey(key): OnceKey,
    Body(body): Body<RerunBody>,
) -> Result<(StatusCode, Json<SubmittedAnswer>), ApiError> {
    let rerun = Rerun {
        from: body.from,
        refresh: body.refresh,
        params: params(body.params, body.set)?,
        manifest: if body.latest { Manifest::Latest } else { Manifest::Own },
        priority: body.priority,
        idempotency_key: key,
        ..Rerun::of(run)
    };
    let submitted = control::rerun(&state.store, rerun, &by(&caller), Utc::now()).await?;
    Ok(SubmittedAnswer::answer(submitted))
}

/// What was asked of a run, oldest first, and what came of it.
#[utoipa::path(get, path = "/api/v1/runs/{run}/requests", tag = "runs", params(RunPath),
    responses((status = 200, body = Page<RequestDetail>, description = "The requests."), Errors))]
async fn requests(
    State(state): State<ApiState>,
    Path(RunPath { run }): Path<RunPath>,
) -> Result<Json<Page<RequestDetail>>, ApiError> {
    state.store.run_summary(run).await?;
    Ok(Json(Page::whole(state.store.requests_of(run).await?)))
}
