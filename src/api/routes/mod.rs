//! The routes, one file for each resource. Each file has a `router` and a table `ROUTES` that says what each route needs;
//! the guard refuses a route that is in no table, and a test compares the two.

mod artifacts;
mod asked;
mod backfills;
mod catalog;
mod doctor;
mod download;
mod events;
mod garbage;
mod gates;
mod health;
mod logs;
mod metrics;
mod operations;
mod paths;
mod pipelines;
mod pools;
mod query;
mod runs;
mod steps;
mod triggers;

use utoipa_axum::router::OpenApiRouter;

use super::{ApiState, Need, Route};
use crate::store::Role;

const VIEWER: Need = Need::Role(Role::Viewer);
const OPERATOR: Need = Need::Role(Role::Operator);
const ADMIN: Need = Need::Role(Role::Admin);

/// Bytes of a request for predictions at most: 10,000 wide rows fit.
const PREDICT_BYTES: usize = 16 * 1024 * 1024;

/// The routes of live models, which the daemon mounts beside the API.
const MODELS: &[Route] = &[
    Route::get("/endpoints", Need::Role(Role::Viewer)),
    Route::post("/endpoints/{name}/predict", Need::Predict).body_bytes(PREDICT_BYTES).only_asks(),
    Route::get("/endpoints/{name}/health", Need::Role(Role::Viewer)),
    Route::get("/endpoints/{name}/metadata", Need::Role(Role::Viewer)),
    Route::post("/predict", Need::Role(Role::Operator)).body_bytes(PREDICT_BYTES).only_asks(),
    Route::get("/health", Need::Role(Role::Viewer)),
    Route::get("/metadata", Need::Role(Role::Viewer)),
];

/// All routes with their description.
pub(super) fn all() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(super::openapi::description())
        .merge(health::router())
        .merge(metrics::router())
        .merge(super::openapi::router())
        .merge(pipelines::router())
        .merge(runs::router())
        .merge(steps::router())
        .merge(gates::router())
        .merge(logs::router())
        .merge(events::router())
        .merge(artifacts::router())
        .merge(download::router())
        .merge(catalog::router())
        .merge(backfills::router())
        .merge(triggers::router())
        .merge(operations::router())
        .merge(pools::router())
        .merge(garbage::router())
        .merge(doctor::router())
}

/// What every route needs.
pub(super) fn table() -> Vec<Route> {
    [
        health::ROUTES,
        metrics::ROUTES,
        super::openapi::ROUTES,
        pipelines::ROUTES,
        runs::ROUTES,
        steps::ROUTES,
        gates::ROUTES,
        logs::ROUTES,
        events::ROUTES,
        artifacts::ROUTES,
        download::ROUTES,
        catalog::ROUTES,
        backfills::ROUTES,
        triggers::ROUTES,
        operations::ROUTES,
        pools::ROUTES,
        garbage::ROUTES,
        doctor::ROUTES,
        MODELS,
    ]
    .concat()
}
