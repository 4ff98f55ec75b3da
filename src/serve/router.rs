//! The routes and what they answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;
use serde_json::{Map, Value, json};

use super::endpoints::{Counters, Endpoint, Endpoints, Live};
use super::error::ApiError;
use super::model_thread::Refusal;
use super::request_log::{LogEntry, RequestLog};
use super::{Guard, Prediction, guard, request};

/// Bytes of a request's body at most: 10,000 wide rows fit.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// How long a request may take, the reading of its body included.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// What the handlers share.
pub(super) struct Shared {
    pub(super) endpoints: Endpoints,
    pub(super) log: RequestLog,
}

type SharedState = State<Arc<Shared>>;

/// The routes of models, without a guard and without an answer for other paths.
pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/endpoints", get(list))
        .route("/endpoints/{name}/predict", post(predict_named))
        .route("/endpoints/{name}/health", get(health_named))
        .route("/endpoints/{name}/metadata", get(metadata_named))
        .route("/predict", post(predict_single))
        .route("/health", get(health_single))
        .route("/metadata", get(metadata_single))
        .with_state(shared)
        .layer(DefaultBodyLimit::max(MOST_BYTES))
}

/// A whole server's routes behind `guard`.
pub(super) fn guarded(shared: Arc<Shared>, guard: Guard) -> Router {
    routes(shared)
        .route("/healthz", get(alive))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(limit_time))
        .layer(middleware::from_fn_with_state(guard, guard::layer))
}

async fn limit_time(request: Request, next: Next) -> Response {
    if let Ok(response) = tokio::time::timeout(LONGEST_REQUEST, next.run(request)).await {
        return response;
    }
    let message = format!("the request took longer than {} s", LONGEST_REQUEST.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).into_response()
}

async fn not_found(request: Request) -> ApiError {
    let message = format!("there is nothing at `{}`; `/endpoints` lists the endpoints", request.uri().path());
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
}

async fn method_not_allowed(request: Request) -> ApiError {
    let message = format!("`{}` does not take {}", request.uri().path(), request.method());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn list(State(shared): SharedState) -> Json<Value> {
    let endpoints: Vec<Value> =
        shared.endpoints.all().iter().map(|endpoint| health_of(&shared, endpoint).1.0).collect();
    Json(json!({"endpoints": endpoints}))
}

async fn predict_named(
    State(shared): SharedState,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<axum::body::Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let endpoint = named(&shared, &name)?;
    predict(&shared, &endpoint, &headers, body).await
}

async fn predict_single(
    State(shared): SharedState,
    headers: HeaderMap,
    body: Result<axum::body::Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let endpoint = single(&shared)?;
    predict(&shared, &endpoint, &headers, body).await
}

async fn health_named(State(shared): SharedState, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(health_of(&shared, named(&shared, &name)?.as_ref()).into_response())
}

async fn health_single(State(shared): SharedState) -> Result<Response, ApiError> {
    Ok(health_of(&shared, single(&shared)?.as_ref()).into_response())
}

async fn metadata_named(State(shared): SharedState, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    metadata(named(&shared, &name)?.as_ref())
}

async fn metadata_single(State(shared): SharedState) -> Result<Json<Value>, ApiError> {
    metadata(single(&shared)?.as_ref())
}

fn names(shared: &Shared) -> String {
    let names: Vec<String> = shared.endpoints.all().iter().map(|endpoint| format!("`{}`", endpoint.name)).collect();
    if names.is_empty() { "nothing is deployed yet".to_owned() } else { format!("there are {}", names.join(", ")) }
}

fn named(shared: &Shared, name: &str) -> Result<Arc<Endpoint>, ApiError> {
    shared.endpoints.get(name).ok_or_else(|| {
        let message = format!("there is no endpoint `{name}`; {}", names(shared));
        ApiError::new(StatusCode::NOT_FOUND, "no_endpoint", message)
    })
}

fn single(shared: &Shared) -> Result<Arc<Endpoint>, ApiError> {
    shared.endpoints.single().ok_or_else(|| {
        let message = format!("this path works with exactly one endpoint; {}", names(shared));
        ApiError::new(StatusCode::NOT_FOUND, "no_single_endpoint", message)
            .details(json!({"use": "/endpoints/NAME/predict"}))
    })
}

fn live(endpoint: &Endpoint) -> Result<Arc<Live>, ApiError> {
    endpoint.live().ok_or_else(|| {
        let problem = endpoint.problem().unwrap_or_else(|| "its model is being loaded".to_owned());
        let message = format!("endpoint `{}` cannot answer: {problem}", endpoint.name);
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message)
    })
}

