//! Reading bodies: never more than the route allows, and what is wrong with one is told in the one form of errors.

use std::error::Error;
use std::io;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{ApiError, Route};

/// The layer that reads the whole body before the handler begins, so that every handler finds a bounded one.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    let Some(route) = request.extensions().get::<Route>().copied() else { return next.run(request).await };
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let told = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > route.body_bytes as u64) {
        return too_large(route.body_bytes).into_response();
    }
    match read(body, route.body_bytes).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(refused) => refused.into_response(),
    }
}

async fn read(body: Body, most: usize) -> Result<Bytes, ApiError> {
    let error = match Limited::new(body, most).collect().await {
        Ok(whole) => return Ok(whole.to_bytes()),
        Err(error) => error,
    };
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return Err(too_large(most));
        }
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "slow_body", error.to_string()));
        }
        cause = error.source();
    }
    Err(ApiError::bad_request("broken_body", "the body ended too early"))
}

fn too_large(most: usize) -> ApiError {
    let message = format!("the body is larger than {most} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}
