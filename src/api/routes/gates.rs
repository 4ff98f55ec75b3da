//! Gates of a run, and what somebody decides about them.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, by};
use super::paths::{GatePath, RunPath, StepPath};
use super::query::{list_query, page};
use super::{OPERATOR, VIEWER};
use crate::api::extract::{Json as Body, Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Caller, Page, Route};
use crate::control::{self, Decision, DecisionKind};
use crate::id::RunId;
use crate::store::queries::{ApprovalSummary, GateDetail};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/runs/{run}/gates", VIEWER),
    Route::post("/api/v1/runs/{run}/gates/{gate}/approve", OPERATOR),
    Route::post("/api/v1/runs/{run}/gates/{gate}/reject", OPERATOR),
    Route::post("/api/v1/runs/{run}/gates/{gate}/waive", OPERATOR),
    Route::post("/api/v1/runs/{run}/steps/{step}/approve", OPERATOR),
    Route::post("/api/v1/runs/{run}/steps/{step}/reject", OPERATOR),
    Route::get("/api/v1/approvals", VIEWER),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(approve_gate))
        .routes(routes!(reject_gate))
        .routes(routes!(waive_gate))
        .routes(routes!(approve_step))
        .routes(routes!(reject_step))
        .routes(routes!(approvals))
}

/// Why somebody decides so.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DecisionBody {
    /// Stands in the audit log and the model card.
    #[schema(min_length = 1, max_length = 2000, pattern = "^[A-Za-z0-9][^\\x00]*$", example = "checked by hand")]
    reason: String,
    /// Until when it counts; for ever unless told.
    expires_at: Option<DateTime<Utc>>,
}

/// Why somebody rejects.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RejectionBody {
    /// Stands in the audit log and the model card.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = "^[A-Za-z0-9][^\\x00]*$",
        example = "the data is of last year"
    )]
    reason: String,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum ApprovalStateName {
    /// Somebody has to decide.
    #[default]
    Awaited,
    /// Somebody let the run go on.
    Approved,
    /// Somebody said no, which ended the run.
    Refused,
    /// Somebody took the gate out.
    Waived,
    /// Nobody decided in time.
    Expired,
    /// The run ended before anybody decided.
    Withdrawn,
    /// Any of these.
    All,
}

impl ApprovalStateName {
    fn as_str(self) -> Option<&'static str> {
        match self {
            ApprovalStateName::Awaited => Some("awaited"),
            ApprovalStateName::Approved => Some("approved"),
            ApprovalStateName::Refused => Some("refused"),
            ApprovalStateName::Waived => Some("waived"),
            ApprovalStateName::Expired => Some("expired"),
            ApprovalStateName::Withdrawn => Some("withdrawn"),
            ApprovalStateName::All => None,
        }
    }
}

list_query! {
    /// Which approvals.
    ApprovalsQuery {
        /// Those of this run.
        #[param(value_type = Option<String>, pattern = "^run_[0-9a-f]{32}$")]
        run: Option<RunId>,
        /// Those in this state; `awaited` unless told.
        #[param(inline)]
        state: Option<ApprovalStateName>,
    }
}

/// The gates of a run, in the order of the plan.
#[utoipa::path(get, path = "/api/v1/runs/{run}/gates", tag = "gates", params(RunPath),
    responses((status = 200, body = Page<GateDetail>, description = "The gates."), Errors))]
async fn list(
    State(state): State<ApiState>,
    Path(RunPath { run }): Path<RunPath>,
) -> Result<Json<Page<GateDetail>>, ApiError> {
    state.store.run_summary(run).await?;
    Ok(Json(Page::whole(state.store.run_gates(run).await?)))
}

/// Lets a run go on that waits at a gate.
#[utoipa::path(post, path = "/api/v1/runs/{run}/gates/{gate}/approve", tag = "gates", params(GatePath),
    request_body = DecisionBody,
    responses((status = 202, body = Asked, description = "The run goes on."), Errors))]
async fn approve_gate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(GatePath { run, gate }): Path<GatePath>,
    Body(body): Body<DecisionBody>,
) -> Result<Asked, ApiError> {
    decide(&state, &caller, run, decision(DecisionKind::Approve, gate, body.reason, body.expires_at)).await
}

/// Ends a run that waits at a gate, as rejected.
#[utoipa::path(post, path = "/api/v1/runs/{run}/gates/{gate}/reject", tag = "gates", params(GatePath),
    request_body = RejectionBody,
    responses((status = 202, body = Asked, description = "The run ends."), Errors))]
async fn reject_gate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(GatePath { run, gate }): Path<GatePath>,
    Body(body): Body<RejectionBody>,
) -> Result<Asked, ApiError> {
    decide(&state, &caller, run, decision(DecisionKind::Reject, gate, body.reason, None)).await
}

/// Takes a gate out of a run, whatever it says.
#[utoipa::path(post, path = "/api/v1/runs/{run}/gates/{gate}/waive", tag = "gates", params(GatePath),
    request_body = DecisionBody,
    responses((status = 202, body = Asked, description = "The gate does not count."), Errors))]
async fn waive_gate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(GatePath { run, gate }): Path<GatePath>,
    Body(body): Body<DecisionBody>,
) -> Result<Asked, ApiError> {
    decide(&state, &caller, run, decision(DecisionKind::Waive, gate, body.reason, body.expires_at)).await
}

/// Lets a run go on that waits at a step.
#[utoipa::path(post, path = "/api/v1/runs/{run}/steps/{step}/approve", tag = "gates", params(StepPath),
    request_body = DecisionBody,
    responses((status = 202, body = Asked, description = "The run goes on."), Errors))]
async fn approve_step(
    State(state): State<ApiState>,
    caller: Caller,
    Path(StepPath { run, step }): Path<StepPath>,
    Body(body): Body<DecisionBody>,
) -> Result<Asked, ApiError> {
    decide(&state, &caller, run, decision(DecisionKind::Approve, step, body.reason, body.expires_at)).await
}

/// Ends a run that waits at a step, as rejected.
#[utoipa::path(post, path = "/api/v1/runs/{run}/steps/{step}/reject", tag = "gates", params(StepPath),
    request_body = RejectionBody,
    responses((status = 202, body = Asked, description = "The run ends."), Errors))]
async fn reject_step(
    State(state): State<ApiState>,
    caller: Caller,
    Path(StepPath { run, step }): Path<StepPath>,
    Body(body): Body<RejectionBody>,
) -> Result<Asked, ApiError> {
    decide(&state, &caller, run, decision(DecisionKind::Reject, step, body.reason, None)).await
}

fn decision(kind: DecisionKind, subject: impl ToString, reason: String, expires_at: Option<DateTime<Utc>>) -> Decision {
    Decision { kind, subject: subject.to_string(), reason, expires_at }
}

async fn decide(state: &ApiState, caller: &Caller, run: RunId, decision: Decision) -> Result<Asked, ApiError> {
    Ok(Asked::new(control::decide(&state.store, run, decision, &by(caller), Utc::now()).await?))
}

/// What somebody has to decide about, of all runs.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "gates", params(ApprovalsQuery),
    responses((status = 200, body = Page<ApprovalSummary>, description = "A page of approvals."), Errors))]
async fn approvals(
    State(state): State<ApiState>,
    Query(query): Query<ApprovalsQuery>,
) -> Result<Json<Page<ApprovalSummary>>, ApiError> {
    let request = query.page()?;
    let wanted = query.state.unwrap_or_default().as_str();
    let run = query.run.map(|run| run.to_string());
    Ok(page(state.store.approvals_page(run.as_deref(), wanted, &request).await?))
}
