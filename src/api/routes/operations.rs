//! What an operator looks at: daemons, tokens and the audit log.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::query::{list_query, page};
use super::{ADMIN, VIEWER};
use crate::api::extract::Query;
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Page, Route};
use crate::store::queries::{AuditEntry, DaemonSummary, TokenSummary};

pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/v1/daemons", VIEWER), Route::get("/api/v1/tokens", ADMIN), Route::get("/api/v1/audit", ADMIN)];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(daemons)).routes(routes!(tokens)).routes(routes!(audit))
}

list_query! {
    /// Which part of the list.
    ListQuery {}
}

list_query! {
    /// Which part of the audit log.
    AuditQuery {
        /// What was done at or after this time.
        since: Option<DateTime<Utc>>,
    }
}

/// The daemons that were seen.
#[utoipa::path(get, path = "/api/v1/daemons", tag = "daemons", params(ListQuery),
    responses((status = 200, body = Page<DaemonSummary>, description = "A page of daemons."), Errors))]
async fn daemons(
    State(state): State<ApiState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<DaemonSummary>>, ApiError> {
    Ok(page(state.store.daemons_page(&query.page()?).await?))
}

/// The tokens, without their values.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "administration", params(ListQuery),
    responses((status = 200, body = Page<TokenSummary>, description = "A page of tokens."), Errors))]
async fn tokens(
    State(state): State<ApiState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<TokenSummary>>, ApiError> {
    Ok(page(state.store.tokens_page(&query.page()?).await?))
}

/// Everything that changed something, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "administration", params(AuditQuery),
    responses((status = 200, body = Page<AuditEntry>, description = "A page of the audit log."), Errors))]
async fn audit(
    State(state): State<ApiState>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    Ok(page(state.store.audit_page(query.since, &query.page()?).await?))
}
