//! Freeing what nobody needs, and pins, which keep it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{OnceKey, by};
use super::paths::DigestPath;
use super::query::{list_query, page};
use super::{ADMIN, VIEWER};
use crate::api::extract::{Json as Body, Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, AuditObject, Caller, Page, Route};
use crate::control::gc::{self, Asked, Report, Unpinned, collect};
use crate::store::queries::PinSummary;

pub(super) const ROUTES: &[Route] = &[
    Route::post("/api/v1/gc", ADMIN),
    Route::get("/api/v1/pins", VIEWER),
    Route::post("/api/v1/pins", ADMIN),
    Route::delete("/api/v1/pins/{digest}", ADMIN),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(free)).routes(routes!(pins, pin)).routes(routes!(unpin))
}

list_query! {
    /// Which part of the list.
    PinsQuery {}
}

/// What is never to be freed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PinBody {
    /// The artifact: its digest, or the beginning of it.
    #[schema(pattern = "^[0-9a-f]{4,64}$")]
    digest: String,
    /// Why.
    #[schema(min_length = 1, max_length = 2000, example = "the audit of March")]
    reason: String,
}

/// Frees artifacts, logs and checkpoints that nobody needs, or tells what would go, which changes nothing.
///
/// A daemon does this once at a time: another request is answered 409 `gc_running`. What takes longer than a request may
/// goes on, and is answered 503 `gc_goes_on`: the same request with the same `Idempotency-Key` waits for it again.
#[utoipa::path(post, path = "/api/v1/gc", tag = "administration", request_body = Asked,
    responses((status = 200, body = Report, description = "What went, or what would go."), Errors))]
async fn free(
    State(state): State<ApiState>,
    OnceKey(key): OnceKey,
    Body(asked): Body<Asked>,
) -> Result<Response, ApiError> {
    let collection = asked.resolve()?;
    let (store, artifacts, folder) = (state.store.clone(), state.artifacts.clone(), state.state_folder.clone());
    let work = async move { collect(&store, &artifacts, &folder, &collection, Utc::now()).await };
    // Before the limit of all requests, which says nothing of what goes on.
    let within = state.limits.request_time * 2 / 3;
    let report = state.collecting.join(key, asked, work, within, state.stopping.clone()).await?;
    let told = match &report.freed {
        None => "only shown".to_owned(),
        Some(freed) => format!("{} artifacts, {} bytes", freed.artifacts, freed.bytes),
    };
    let mut response = Json(&*report).into_response();
    response.extensions_mut().insert(AuditObject(told));
    Ok(response)
}

/// The artifacts that are never freed.
#[utoipa::path(get, path = "/api/v1/pins", tag = "administration", params(PinsQuery),
    responses((status = 200, body = Page<PinSummary>, description = "A page of pins."), Errors))]
async fn pins(
    State(state): State<ApiState>,
    Query(query): Query<PinsQuery>,
) -> Result<Json<Page<PinSummary>>, ApiError> {
    Ok(page(state.store.pins_page(&query.page()?).await?))
}

/// Keeps an artifact from being freed. Another reason replaces that of an earlier pin.
#[utoipa::path(post, path = "/api/v1/pins", tag = "administration", request_body = PinBody,
    responses((status = 201, body = PinSummary, description = "The pin."), Errors))]
async fn pin(State(state): State<ApiState>, caller: Caller, Body(body): Body<PinBody>) -> Result<Response, ApiError> {
    let pin = gc::pin(&state.store, &body.digest, &body.reason, &by(&caller)).await?;
    let object = AuditObject(format!("artifact {}", pin.digest));
    let mut response = (StatusCode::CREATED, Json(pin)).into_response();
    response.extensions_mut().insert(object);
    Ok(response)
}

/// Takes the pin of an artifact back. Nothing is freed by that at once.
#[utoipa::path(delete, path = "/api/v1/pins/{digest}", tag = "administration", params(DigestPath),
    responses((status = 200, body = Unpinned, description = "Whether there was one."), Errors))]
async fn unpin(
    State(state): State<ApiState>,
    Path(DigestPath { digest }): Path<DigestPath>,
) -> Result<Json<Unpinned>, ApiError> {
    Ok(Json(gc::unpin(&state.store, &digest).await?))
}
