//! Who asks, and the answer to what is asked of a run.

use std::convert::Infallible;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::{Caller, EffectKey};
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

/// The key under which a request counts once, however often it is sent: the caller's own, apart from everybody else's.
#[derive(Debug)]
pub(in crate::api) struct OnceKey(pub(super) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for OnceKey {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<OnceKey, Infallible> {
        Ok(OnceKey(parts.extensions.get::<EffectKey>().map(|key| key.0.clone())))
    }
}
