//! Pipelines: what daemons have loaded, and runs of it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{OnceKey, ReasonBody, by};
use super::paths::PipelinePath;
use super::query::{list_query, page};
use super::{OPERATOR, VIEWER};
use crate::api::extract::{Json as Body, Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Caller, Page, Route};
use crate::control::{self, Params, Submission, Submitted, Target, Version};
use crate::engine::{Origin, RunOptions};
use crate::id::{PipelineName, StepName};
use crate::plan::{Overrides, Plan};
use crate::store::queries::{ManifestProblemSummary, PipelineSummary};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/pipelines", VIEWER),
    Route::get("/api/v1/manifest-problems", VIEWER),
    Route::get("/api/v1/pipelines/{pipeline}", VIEWER),
    Route::post("/api/v1/pipelines/{pipeline}/runs", OPERATOR),
    Route::post("/api/v1/pipelines/{pipeline}/pause", OPERATOR),
    Route::post("/api/v1/pipelines/{pipeline}/resume", OPERATOR),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(problems))
        .routes(routes!(show))
        .routes(routes!(submit))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

list_query! {
    /// Which part of the list.
    PipelinesQuery {}
}

/// A pipeline with its manifest and plan.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PipelineAnswer {
    /// What the list of pipelines says.
    #[serde(flatten)]
    summary: PipelineSummary,
    /// The last good text of the manifest.
    manifest: String,
    /// What it comes to with the defaults of all params; null where a param has none.
    plan: Option<PlanGraph>,
}

/// A plan as a graph.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PlanGraph {
    /// The values of the params.
    params: BTreeMap<String, Value>,
    /// The steps, each after everything it needs.
    steps: Vec<PlanStep>,
    /// The gates, by phase.
    gates: Vec<PlanGate>,
}

/// A step of a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PlanStep {
    /// Its name.
    step: String,
    /// Its phase.
    phase: String,
    /// Its kind.
    kind: String,
    /// The steps that must end before it.
    needs: Vec<String>,
    /// The pool that it takes a slot of.
    pool: Option<String>,
}

/// A gate of a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PlanGate {
    /// Its name.
    gate: String,
    /// Its phase.
    phase: String,
    /// Its expression.
    expression: String,
    /// Whether the run stops when it does not pass.
    is_blocking: bool,
}

/// What to run.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::api) struct SubmitBody {
    /// Values of params, by name; the others have their defaults.
    params: BTreeMap<String, Value>,
    /// The same as texts such as `epochs=50`, which take the declared types; instead of `params`.
    set: Vec<String>,
    /// These steps and everything after them run anew.
    #[schema(value_type = Vec<String>)]
    from: Vec<StepName>,
    /// Only these steps run; what they need is reused.
    #[schema(value_type = Vec<String>)]
    only: Vec<StepName>,
    /// These steps run anew.
    #[schema(value_type = Vec<String>)]
    refresh: Vec<StepName>,
    /// Runs with a higher number get slots first.
    priority: i32,
}

/// A run that was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SubmittedAnswer {
    /// The run.
    #[schema(example = "run_0196b2c8f5e07a3b9c1d2e3f4a5b6c7d")]
    run: String,
    /// Whether it did not exist before; false when the idempotency key was used before.
    is_new: bool,
}

impl SubmittedAnswer {
    /// The answer to a request for a run.
    pub(super) fn answer(submitted: Submitted) -> (StatusCode, Json<SubmittedAnswer>) {
        let status = if submitted.is_new { StatusCode::CREATED } else { StatusCode::OK };
        (status, Json(SubmittedAnswer { run: submitted.run.to_string(), is_new: submitted.is_new }))
    }
}

/// Values of params, of which one form may be given.
pub(super) fn params(values: BTreeMap<String, Value>, set: Vec<String>) -> Result<Params, ApiError> {
    if set.is_empty() {
        return Ok(Params::Values(values.into_iter().collect()));
    }
    if values.is_empty() {
        return Ok(Params::Settings(set, None));
    }
    Err(ApiError::invalid("params_twice", "both `params` and `set` are given").help("take one of them".to_owned()))
}

/// The pipelines that daemons have loaded.
#[utoipa::path(get, path = "/api/v1/pipelines", tag = "pipelines", params(PipelinesQuery),
    responses((status = 200, body = Page<PipelineSummary>, description = "A page of pipelines."), Errors))]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<PipelinesQuery>,
) -> Result<Json<Page<PipelineSummary>>, ApiError> {
    Ok(page(state.store.pipelines_page(&query.page()?).await?))
}

/// The files below the folders of daemons of which no pipeline is loaded, and why.
#[utoipa::path(get, path = "/api/v1/manifest-problems", tag = "pipelines", params(PipelinesQuery),
    responses((status = 200, body = Page<ManifestProblemSummary>, description = "A page of files."), Errors))]
async fn problems(
    State(state): State<ApiState>,
    Query(query): Query<PipelinesQuery>,
) -> Result<Json<Page<ManifestProblemSummary>>, ApiError> {
    Ok(page(state.store.manifest_problems_page(&query.page()?).await?))
}

