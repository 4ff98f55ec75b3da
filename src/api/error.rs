//! The one form in which a request is told that something is wrong.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::control::{ControlError, ErrorKind};
use crate::engine::EngineError;
use crate::store::StoreError;

/// An error answer: `{"error": {"code", "message", "help", "details"}}`, the last two where there are some.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    help: Option<String>,
    details: Box<Value>,
    retry_after: Option<u64>,
}

/// The code of an error answer, for the audit log and metrics; on the response as an extension.
#[derive(Debug, Clone)]
pub(super) struct ErrorCode(pub(super) &'static str, pub(super) String);

/// How long a client should wait before it asks again when the server has too much to do, in seconds.
const WAIT: u64 = 1;

impl ApiError {
    /// An error with a status, a stable code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        let is_passing = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let retry_after = is_passing.then_some(WAIT);
        ApiError { status, code, message: message.into(), help: None, details: Box::default(), retry_after }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404: what was named is not there.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409: it does not fit the state that things are in.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, code, message)
    }

    /// 422: understood, and refused as it makes no sense.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 403: not with this token.
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 503: not now.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    /// 503: the database does not answer now.
    pub fn database_away() -> ApiError {
        let message = "the database does not answer; what was acknowledged is safe";
        ApiError::unavailable("database_away", message).help("ask again in a moment".to_owned())
    }

    /// 500: our fault. The client learns that it is, the log learns why.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> ApiError {
        tracing::error!(error, "a request failed");
        let message = "the server failed; its log says why";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn help(self, help: impl Into<Option<String>>) -> ApiError {
        ApiError { help: help.into(), ..self }
    }

    /// The same error with more for programs to read.
    #[must_use]
    pub fn details(self, details: Value) -> ApiError {
        ApiError { details: Box::new(details), ..self }
    }

    /// The same error, which says after how many seconds to ask again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> ApiError {
        ApiError { retry_after: Some(seconds), ..self }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(help) = &self.help {
            error["help"] = json!(help);
        }
        if !self.details.is_null() {
            error["details"] = (*self.details).clone();
        }
        json!({"error": error})
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(ErrorCode(self.code, self.message));
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        match error {
            StoreError::NotFound { message, help } => ApiError::not_found("not_found", message).help(help),
            StoreError::Refused { message, help } => ApiError::invalid("refused", message).help(help),
            StoreError::Engine(error) => error.into(),
            StoreError::Unreachable { .. } | StoreError::Open { .. } => away(&error),
            StoreError::DiskFull { .. } => {
                tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
                disk_full()
            }
            other => ApiError::internal(&other),
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> ApiError {
        match error {
            EngineError::NoRun(_) => ApiError::not_found("no_such_run", error.to_string()),
            EngineError::Held { .. } | EngineError::LeaseLost { .. } => ApiError::conflict("held", error.to_string()),
            EngineError::Database { source, .. } => match source.downcast::<StoreError>() {
                Ok(error) => (*error).into(),
                Err(source) => ApiError::internal(&*source),
            },
            EngineError::Corrupt { .. } => ApiError::internal(&error),
        }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> ApiError {
        let status = match error.kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Failed => return failed(error),
        };
        ApiError::new(status, error.code, error.message).help(error.help).details(*error.details)
    }
}

fn failed(error: ControlError) -> ApiError {
    match error.code {
        "disk_full" => {
            tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
            disk_full()
        }
        "database_away" => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the database does not answer");
            ApiError::database_away()
        }
        _ => ApiError::internal(&error),
    }
}

fn disk_full() -> ApiError {
    let message = "the disk of the database is full; nothing was changed";
    ApiError::unavailable("disk_full", message).help("make room, then ask again".to_owned())
}

fn away(error: &StoreError) -> ApiError {
    tracing::warn!(error = error as &dyn std::error::Error, "the database does not answer");
    ApiError::database_away()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_code_a_sentence_and_a_remedy_and_says_when_to_ask_again() {
        let error = ApiError::unavailable("busy", "too much at once").help("wait".to_owned());
        insta::assert_snapshot!(error.body(), @r#"{"error":{"code":"busy","message":"too much at once","help":"wait"}}"#);
        let response = error.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = ApiError::new(StatusCode::UNAUTHORIZED, "token_missing", "no").into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn what_the_database_says_stays_in_the_log() {
        let cause = sqlx::Error::Protocol("select secret from tokens".to_owned());
        let error: ApiError = StoreError::Sql { doing: "read", source: cause }.into();
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!error.body().to_string().contains("secret"), "{}", error.body());
    }
}
