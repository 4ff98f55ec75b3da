//! Triggers: the list, firing and pausing one, and requests from outside.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{OnceKey, by};
use super::paths::{PipelinePath, TriggerPath};
use super::query::{list_query, page};
use super::{ADMIN, OPERATOR, VIEWER};
use crate::api::extract::{Json as Body, Path, Query};
use crate::api::idempotency::Unkept;
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Caller, Need, Page, Route};
use crate::control::{self, Firing, LONGEST_BODY, WebhookRequest};
use crate::store::queries::TriggerSummary;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/triggers", VIEWER),
    Route::get("/api/v1/pipelines/{pipeline}/triggers", VIEWER),
    Route::get("/api/v1/triggers/{pipeline}/{trigger}", VIEWER),
    Route::post("/api/v1/triggers/{pipeline}/{trigger}/fire", OPERATOR),
    Route::post("/api/v1/triggers/{pipeline}/{trigger}/pause", OPERATOR),
    Route::post("/api/v1/triggers/{pipeline}/{trigger}/resume", OPERATOR),
    Route::post("/api/v1/triggers/{pipeline}/{trigger}/token", ADMIN),
    Route::post("/hooks/{pipeline}/{trigger}", Need::Webhook).body_bytes(LONGEST_BODY),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(of_pipeline))
        .routes(routes!(show))
        .routes(routes!(fire))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(token))
        .routes(routes!(hook))
}

list_query! {
    /// Which part of the list.
    TriggersQuery {}
}

/// How a trigger is fired by hand.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct FireBody {
    /// The same key fires once, whoever sends it; the `Idempotency-Key` of the caller unless told.
    #[schema(min_length = 1, max_length = 200, example = "2026-03-02")]
    key: Option<String>,
}

/// The token of a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WebhookToken {
    /// It is told this once.
    token: String,
}

/// The triggers of all pipelines.
#[utoipa::path(get, path = "/api/v1/triggers", tag = "triggers", params(TriggersQuery),
    responses((status = 200, body = Page<TriggerSummary>, description = "A page of triggers."), Errors))]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<TriggersQuery>,
) -> Result<Json<Page<TriggerSummary>>, ApiError> {
    Ok(page(state.store.triggers_page(None, &query.page()?).await?))
}

/// The triggers of a pipeline.
#[utoipa::path(get, path = "/api/v1/pipelines/{pipeline}/triggers", tag = "triggers", params(PipelinePath, TriggersQuery),
    responses((status = 200, body = Page<TriggerSummary>, description = "A page of triggers."), Errors))]
async fn of_pipeline(
    State(state): State<ApiState>,
    Path(PipelinePath { pipeline }): Path<PipelinePath>,
    Query(query): Query<TriggersQuery>,
) -> Result<Json<Page<TriggerSummary>>, ApiError> {
    let request = query.page()?;
    super::pipelines::found(&state, &pipeline).await?;
    Ok(page(state.store.triggers_page(Some(pipeline.as_str()), &request).await?))
}

/// A trigger.
#[utoipa::path(get, path = "/api/v1/triggers/{pipeline}/{trigger}", tag = "triggers", params(TriggerPath),
    responses((status = 200, body = TriggerSummary, description = "The trigger."), Errors))]
async fn show(
    State(state): State<ApiState>,
    Path(TriggerPath { pipeline, trigger }): Path<TriggerPath>,
) -> Result<Json<TriggerSummary>, ApiError> {
    found(&state, &pipeline, &trigger).await.map(Json)
}

async fn found(
    state: &ApiState,
    pipeline: &crate::id::PipelineName,
    trigger: &str,
) -> Result<TriggerSummary, ApiError> {
    let found = state.store.trigger(pipeline.as_str(), trigger).await?;
    found.ok_or_else(|| {
        ApiError::not_found("no_such_trigger", format!("pipeline `{pipeline}` has no trigger `{trigger}`"))
            .help("`/api/v1/triggers` lists those that there are".to_owned())
    })
}

/// Fires a trigger by hand, also a paused one. With a `key` or an `Idempotency-Key` that was used before, nothing more
/// happens.
#[utoipa::path(post, path = "/api/v1/triggers/{pipeline}/{trigger}/fire", tag = "triggers", params(TriggerPath),
    request_body = Option<FireBody>,
    responses((status = 202, body = Firing, description = "What came of it."), Errors))]
