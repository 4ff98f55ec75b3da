//! What handlers take from a request, refused in the one form of errors: path parts are parsed types, bodies are JSON.

use axum::body::{Body, Bytes};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::ApiError;

/// The parts of a path, each parsed: `Path<RunId>`, `Path<(RunId, StepName)>`.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) if error.status() == StatusCode::BAD_REQUEST => {
                Err(ApiError::bad_request("bad_path", error.body_text()))
            }
            Err(error) => Err(ApiError::internal(&error)),
        }
    }
}

/// What stands after `?`. Unknown words are refused where the type denies them.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refused = |error: QueryRejection| ApiError::bad_request("bad_query", error.body_text());
        axum::extract::Query::from_request_parts(parts, state).await.map(|query| Query(query.0)).map_err(refused)
    }
}

/// A JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = <axum::Json<T> as FromRequest<S>>::from_request(request, state).await;
        read.map(|json| Json(json.0)).map_err(|error| body_refused(&error))
    }
}

/// A JSON body that may be left out.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::new(body), state)
            .await
            .map_err(|error| ApiError::new(error.status(), "broken_body", error.body_text()))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let whole = Request::from_parts(parts, Body::from(bytes));
        <Json<T> as FromRequest<S>>::from_request(whole, state).await.map(Some)
    }
}

fn body_refused(error: &JsonRejection) -> ApiError {
    let code = match error {
        JsonRejection::JsonSyntaxError(_) => "not_json",
        JsonRejection::MissingJsonContentType(_) => "content_type",
        JsonRejection::JsonDataError(_) => "bad_body",
        _ if error.status() == StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        _ => "broken_body",
    };
    ApiError::new(error.status(), code, error.body_text())
}
