//! Artifacts: what they are and what they hold.

use std::path::PathBuf;

use arrow::array::ArrayRef;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::VIEWER;
use super::paths::DigestPath;
use super::query::{list_query, page};
use crate::api::extract::{Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Page, Route};
use crate::artifact::{ArtifactError, ArtifactKind};
use crate::id::RunId;
use crate::store::queries::{ArtifactDetail, ArtifactSummary};
use crate::table::{ColumnFacts, TableError, TableReader, ValueRange, canonical_type, cell, column_facts};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/artifacts", VIEWER),
    Route::get("/api/v1/artifacts/{digest}", VIEWER),
    Route::get("/api/v1/artifacts/{digest}/files", VIEWER),
    Route::get("/api/v1/artifacts/{digest}/schema", VIEWER),
    Route::get("/api/v1/artifacts/{digest}/head", VIEWER),
    Route::get("/api/v1/artifacts/{digest}/statistics", VIEWER),
];

/// Rows of a head unless the client says another number, and at most.
const HEAD_ROWS: u32 = 10;
const MOST_HEAD_ROWS: u32 = 1000;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(files))
        .routes(routes!(schema))
        .routes(routes!(head))
        .routes(routes!(statistics))
}

/// The kinds of artifacts.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum ArtifactKindName {
    /// Rows and columns.
    Table,
    /// A trained model.
    Model,
    /// A fitted transform.
    Transform,
    /// A JSON document.
    Report,
    /// Any other file.
    File,
}

list_query! {
    /// Which artifacts.
    ArtifactsQuery {
        /// Those that this run made or reused.
        #[param(value_type = Option<String>, pattern = "^run_[0-9a-f]{32}$")]
        run: Option<RunId>,
        /// Those of this kind.
        #[param(inline)]
        kind: Option<ArtifactKindName>,
    }
}

/// How much of a table.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct HeadQuery {
    /// How many rows, at most 1000; 10 unless told.
    #[param(minimum = 1, maximum = 1000)]
    rows: Option<u32>,
}

/// A file of an artifact.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FileEntry {
    /// Its name within the artifact.
    file: String,
    /// Size.
    bytes: u64,
}

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ColumnEntry {
    /// Its name.
    name: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    kind: String,
    /// Whether it may hold nulls.
    nullable: bool,
}

/// The first rows of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HeadAnswer {
    /// The names of the columns.
    columns: Vec<String>,
    /// The rows, each with a value for each column; dates and times as ISO texts.
    rows: Vec<Vec<Value>>,
    /// How many rows the table has.
    total: u64,
}

/// What is known of the values of a column.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ColumnStatistics {
    /// Its name.
    name: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    kind: String,
    /// How many values are null.
    nulls: u64,
    /// The smallest or first value: a number, a text, or null where there is none.
    min: Value,
    /// The largest or last value.
    max: Value,
    /// The mean of numbers and of booleans as 0 and 1.
    mean: Option<f64>,
}

/// The artifacts, newest first.
#[utoipa::path(get, path = "/api/v1/artifacts", tag = "artifacts", params(ArtifactsQuery),
    responses((status = 200, body = Page<ArtifactSummary>, description = "A page of artifacts."), Errors))]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<ArtifactsQuery>,
) -> Result<Json<Page<ArtifactSummary>>, ApiError> {
    let request = query.page()?;
    let run = query.run.map(|run| run.to_string());
    let kind = query.kind.map(|kind| match kind {
        ArtifactKindName::Table => ArtifactKind::Table,
        ArtifactKindName::Model => ArtifactKind::Model,
        ArtifactKindName::Transform => ArtifactKind::Transform,
        ArtifactKindName::Report => ArtifactKind::Report,
        ArtifactKindName::File => ArtifactKind::File,
    });
    let kind = kind.map(|kind| kind.to_string());
    Ok(page(state.store.artifacts_page(run.as_deref(), kind.as_deref(), &request).await?))
}

/// What is recorded of an artifact.
#[utoipa::path(get, path = "/api/v1/artifacts/{digest}", tag = "artifacts", params(DigestPath),
    responses((status = 200, body = ArtifactSummary, description = "The artifact."), Errors))]
async fn show(
    State(state): State<ApiState>,
    Path(DigestPath { digest }): Path<DigestPath>,
) -> Result<Json<ArtifactSummary>, ApiError> {
    let found = state.store.artifact(&digest).await?;
    Ok(Json(state.store.artifact_summary(&found.artifact.digest.to_string()).await?))
}

/// The files of an artifact.
#[utoipa::path(get, path = "/api/v1/artifacts/{digest}/files", tag = "artifacts", params(DigestPath),
    responses((status = 200, body = Page<FileEntry>, description = "The files."), Errors))]
async fn files(
    State(state): State<ApiState>,
    Path(DigestPath { digest }): Path<DigestPath>,
) -> Result<Json<Page<FileEntry>>, ApiError> {
    let detail = kept(&state, &digest).await?;
    let files = blocking(&state, move |state| state.artifacts.files(&detail.artifact).map_err(gone)).await?;
    Ok(Json(Page::whole(files.into_iter().map(|(file, bytes)| FileEntry { file, bytes }).collect())))
}

/// The columns of a table.
#[utoipa::path(get, path = "/api/v1/artifacts/{digest}/schema", tag = "artifacts", params(DigestPath),
    responses((status = 200, body = Page<ColumnEntry>, description = "The columns, in order."), Errors))]
