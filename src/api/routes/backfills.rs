//! Backfills: one run for each value of a param.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{ReasonBody, by};
use super::paths::{BackfillPath, PipelinePath};
use super::query::{list_query, page};
use super::{OPERATOR, VIEWER};
use crate::api::extract::{Json as Body, Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Caller, Page, Route};
use crate::control::{self, Backfill, BackfillPlan, Mode, Target, Version};
use crate::id::BackfillId;
use crate::store::queries::{BackfillItem, BackfillSummary};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/api/v1/pipelines/{pipeline}/backfills", OPERATOR),
    Route::get("/api/v1/backfills", VIEWER),
    Route::get("/api/v1/backfills/{backfill}", VIEWER),
    Route::get("/api/v1/backfills/{backfill}/items", VIEWER),
    Route::post("/api/v1/backfills/{backfill}/pause", OPERATOR),
    Route::post("/api/v1/backfills/{backfill}/resume", OPERATOR),
    Route::post("/api/v1/backfills/{backfill}/cancel", OPERATOR),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(items))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
}

list_query! {
    /// Which part of the list.
    BackfillsQuery {}
}

/// Which values of a backfill get a run.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum ModeName {
    /// Those for which no run has succeeded and none is under way.
    #[default]
    Missing,
    /// Those whose latest run failed, was rejected or cancelled.
    Failed,
    /// All of them.
    All,
}

/// What to backfill.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BackfillBody {
    /// The param that takes the values.
    #[schema(pattern = "^[a-z][a-z0-9_]{0,62}$", example = "day")]
    param: String,
    /// The values: `2026-01-01..2026-01-31`, `1..12`, both ends included, or `a,b,c`.
    #[schema(max_length = 10000, example = "2026-01-01..2026-01-31")]
    range: String,
    /// How far one value is from the next: `1d`, `2w`, `1mo`, or a number.
    #[schema(max_length = 20, example = "1d")]
    step: Option<String>,
    /// Which of the values get a run; `missing` unless told.
    #[serde(default)]
    mode: ModeName,
    /// How many runs there are at once; 1 unless told.
    #[schema(minimum = 1, maximum = 1000)]
    parallel: Option<u32>,
    /// Whether the last value comes first.
    #[serde(default)]
    newest_first: bool,
    /// Values of other params.
    #[serde(default)]
    params: BTreeMap<String, Value>,
    /// The same as texts such as `epochs=50`, which take the declared types; instead of `params`.
    #[serde(default)]
    set: Vec<String>,
    /// Runs with a higher number get slots first.
    #[serde(default)]
    priority: i32,
    /// Whether only to tell what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// What a backfill does.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct BackfillStarted {
    /// Its id; none where it was only told what would be done.
    backfill: Option<String>,
    /// The pipeline.
    pipeline: String,
    /// The param that takes the values.
    param: String,
    /// Its values in the order in which they are run.
    values: Vec<BackfillValue>,
}

/// A value of a backfill.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct BackfillValue {
    /// The value.
    value: String,
    /// Why it gets no run; null if it does.
    skipped: Option<String>,
}

impl BackfillStarted {
    fn of(backfill: Option<BackfillId>, plan: BackfillPlan) -> BackfillStarted {
        let values = plan.values.into_iter();
        BackfillStarted {
            backfill: backfill.map(|id| id.to_string()),
            pipeline: plan.pipeline,
            param: plan.param,
            values: values.map(|value| BackfillValue { value: value.value, skipped: value.skipped }).collect(),
        }
    }
}

/// Records a backfill, whose runs daemons make, or tells what it would do.
#[utoipa::path(post, path = "/api/v1/pipelines/{pipeline}/backfills", tag = "backfills", params(PipelinePath),
    request_body = BackfillBody,
    responses(
        (status = 201, body = BackfillStarted, description = "The backfill."),
        (status = 200, body = BackfillStarted, description = "What it would do."),
        Errors))]
async fn start(
    State(state): State<ApiState>,
    caller: Caller,
    Path(PipelinePath { pipeline }): Path<PipelinePath>,
    Body(body): Body<BackfillBody>,
) -> Result<Response, ApiError> {
    let backfill = Backfill {
        version: Version::of_pipeline(&state.store, pipeline.as_str()).await?,
        param: body.param,
        range: body.range,
        step: body.step,
        mode: match body.mode {
            ModeName::Missing => Mode::Missing,
            ModeName::Failed => Mode::Failed,
            ModeName::All => Mode::All,
        },
        parallel: body.parallel.unwrap_or(1),
        is_newest_first: body.newest_first,
        params: super::pipelines::params(body.params, body.set)?,
        priority: body.priority,
    };
    if body.dry_run {
        let plan = control::plan_backfill(&state.store, &backfill).await?;
        return Ok(Json(BackfillStarted::of(None, plan)).into_response());
    }
    let started = control::start_backfill(&state.store, backfill, &by(&caller), Utc::now()).await?;
    Ok((StatusCode::CREATED, Json(BackfillStarted::of(Some(started.backfill), started.plan))).into_response())
}

