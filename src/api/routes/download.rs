//! The bytes of an artifact.

use std::io::SeekFrom;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::OPERATOR;
use super::artifacts::{blocking, gone, kept};
use super::paths::DigestPath;
use crate::api::extract::{Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Route};
use crate::artifact::ArtifactKind;

pub(super) const ROUTES: &[Route] = &[Route::get("/api/v1/artifacts/{digest}/download", OPERATOR).stream()];

/// Bytes read from the disk at once.
const CHUNK: usize = 64 * 1024;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(download))
}

/// Which file of a folder.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DownloadQuery {
    /// A file of a model or transform, as `files` lists them; needed there and only there.
    file: Option<String>,
}

/// The bytes of an artifact, or of one file of it. One range of bytes may be asked for.
#[utoipa::path(get, path = "/api/v1/artifacts/{digest}/download", tag = "artifacts", params(DigestPath, DownloadQuery),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>, description = "All bytes."),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>, description = "The range of bytes."),
        Errors))]
async fn download(
    State(state): State<ApiState>,
    Path(DigestPath { digest }): Path<DigestPath>,
    Query(query): Query<DownloadQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let detail = kept(&state, &digest).await?;
    let artifact = detail.artifact.clone();
    let (path, name) = blocking(&state, move |state| {
        let path = state.artifacts.path(&artifact).map_err(gone)?;
        let short = artifact.digest.short();
        let wanted = match (artifact.kind.is_folder(), query.file) {
            (false, None) => return Ok((path, format!("{short}.{}", extension(artifact.kind)))),
            (false, Some(_)) => {
                let message = format!("{short} is one file: leave `file` out");
                return Err(ApiError::conflict("one_file", message));
            }
            (true, None) => {
                let message = format!("{short} is a {} of several files: say which by `file`", artifact.kind);
                return Err(ApiError::conflict("several_files", message)
                    .help(format!("`/api/v1/artifacts/{}/files` lists them", artifact.digest)));
            }
            (true, Some(wanted)) => wanted,
        };
        // Only a name from the listing becomes part of a path.
        let files = state.artifacts.files(&artifact).map_err(gone)?;
        match files.into_iter().find(|(file, _)| *file == wanted) {
            Some((file, _)) => Ok((path.join(&file), format!("{short}-{}", file.replace('/', "-")))),
            None => Err(ApiError::not_found("no_such_file", format!("{short} has no such file"))
                .help(format!("`/api/v1/artifacts/{}/files` lists them", artifact.digest))),
        }
    })
    .await?;
    let failed = |error: std::io::Error| ApiError::internal(&error);
    let mut file = File::open(&path).await.map_err(failed)?;
    let size = file.metadata().await.map_err(failed)?.len();
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (status, start, end) = match range.map_or(Range::All, |range| parse(range, size)) {
        Range::All => (StatusCode::OK, 0, size),
        Range::Part(start, end) => (StatusCode::PARTIAL_CONTENT, start, end),
        Range::Outside => {
            let message = format!("the file has {size} bytes");
            let error = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "bad_range", message);
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{size}"))], error).into_response());
        }
    };
    file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
    let mut answer = (status, chunks(file, end - start)).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, (end - start).into());
    let disposition = format!("attachment; filename=\"{}\"", plain(&name));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::try_from(disposition).map_err(|error| ApiError::internal(&error))?,
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{size}", end - 1);
        headers
            .insert(header::CONTENT_RANGE, HeaderValue::try_from(range).map_err(|error| ApiError::internal(&error))?);
    }
    Ok(answer)
}

/// The next `left` bytes of a file, read as fast as the client takes them.
fn chunks(file: File, left: u64) -> Body {
    Body::from_stream(stream::try_unfold((file, left), async |(mut file, left)| {
        let mut chunk = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        if chunk.is_empty() {
            return Ok(None);
        }
        let count = file.read(&mut chunk).await?;
        if count == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        chunk.truncate(count);
        Ok(Some((Bytes::from(chunk), (file, left - count as u64))))
    }))
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    All,
    /// From this byte to before that one.
    Part(u64, u64),
    Outside,
}

/// One range of bytes; what is not understood counts for nothing, as HTTP wants it.
fn parse(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::All;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Range::Outside,
        (Ok(first), Ok(last)) if first <= last => Range::Part(first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => Range::Part(first, size),
        (Err(_), Ok(0)) if first.is_empty() => Range::Outside,
        (Err(_), Ok(count)) if first.is_empty() && size > 0 => Range::Part(size.saturating_sub(count), size),
        _ => Range::All,
    }
}

fn extension(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Table => "parquet",
        ArtifactKind::Report => "json",
        ArtifactKind::Model | ArtifactKind::Transform | ArtifactKind::File => "bin",
    }
}

/// A file name that every system takes and no header breaks on.
fn plain(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_understood() {
        for (text, expected) in [
            ("bytes=0-3", Range::Part(0, 4)),
            ("bytes=8-", Range::Part(8, 10)),
            ("bytes=8-99", Range::Part(8, 10)),
            ("bytes=-3", Range::Part(7, 10)),
            ("bytes=-99", Range::Part(0, 10)),
            ("bytes=10-", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=5-2", Range::All),
            ("bytes=0-1,4-5", Range::All),
            ("rows=0-1", Range::All),
            ("bytes=99999999999999999999-", Range::All),
        ] {
            assert_eq!(parse(text, 10), expected, "{text}");
        }
        assert_eq!(parse("bytes=0-18446744073709551615", 10), Range::Part(0, 10));
    }

    #[test]
    fn a_file_name_cannot_break_out_of_its_header() {
        assert_eq!(plain("a\"; x=\r\n/é.json"), "a___x_____.json");
    }
}