async fn predict(
    shared: &Shared,
    endpoint: &Endpoint,
    headers: &HeaderMap,
    body: Result<axum::body::Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    Counters::add(&endpoint.counters.requests, 1);
    let refused = |error: ApiError| {
        Counters::add(&endpoint.counters.refused, 1);
        error
    };
    check_content_type(headers).map_err(refused)?;
    let body = body.map_err(|rejection| refused(body_refused(&rejection)))?;
    let live = live(endpoint).map_err(refused)?;
    let rows = request::read(&body, &live.columns).map_err(|error| refused(error.into()))?;
    let predictions = live.model.score(rows.clone()).await.map_err(|refusal: Refusal| refused(refusal.into()))?;
    Counters::add(&endpoint.counters.rows, rows.num_rows() as u64);

    let prediction_ids: Vec<String> = predictions.iter().map(|_| uuid::Uuid::now_v7().simple().to_string()).collect();
    let classes = &live.record.classes;
    let answers: Vec<Value> =
        predictions.iter().zip(&prediction_ids).map(|(prediction, id)| answer(prediction, id, classes)).collect();
    shared.log.record(LogEntry {
        endpoint: endpoint.name.clone(),
        version: live.deployment.version,
        at: Utc::now(),
        rows,
        prediction_ids,
        predictions,
    });
    Ok(Json(json!({"predictions": answers, "model": model(&live)})))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    let found = if kind.is_empty() { "none".to_owned() } else { format!("`{kind}`") };
    let message = format!("expected the content type `application/json`, found {found}");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message))
}

fn body_refused(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the body is larger than {} MiB", MOST_BYTES / 1024 / 1024);
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    } else {
        ApiError::new(rejection.status(), "bad_body", rejection.body_text())
    }
}

fn answer(prediction: &Prediction, id: &str, classes: &[String]) -> Value {
    match prediction {
        Prediction::Class { label, probability, probabilities } => {
            let by_class: Map<String, Value> =
                classes.iter().cloned().zip(probabilities.iter().map(|value| json!(value))).collect();
            json!({"label": label, "probability": probability, "probabilities": by_class, "prediction_id": id})
        }
        Prediction::Value(value) => json!({"value": value, "prediction_id": id}),
    }
}

fn model(live: &Live) -> Value {
    json!({
        "endpoint": live.deployment.endpoint,
        "alias": live.deployment.alias,
        "version": live.deployment.version,
        "digest": live.deployment.bundle.digest,
    })
}

fn health_of(shared: &Shared, endpoint: &Endpoint) -> (StatusCode, Json<Value>) {
    let live = endpoint.live();
    let (status, word) = match (&live, endpoint.problem()) {
        (Some(_), None) => (StatusCode::OK, "ready"),
        // The version before still answers.
        (Some(_), Some(_)) => (StatusCode::OK, "stale"),
        (None, _) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    let counters = &endpoint.counters;
    let body = json!({
        "endpoint": endpoint.name,
        "status": word,
        "problem": endpoint.problem(),
        "model": live.as_deref().map(model),
        "answering_since": live.as_deref().map(|live| live.since.to_rfc3339()),
        "requests": counters.requests.load(Ordering::Relaxed),
        "rows": counters.rows.load(Ordering::Relaxed),
        "refused": counters.refused.load(Ordering::Relaxed),
        "rows_not_logged": shared.log.dropped_rows(),
    });
    (status, Json(body))
}

fn metadata(endpoint: &Endpoint) -> Result<Json<Value>, ApiError> {
    let live = live(endpoint)?;
    let mut body = json!({"name": endpoint.name, "platform": "phaseline_bundle", "model": model(&live)});
    let record = serde_json::to_value(&live.record).expect("a bundle's record is plain data");
    if let (Some(body), Value::Object(record)) = (body.as_object_mut(), record) {
        body.extend(record.into_iter().filter(|(key, _)| key != "endpoint" && key != "model" && key != "format"));
        body.insert("trained_model".to_owned(), json!(live.record.model));
    }
    Ok(Json(body))
}