/// The backfills, newest first.
#[utoipa::path(get, path = "/api/v1/backfills", tag = "backfills", params(BackfillsQuery),
    responses((status = 200, body = Page<BackfillSummary>, description = "A page of backfills."), Errors))]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<BackfillsQuery>,
) -> Result<Json<Page<BackfillSummary>>, ApiError> {
    Ok(page(state.store.backfills_page(&query.page()?).await?))
}

/// A backfill.
#[utoipa::path(get, path = "/api/v1/backfills/{backfill}", tag = "backfills", params(BackfillPath),
    responses((status = 200, body = BackfillSummary, description = "The backfill."), Errors))]
async fn show(
    State(state): State<ApiState>,
    Path(BackfillPath { backfill }): Path<BackfillPath>,
) -> Result<Json<BackfillSummary>, ApiError> {
    found(&state, backfill).await.map(Json)
}

/// The values of a backfill, in order.
#[utoipa::path(get, path = "/api/v1/backfills/{backfill}/items", tag = "backfills", params(BackfillPath, BackfillsQuery),
    responses((status = 200, body = Page<BackfillItem>, description = "A page of values."), Errors))]
async fn items(
    State(state): State<ApiState>,
    Path(BackfillPath { backfill }): Path<BackfillPath>,
    Query(query): Query<BackfillsQuery>,
) -> Result<Json<Page<BackfillItem>>, ApiError> {
    let request = query.page()?;
    found(&state, backfill).await?;
    Ok(page(state.store.backfill_items_page(&backfill.to_string(), &request).await?))
}

async fn found(state: &ApiState, backfill: BackfillId) -> Result<BackfillSummary, ApiError> {
    let found = state.store.backfill_summary(&backfill.to_string()).await?;
    found.ok_or_else(|| ApiError::not_found("no_such_backfill", format!("there is no backfill {backfill}")))
}

/// Makes a backfill hand out no more runs until it is resumed.
#[utoipa::path(post, path = "/api/v1/backfills/{backfill}/pause", tag = "backfills", params(BackfillPath),
    request_body = ReasonBody,
    responses((status = 200, body = BackfillSummary, description = "The backfill as it is now."), Errors))]
async fn pause(
    State(state): State<ApiState>,
    caller: Caller,
    Path(BackfillPath { backfill }): Path<BackfillPath>,
    Body(body): Body<ReasonBody>,
) -> Result<Json<BackfillSummary>, ApiError> {
    let (target, reason) = (Target::Backfill(backfill), body.reason.as_deref());
    control::pause(&state.store, &target, reason, &by(&caller), Utc::now()).await?;
    found(&state, backfill).await.map(Json)
}

/// Lets a paused backfill go on.
#[utoipa::path(post, path = "/api/v1/backfills/{backfill}/resume", tag = "backfills", params(BackfillPath),
    request_body = ReasonBody,
    responses((status = 200, body = BackfillSummary, description = "The backfill as it is now."), Errors))]
async fn resume(
    State(state): State<ApiState>,
    caller: Caller,
    Path(BackfillPath { backfill }): Path<BackfillPath>,
    Body(body): Body<ReasonBody>,
) -> Result<Json<BackfillSummary>, ApiError> {
    control::resume(&state.store, &Target::Backfill(backfill), body.reason.as_deref(), &by(&caller)).await?;
    found(&state, backfill).await.map(Json)
}

/// Ends a backfill: it hands out no more runs. Runs that it has made go on; cancel those that are not wanted.
#[utoipa::path(post, path = "/api/v1/backfills/{backfill}/cancel", tag = "backfills", params(BackfillPath),
    responses((status = 200, body = BackfillSummary, description = "The backfill as it is now."), Errors))]
async fn cancel(
    State(state): State<ApiState>,
    Path(BackfillPath { backfill }): Path<BackfillPath>,
) -> Result<Json<BackfillSummary>, ApiError> {
    control::cancel_backfill(&state.store, backfill).await?;
    found(&state, backfill).await.map(Json)
}
