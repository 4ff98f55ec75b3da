//! All routes behind the layers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware;

use super::access::Table;
use super::guard::{Guard, method_not_allowed};
use super::{ApiError, ApiState, Route, audit, body, etag, guard, idempotency, observe, routes};

/// The routes of the API, and those of live models where there are some, behind one guard.
pub fn router(state: ApiState, models: Option<Router>) -> Router {
    let (router, _) = routes::all().split_for_parts();
    let mut router = router.with_state(state.clone());
    if let Some(models) = models {
        router = router.merge(models);
    }
    let guard = Guard { api: state.clone(), table: Arc::new(Table::new(&route_table())) };
    router
        .fallback(not_found)
        .method_not_allowed_fallback(async |request: Request| {
            method_not_allowed(request.method(), request.uri().path())
        })
        .layer(middleware::from_fn(etag::layer))
        .layer(middleware::from_fn_with_state(state.clone(), idempotency::layer))
        .layer(middleware::from_fn_with_state(state.clone(), audit::layer))
        .layer(middleware::from_fn(body::layer))
        .layer(middleware::from_fn_with_state(guard, guard::layer))
        .layer(middleware::from_fn_with_state(state, observe::layer))
        .layer(DefaultBodyLimit::disable())
}

/// What every route needs, those of live models included.
pub fn route_table() -> Vec<Route> {
    routes::table()
}

async fn not_found(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::not_found("no_such_path", format!("there is nothing at `{path}`"))
        .help("`/api/v1/openapi.json` lists what there is".to_owned())
}
