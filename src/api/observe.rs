//! The outermost layer: every request is timed, every answer says how browsers are to treat it.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use tracing::field::Empty;

use super::guard::DATABASE_AWAY;
use super::{ApiError, ApiState};
use crate::telemetry::metrics;

/// What pages may do: nothing but show themselves.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; \
     form-action 'none'; sandbox";

/// How a request is counted that no route takes.
const NO_ROUTE: &str = "none";

/// The layer around everything.
pub(super) async fn layer(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let span = tracing::info_span!("request", http.method = method, http.route = route, http.status = Empty);
    let answered = tokio::time::timeout(state.limits.request_time, next.run(request)).instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|_| {
        if state.troubles.borrow().contains_key(DATABASE_AWAY) {
            return ApiError::database_away().into_response();
        }
        let message = format!("the request took longer than {} s", state.limits.request_time.as_secs_f64());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).into_response()
    });
    secure(&mut response);
    span.record("http.status", response.status().as_u16());
    metrics::request_answered(method, route, response.status().as_u16(), started.elapsed());
    response
}

/// The method as one of a few words, since anybody can send any.
fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("other")
}

fn secure(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("text/html") || kind.starts_with("image/svg") {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
}
