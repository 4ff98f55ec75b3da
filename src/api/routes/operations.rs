//! What an operator looks at: pools, daemons, tokens and the audit log.

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::by;
use super::paths::PoolPath;
use super::query::{list_query, page};
use super::{ADMIN, VIEWER};
use crate::api::extract::{Json as Body, Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Caller, Page, Route};
use crate::control;
use crate::store::queries::{AuditEntry, DaemonSummary, PoolHolder, PoolSummary, TokenSummary};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/pools", VIEWER),
    Route::get("/api/v1/pools/{pool}", VIEWER),
    Route::put("/api/v1/pools/{pool}", ADMIN),
    Route::get("/api/v1/daemons", VIEWER),
    Route::get("/api/v1/tokens", ADMIN),
    Route::get("/api/v1/audit", ADMIN),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(pools))
        .routes(routes!(pool, set_pool))
        .routes(routes!(daemons))
        .routes(routes!(tokens))
        .routes(routes!(audit))
}

list_query! {
    /// Which part of the list.
    ListQuery {}
}

/// A pool with those who hold it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PoolAnswer {
    /// What the list of pools says.
    #[serde(flatten)]
    summary: PoolSummary,
    /// Attempts that hold it, the oldest first, at most 1000.
    holders: Vec<PoolHolder>,
}

/// The size of a pool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PoolBody {
    /// How many attempts may hold it at once; 0 lets nobody in.
    #[schema(minimum = 0, maximum = 10000, example = 2)]
    slots: u32,
}

/// The pools that have a size, a holder or somebody who waits. Any other has one slot.
#[utoipa::path(get, path = "/api/v1/pools", tag = "pools", params(ListQuery),
    responses((status = 200, body = Page<PoolSummary>, description = "A page of pools."), Errors))]
async fn pools(
    State(state): State<ApiState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<PoolSummary>>, ApiError> {
    Ok(page(state.store.pools_page(&query.page()?).await?))
}

/// A pool with those who hold it. One that was never used is free and has one slot.
#[utoipa::path(get, path = "/api/v1/pools/{pool}", tag = "pools", params(PoolPath),
    responses((status = 200, body = PoolAnswer, description = "The pool."), Errors))]
async fn pool(
    State(state): State<ApiState>,
    Path(PoolPath { pool }): Path<PoolPath>,
) -> Result<Json<PoolAnswer>, ApiError> {
    Ok(Json(pool_answer(&state, &pool).await?))
}

async fn pool_answer(state: &ApiState, pool: &str) -> Result<PoolAnswer, ApiError> {
    if !crate::id::is_name(pool) {
        return Err(ApiError::bad_request("bad_path", "this is not the name of a pool"));
    }
    let unused = || PoolSummary { pool: pool.to_owned(), slots: 1, used: 0, waiting: 0, set_by: None, set_at: None };
    let summary = state.store.pool_summary(pool).await?.unwrap_or_else(unused);
    Ok(PoolAnswer { summary, holders: state.store.pool_holders(pool).await? })
}

/// Sets the size of a pool. Attempts that hold it already are left alone.
#[utoipa::path(put, path = "/api/v1/pools/{pool}", tag = "pools", params(PoolPath), request_body = PoolBody,
    responses((status = 200, body = PoolAnswer, description = "The pool as it is now."), Errors))]
async fn set_pool(
    State(state): State<ApiState>,
    caller: Caller,
    Path(PoolPath { pool }): Path<PoolPath>,
    Body(body): Body<PoolBody>,
) -> Result<Json<PoolAnswer>, ApiError> {
    control::set_pool(&state.store, &pool, body.slots, &by(&caller), Utc::now()).await?;
    Ok(Json(pool_answer(&state, &pool).await?))
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
#[utoipa::path(get, path = "/api/v1/audit", tag = "administration", params(ListQuery),
    responses((status = 200, body = Page<AuditEntry>, description = "A page of the audit log."), Errors))]
async fn audit(
    State(state): State<ApiState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    Ok(page(state.store.audit_page(&query.page()?).await?))
}
