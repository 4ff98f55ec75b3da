//! Who asks, and the answer to what is asked of a run.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::{ApiError, Caller};
use crate::control::By;
use crate::id::RequestId;

/// Who asks, as `control` takes it.
pub(super) fn by(caller: &Caller) -> By {
    let role = caller.role().map(|role| role.to_string());
    By { who: caller.who(), role, remote: caller.remote() }
}

/// Why something is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ReasonBody {
    /// Stands in the audit log.
    #[schema(max_length = 2000, example = "the data is of last year")]
    pub(super) reason: Option<String>,
}

/// Something was asked of a run; whoever drives the run carries it out.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Asked {
    /// The request. What came of it stands in the events of the run.
    #[schema(example = "req_0196b2c8f5e07a3b9c1d2e3f4a5b6c7d")]
    request: String,
}

impl Asked {
    pub(super) fn new(request: RequestId) -> Asked {
        Asked { request: request.to_string() }
    }
}

impl IntoResponse for Asked {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self)).into_response()
    }
}

/// The key under which a request counts once, however often it is sent.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let refused = |_| ApiError::bad_request("bad_idempotency_key", "`Idempotency-Key` is not text");
    key.to_str().map(|key| Some(key.to_owned())).map_err(refused)
}
