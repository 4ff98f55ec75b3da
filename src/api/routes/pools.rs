//! Pools of slots: who has them, who waits, and how many there are.

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use serde::Deserialize;
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
use crate::store::queries::PoolDetail;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/pools", VIEWER),
    Route::get("/api/v1/pools/{pool}", VIEWER),
    Route::put("/api/v1/pools/{pool}", ADMIN),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(pools)).routes(routes!(pool, set_pool))
}

list_query! {
    /// Which part of the list.
    PoolsQuery {
        /// Whether those who hold a pool and those who wait are told too; not unless told.
        details: Option<bool>,
    }
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
#[utoipa::path(get, path = "/api/v1/pools", tag = "pools", params(PoolsQuery),
    responses((status = 200, body = Page<PoolDetail>, description = "A page of pools."), Errors))]
async fn pools(
    State(state): State<ApiState>,
    Query(query): Query<PoolsQuery>,
) -> Result<Json<Page<PoolDetail>>, ApiError> {
    Ok(page(state.store.pools_page(query.details.unwrap_or_default(), &query.page()?).await?))
}

/// A pool with those who hold it and those who wait. One that was never used is free and has one slot.
#[utoipa::path(get, path = "/api/v1/pools/{pool}", tag = "pools", params(PoolPath),
    responses((status = 200, body = PoolDetail, description = "The pool."), Errors))]
async fn pool(
    State(state): State<ApiState>,
    Path(PoolPath { pool }): Path<PoolPath>,
) -> Result<Json<PoolDetail>, ApiError> {
    if !crate::id::is_name(&pool) {
        return Err(ApiError::bad_request("bad_path", "this is not the name of a pool"));
    }
    Ok(Json(state.store.pool_detail(&pool).await?))
}

/// Sets the size of a pool. Attempts that hold it already are left alone.
#[utoipa::path(put, path = "/api/v1/pools/{pool}", tag = "pools", params(PoolPath), request_body = PoolBody,
    responses((status = 200, body = PoolDetail, description = "The pool as it is now."), Errors))]
async fn set_pool(
    State(state): State<ApiState>,
    caller: Caller,
    Path(PoolPath { pool }): Path<PoolPath>,
    Body(body): Body<PoolBody>,
) -> Result<Json<PoolDetail>, ApiError> {
    control::set_pool(&state.store, &pool, body.slots, &by(&caller), Utc::now()).await?;
    Ok(Json(state.store.pool_detail(&pool).await?))
}