async fn fire(
    State(state): State<ApiState>,
    caller: Caller,
    Path(TriggerPath { pipeline, trigger }): Path<TriggerPath>,
    OnceKey(key): OnceKey,
    body: Option<Body<Option<FireBody>>>,
) -> Result<(StatusCode, Json<Firing>), ApiError> {
    let (by, key) = (by(&caller), body.and_then(|Body(body)| body?.key).or(key));
    let fired = control::fire(&state.store, pipeline.as_str(), &trigger, key.as_deref(), &by, Utc::now()).await?;
    Ok((StatusCode::ACCEPTED, Json(fired)))
}

/// Pauses a trigger: nothing but a hand fires it.
#[utoipa::path(post, path = "/api/v1/triggers/{pipeline}/{trigger}/pause", tag = "triggers", params(TriggerPath),
    responses((status = 200, body = TriggerSummary, description = "The trigger as it is now."), Errors))]
async fn pause(
    State(state): State<ApiState>,
    caller: Caller,
    Path(TriggerPath { pipeline, trigger }): Path<TriggerPath>,
) -> Result<Json<TriggerSummary>, ApiError> {
    control::pause_trigger(&state.store, pipeline.as_str(), &trigger, &by(&caller)).await?;
    found(&state, &pipeline, &trigger).await.map(Json)
}

/// Lets a paused trigger fire again. What it missed is dealt with as its `missed` says.
#[utoipa::path(post, path = "/api/v1/triggers/{pipeline}/{trigger}/resume", tag = "triggers", params(TriggerPath),
    responses((status = 200, body = TriggerSummary, description = "The trigger as it is now."), Errors))]
async fn resume(
    State(state): State<ApiState>,
    Path(TriggerPath { pipeline, trigger }): Path<TriggerPath>,
) -> Result<Json<TriggerSummary>, ApiError> {
    control::resume_trigger(&state.store, pipeline.as_str(), &trigger).await?;
    found(&state, &pipeline, &trigger).await.map(Json)
}

/// Makes the token of a webhook and tells it, once; an older one of the same trigger ends.
#[utoipa::path(post, path = "/api/v1/triggers/{pipeline}/{trigger}/token", tag = "triggers", params(TriggerPath),
    responses((status = 201, body = WebhookToken, description = "The token."), Errors))]
async fn token(
    State(state): State<ApiState>,
    caller: Caller,
    Path(TriggerPath { pipeline, trigger }): Path<TriggerPath>,
) -> Result<Response, ApiError> {
    let secret = control::make_webhook_token(&state.store, pipeline.as_str(), &trigger, &by(&caller)).await?;
    let headers = [(header::CACHE_CONTROL, "no-store")];
    let answer = Json(WebhookToken { token: secret.reveal().to_owned() });
    let mut response = (StatusCode::CREATED, headers, answer).into_response();
    response.extensions_mut().insert(Unkept);
    Ok(response)
}

/// Fires a webhook trigger. The request proves that it may by the trigger's token in `Authorization`, or by a signature.
/// The same `X-Phaseline-Delivery`, or the same signature, fires once.
#[utoipa::path(post, path = "/hooks/{pipeline}/{trigger}", tag = "triggers",
    params(TriggerPath,
        ("X-Phaseline-Signature" = Option<String>, Header, description = "`sha256=` and the HMAC of `TIMESTAMP.BODY` in hexadecimal digits."),
        ("X-Phaseline-Timestamp" = Option<String>, Header, description = "Seconds since 1970, part of what is signed."),
        ("X-Phaseline-Delivery" = Option<String>, Header, description = "A request that is sent again has the same.")),
    request_body(content = Option<serde_json::Value>, description = "A JSON document, which `set` reads as `trigger.body`."),
    responses((status = 202, body = Firing, description = "What came of it."), Errors))]
async fn hook(
    State(state): State<ApiState>,
    Path(TriggerPath { pipeline, trigger }): Path<TriggerPath>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Firing>), ApiError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request = WebhookRequest {
        authorization: header("authorization"),
        signature: header("x-phaseline-signature"),
        timestamp: header("x-phaseline-timestamp"),
        delivery: header("x-phaseline-delivery"),
        body: body.to_vec(),
    };
    let fired = control::fire_webhook(&state.store, pipeline.as_str(), &trigger, request, Utc::now()).await?;
    Ok((StatusCode::ACCEPTED, Json(fired)))
}
