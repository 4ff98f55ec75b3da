//! Lineage, metrics, models and endpoints.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::VIEWER;
use super::paths::ModelPath;
use super::query::{list_query, page};
use crate::api::extract::{Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Page, Route};
use crate::id::{PipelineName, RunId};
use crate::store::queries::{Direction, LineageGraph, MetricFilter, MetricValue, ModelSummary, ModelVersion};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/lineage/{subject}", VIEWER),
    Route::get("/api/v1/metrics", VIEWER),
    Route::get("/api/v1/models", VIEWER),
    Route::get("/api/v1/models/{model}/versions", VIEWER),
    Route::get("/api/v1/endpoints", VIEWER),
];

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(lineage))
        .routes(routes!(metrics))
        .routes(routes!(models))
        .routes(routes!(versions))
        .routes(routes!(endpoints))
}

/// Whose lineage.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::api) struct SubjectPath {
    /// A digest, the beginning of one, or a model: `churn`, `churn@champion`, `churn@3`.
    #[param(pattern = "^([0-9a-f]{4,64}|[a-z][a-z0-9_]{0,62}(@[a-z0-9_]{1,63})?)$", example = "churn@champion")]
    subject: String,
}

/// Which way to walk.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum DirectionName {
    /// To what went into it.
    #[default]
    Up,
    /// To what came of it.
    Down,
}

/// Which way.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LineageQuery {
    /// `up` to what went into it, which is meant unless told, or `down` to what came of it.
    #[param(inline)]
    direction: Option<DirectionName>,
}

list_query! {
    /// Which measured values.
    MetricsQuery {
        /// Those of this pipeline.
        #[param(value_type = Option<String>, pattern = "^[a-z][a-z0-9_]{0,62}$")]
        pipeline: Option<PipelineName>,
        /// Those of this name.
        metric: Option<String>,
        /// Those of this step.
        step: Option<String>,
        /// Those of this run.
        #[param(value_type = Option<String>, pattern = "^run_[0-9a-f]{32}$")]
        run: Option<RunId>,
    }
}

list_query! {
    /// Which part of the list.
    ModelsQuery {}
}

/// An endpoint and what it answers with.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct EndpointAnswer {
    /// Its name, which is also the model's.
    name: String,
    /// The alias that it follows.
    alias: String,
    /// The version that the alias points to.
    version: u64,
    /// The digest of the bundle that serves.
    bundle: String,
    /// The digest of the trained model.
    model: String,
    /// The pipeline that deployed it.
    pipeline: String,
    /// The run that moved the alias.
    run: String,
    /// When.
    since: String,
}

/// What went into an artifact or model, or what came of it.
#[utoipa::path(get, path = "/api/v1/lineage/{subject}", tag = "lineage", params(SubjectPath, LineageQuery),
    responses((status = 200, body = LineageGraph, description = "All artifacts on that side of it."), Errors))]
async fn lineage(
    State(state): State<ApiState>,
    Path(SubjectPath { subject }): Path<SubjectPath>,
    Query(query): Query<LineageQuery>,
) -> Result<Json<LineageGraph>, ApiError> {
    let direction = match query.direction.unwrap_or_default() {
        DirectionName::Up => Direction::Up,
        DirectionName::Down => Direction::Down,
    };
    Ok(Json(state.store.lineage(&subject, direction).await?))
}

/// Measured values, those of the newest runs first.
#[utoipa::path(get, path = "/api/v1/metrics", tag = "metrics", params(MetricsQuery),
    responses((status = 200, body = Page<MetricValue>, description = "A page of values."), Errors))]
async fn metrics(
    State(state): State<ApiState>,
    Query(query): Query<MetricsQuery>,
) -> Result<Json<Page<MetricValue>>, ApiError> {
    let request = query.page()?;
    let filter = MetricFilter {
        pipeline: query.pipeline.map(String::from),
        metric: query.metric,
        step: query.step,
        run: query.run.map(|run| run.to_string()),
    };
    Ok(page(state.store.metrics_page(&filter, &request).await?))
}

/// The registered models, by name.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", params(ModelsQuery),
    responses((status = 200, body = Page<ModelSummary>, description = "A page of models."), Errors))]
async fn models(
    State(state): State<ApiState>,
    Query(query): Query<ModelsQuery>,
) -> Result<Json<Page<ModelSummary>>, ApiError> {
    Ok(page(state.store.models_page(&query.page()?).await?))
}

/// The versions of a model, newest first.
#[utoipa::path(get, path = "/api/v1/models/{model}/versions", tag = "models", params(ModelPath, ModelsQuery),
    responses((status = 200, body = Page<ModelVersion>, description = "A page of versions."), Errors))]
async fn versions(
    State(state): State<ApiState>,
    Path(ModelPath { model }): Path<ModelPath>,
    Query(query): Query<ModelsQuery>,
) -> Result<Json<Page<ModelVersion>>, ApiError> {
    let request = query.page()?;
    let versions = state.store.versions_page(model.as_str(), &request).await?;
    if versions.items.is_empty() && request.after.is_none() {
        return Err(ApiError::not_found("no_such_model", format!("there is no model `{model}`"))
            .help("`/api/v1/models` lists those that there are".to_owned()));
    }
    Ok(page(versions))
}

/// The endpoints and what they answer with.
#[utoipa::path(get, path = "/api/v1/endpoints", tag = "models",
    responses((status = 200, body = Page<EndpointAnswer>, description = "All endpoints, by name."), Errors))]
async fn endpoints(State(state): State<ApiState>) -> Result<Json<Page<EndpointAnswer>>, ApiError> {
    let endpoints = state.store.endpoints().await?.into_iter().map(|endpoint| EndpointAnswer {
        name: endpoint.name.to_string(),
        alias: endpoint.alias,
        version: endpoint.version,
        bundle: endpoint.bundle.digest.to_string(),
        model: endpoint.model.to_string(),
        pipeline: endpoint.pipeline,
        run: endpoint.run,
        since: endpoint.since,
    });
    Ok(Json(Page::whole(endpoints.collect())))
}