/// A pipeline with its manifest and plan.
#[utoipa::path(get, path = "/api/v1/pipelines/{pipeline}", tag = "pipelines", params(PipelinePath),
    responses((status = 200, body = PipelineAnswer, description = "The pipeline."), Errors))]
async fn show(
    State(state): State<ApiState>,
    Path(PipelinePath { pipeline }): Path<PipelinePath>,
) -> Result<Json<PipelineAnswer>, ApiError> {
    let (summary, manifest) = found(&state, &pipeline).await?;
    // A retired one is shown too.
    let version = Version::new(summary.manifest_path.clone(), manifest.clone());
    // Planning looks at files that the manifest names.
    let plan = super::artifacts::blocking(&state, move |_| Ok(version.plan(&Overrides::none()).ok())).await?;
    Ok(Json(PipelineAnswer { summary, manifest, plan: plan.as_ref().map(graph) }))
}

/// The pipeline of that name with its text.
pub(super) async fn found(state: &ApiState, pipeline: &PipelineName) -> Result<(PipelineSummary, String), ApiError> {
    if let Some(found) = state.store.pipeline_text(pipeline.as_str()).await? {
        return Ok(found);
    }
    match Version::of_pipeline(&state.store, pipeline.as_str()).await {
        Err(error) => Err(error.into()),
        // It was loaded between the two looks.
        Ok(_) => Err(ApiError::unavailable("loading", format!("`{pipeline}` is being loaded"))),
    }
}

fn graph(plan: &Plan) -> PlanGraph {
    PlanGraph {
        params: plan.params.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        steps: plan
            .steps
            .values()
            .map(|step| {
                let inputs = step.inputs.values().flatten().map(|binding| &binding.step);
                let needs: std::collections::BTreeSet<_> = inputs.chain(&step.needs).collect();
                PlanStep {
                    step: step.name.to_string(),
                    phase: step.phase.to_string(),
                    kind: step.kind.clone(),
                    needs: needs.into_iter().map(ToString::to_string).collect(),
                    pool: step.pool.clone(),
                }
            })
            .collect(),
        gates: plan
            .gates
            .values()
            .map(|gate| PlanGate {
                gate: gate.name.to_string(),
                phase: gate.phase.to_string(),
                expression: gate.check.clone(),
                is_blocking: gate.is_blocking(),
            })
            .collect(),
    }
}

/// Records a run of a pipeline, which a daemon takes on. With an `Idempotency-Key` that was used before, it is the run of
/// then.
#[utoipa::path(post, path = "/api/v1/pipelines/{pipeline}/runs", tag = "pipelines", params(PipelinePath),
    request_body = SubmitBody,
    responses(
        (status = 201, body = SubmittedAnswer, description = "The run."),
        (status = 200, body = SubmittedAnswer, description = "The run that was recorded under the same key before."),
        Errors))]
async fn submit(
    State(state): State<ApiState>,
    caller: Caller,
    Path(PipelinePath { pipeline }): Path<PipelinePath>,
    OnceKey(key): OnceKey,
    Body(body): Body<SubmitBody>,
) -> Result<(StatusCode, Json<SubmittedAnswer>), ApiError> {
    let submission = Submission {
        version: Version::of_pipeline(&state.store, pipeline.as_str()).await?,
        params: params(body.params, body.set)?,
        options: RunOptions { from: body.from, only: body.only, refresh: body.refresh },
        origin: Origin { priority: body.priority, ..Origin::default() },
        idempotency_key: key,
    };
    let submitted = control::submit(&state.store, submission, &by(&caller), Utc::now()).await?;
    Ok(SubmittedAnswer::answer(submitted))
}

/// Pauses all triggers of a pipeline: only by hand it gets runs.
#[utoipa::path(post, path = "/api/v1/pipelines/{pipeline}/pause", tag = "pipelines", params(PipelinePath),
    request_body = ReasonBody,
    responses((status = 200, body = PipelineSummary, description = "The pipeline as it is now."), Errors))]
async fn pause(
    State(state): State<ApiState>,
    caller: Caller,
    Path(PipelinePath { pipeline }): Path<PipelinePath>,
    Body(body): Body<ReasonBody>,
) -> Result<Json<PipelineSummary>, ApiError> {
    let target = Target::Pipeline(pipeline.to_string());
    control::pause(&state.store, &target, body.reason.as_deref(), &by(&caller), Utc::now()).await?;
    Ok(Json(found(&state, &pipeline).await?.0))
}

/// Lets the triggers of a paused pipeline fire again.
#[utoipa::path(post, path = "/api/v1/pipelines/{pipeline}/resume", tag = "pipelines", params(PipelinePath),
    request_body = ReasonBody,
    responses((status = 200, body = PipelineSummary, description = "The pipeline as it is now."), Errors))]
async fn resume(
    State(state): State<ApiState>,
    caller: Caller,
    Path(PipelinePath { pipeline }): Path<PipelinePath>,
    Body(body): Body<ReasonBody>,
) -> Result<Json<PipelineSummary>, ApiError> {
    let target = Target::Pipeline(pipeline.to_string());
    control::resume(&state.store, &target, body.reason.as_deref(), &by(&caller)).await?;
    Ok(Json(found(&state, &pipeline).await?.0))
}
