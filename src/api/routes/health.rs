//! Whether the server runs, and whether it can do its work.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{ApiError, ApiState, Need, Route};

/// How long the database may take: one that hangs is as good as none.
const ANSWER: Duration = Duration::from_secs(3);

pub(super) const ROUTES: &[Route] = &[Route::get("/healthz", Need::Nothing), Route::get("/readyz", Need::Nothing)];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Value)))]
async fn alive() -> axum::Json<Value> {
    axum::Json(json!({"status": "ok"}))
}

/// The database answers, and the daemon takes work.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = Value), (status = 503, body = Value)))]
async fn ready(State(state): State<ApiState>) -> Response {
    if *state.stopping.borrow() {
        return ApiError::unavailable("draining", "the daemon is being stopped").into_response();
    }
    // The daemon knows that the database is away before a question to it would come back.
    if let Some((code, words)) = state.troubles.borrow().first_key_value() {
        return ApiError::unavailable(code, words).into_response();
    }
    match timeout(ANSWER, state.store.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, axum::Json(json!({"status": "ready"}))).into_response(),
        Ok(Err(error)) => ApiError::from(error).into_response(),
        Err(_) => ApiError::database_away().into_response(),
    }
}
