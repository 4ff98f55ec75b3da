//! Whether all is well, as the daemon that answers sees it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::OPERATOR;
use crate::api::extract::Query;
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Route};
use crate::control::doctor::{Diagnosis, Opened, Patient, doctor};

pub(super) const ROUTES: &[Route] = &[Route::get("/api/v1/doctor", OPERATOR)];

/// How long bytes are compared: well within the time of a request.
const WITHIN: Duration = Duration::from_secs(15);

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(look))
}

/// How closely to look.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DoctorQuery {
    /// Whether bytes of artifacts are compared, as many as fit into 15 seconds; not unless told.
    deep: Option<bool>,
}

/// Looks at everything that may be wrong: the database, daemons, runs, slots, triggers, artifacts, disks and this machine.
///
/// It changes nothing. What it finds is no error of the request: the answer says how bad it is in `level`.
#[utoipa::path(get, path = "/api/v1/doctor", tag = "administration", params(DoctorQuery),
    responses((status = 200, body = Diagnosis, description = "What was found."), Errors))]
async fn look(State(state): State<ApiState>, Query(query): Query<DoctorQuery>) -> Result<Json<Diagnosis>, ApiError> {
    let patient = Patient {
        state: state.state_folder.to_path_buf(),
        artifacts: Ok(Some(state.artifacts.as_ref().clone())),
        is_deep: query.deep.unwrap_or_default(),
        within: Some(WITHIN),
    };
    Ok(Json(doctor(Opened::Store(&state.store), &patient, Utc::now()).await))
}