async fn schema(
    State(state): State<ApiState>,
    Path(DigestPath { digest }): Path<DigestPath>,
) -> Result<Json<Page<ColumnEntry>>, ApiError> {
    let columns = with_table(&state, &digest, |table| {
        let fields = table.schema().fields().iter();
        Ok(fields
            .map(|field| ColumnEntry {
                name: field.name().clone(),
                kind: field.data_type().to_string(),
                nullable: field.is_nullable(),
            })
            .collect())
    });
    Ok(Json(Page::whole(columns.await?)))
}

/// How many characters of a nested or binary value are shown.
const SHOWN_CHARACTERS: usize = 200;

/// A value of a table; a list, a picture or the like in its first characters.
fn shown(column: &ArrayRef, row: usize) -> Value {
    let is_long = |text: &str| text.chars().nth(SHOWN_CHARACTERS).is_some();
    match cell(column, row) {
        Value::String(text) if is_long(&text) && canonical_type(column.data_type()).is_none() => {
            text.chars().take(SHOWN_CHARACTERS).chain(['…']).collect::<String>().into()
        }
        value => value,
    }
}

/// The first rows of a table.
#[utoipa::path(get, path = "/api/v1/artifacts/{digest}/head", tag = "artifacts", params(DigestPath, HeadQuery),
    responses((status = 200, body = HeadAnswer, description = "The rows."), Errors))]
async fn head(
    State(state): State<ApiState>,
    Path(DigestPath { digest }): Path<DigestPath>,
    Query(query): Query<HeadQuery>,
) -> Result<Json<HeadAnswer>, ApiError> {
    let wanted = query.rows.unwrap_or(HEAD_ROWS);
    if !(1..=MOST_HEAD_ROWS).contains(&wanted) {
        let message = format!("`rows` must be from 1 to {MOST_HEAD_ROWS}, not {wanted}");
        return Err(ApiError::bad_request("bad_limit", message));
    }
    let answer = with_table(&state, &digest, move |table| {
        let mut rows = Vec::new();
        for batch in table.batches()? {
            let batch = batch?;
            let missing = (wanted as usize - rows.len()).min(batch.num_rows());
            rows.extend((0..missing).map(|row| batch.columns().iter().map(|column| shown(column, row)).collect()));
            if rows.len() == wanted as usize {
                break;
            }
        }
        Ok(HeadAnswer { columns: table.columns().map(str::to_owned).collect(), rows, total: table.rows() })
    });
    Ok(Json(answer.await?))
}

/// What is known of the values of each column, from a pass over the whole table.
#[utoipa::path(get, path = "/api/v1/artifacts/{digest}/statistics", tag = "artifacts", params(DigestPath),
    responses((status = 200, body = Page<ColumnStatistics>, description = "The columns, in order."), Errors))]
async fn statistics(
    State(state): State<ApiState>,
    Path(DigestPath { digest }): Path<DigestPath>,
) -> Result<Json<Page<ColumnStatistics>>, ApiError> {
    let columns = with_table(&state, &digest, |table| Ok(column_facts(table)?.into_iter().map(statistic).collect()));
    Ok(Json(Page::whole(columns.await?)))
}

fn statistic(facts: ColumnFacts) -> ColumnStatistics {
    let (min, max, mean) = match facts.range {
        ValueRange::Numbers { min, max, sum, count } => (min.into(), max.into(), Some(sum / count as f64)),
        ValueRange::Texts { min, max } => (min.into(), max.into(), None),
        ValueRange::Empty => (Value::Null, Value::Null, None),
    };
    ColumnStatistics { name: facts.name, kind: facts.kind, nulls: facts.nulls as u64, min, max, mean }
}

/// The artifact, if its bytes are kept.
pub(super) async fn kept(state: &ApiState, digest: &str) -> Result<ArtifactDetail, ApiError> {
    let detail = state.store.artifact(digest).await?;
    let Some(collected_at) = &detail.collected_at else { return Ok(detail) };
    let message = format!("the bytes of {} were freed at {collected_at}", detail.artifact.digest);
    Err(ApiError::new(axum::http::StatusCode::GONE, "collected", message)
        .help("its lineage is kept; a run makes it again".to_owned()))
}

/// Does what waits for the disk or an object store, and perhaps long, on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    state: &ApiState,
    work: impl FnOnce(&ApiState) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let state = state.clone();
    match tokio::task::spawn_blocking(move || work(&state)).await {
        Ok(answer) => answer,
        Err(error) => Err(ApiError::internal(&error)),
    }
}

async fn with_table<T: Send + 'static>(
    state: &ApiState,
    digest: &str,
    read: impl FnOnce(&TableReader) -> Result<T, TableError> + Send + 'static,
) -> Result<T, ApiError> {
    let detail = kept(state, digest).await?;
    if detail.artifact.kind != ArtifactKind::Table {
        let message = format!("{} is a {}, not a table", detail.artifact.digest, detail.artifact.kind);
        return Err(ApiError::conflict("not_a_table", message));
    }
    blocking(state, move |state| {
        let path: PathBuf = state.artifacts.path(&detail.artifact).map_err(gone)?;
        TableReader::open(&path).and_then(|table| read(&table)).map_err(|error| ApiError::internal(&error))
    })
    .await
}

/// Bytes that should be there and are not, are told as such.
pub(super) fn gone(error: ArtifactError) -> ApiError {
    match error {
        ArtifactError::Missing { .. } | ArtifactError::Corrupt { .. } => {
            ApiError::conflict("bytes_missing", error.to_string())
                .help("the next run that needs it makes it again".to_owned())
        }
        other => ApiError::internal(&other),
    }
}
