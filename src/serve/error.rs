//! What goes wrong: answers to clients as JSON, and failures of the server itself.

use std::net::SocketAddr;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::model_thread::Refusal;
use super::request::RequestError;

/// A failure of the server, not of one request.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The store does not say what is deployed.
    #[error("cannot read which models are deployed")]
    Deployments(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system refused something while the server ran.
    #[error("the server failed while it {doing}")]
    System {
        /// What it did.
        doing: &'static str,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// An error answer: `{"error": message, "code": …}`, with details where there are some.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Option<Value>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, code, message: message.into(), details: None }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The same error with more for programs to read.
    pub(super) fn details(self, details: Value) -> ApiError {
        ApiError { details: Some(details), ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({"error": self.message, "code": self.code});
        if let Some(details) = self.details {
            body["details"] = details;
        }
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> ApiError {
        let message = error.to_string();
        match error {
            RequestError::NotJson(_) => ApiError::new(StatusCode::BAD_REQUEST, "not_json", message),
            RequestError::Form { .. } => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_form", message),
            RequestError::Empty => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "no_rows", message),
            RequestError::TooManyRows { .. } => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_rows", message),
            RequestError::Fields { mistakes, more } => {
                let details = json!({"mistakes": mistakes, "not_listed": more});
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_fields", message).details(details)
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        match &refusal {
            Refusal::Overloaded => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", refusal.to_string()),
            Refusal::Stopped => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", refusal.to_string()),
            Refusal::Failed(source) => {
                tracing::error!(error = source as &dyn std::error::Error, "rows could not be scored");
                let message = format!("{refusal}: {source}");
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "model_failed", message)
            }
        }
    }
}
