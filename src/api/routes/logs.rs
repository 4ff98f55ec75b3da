//! What a step and its programs wrote, whole or as it comes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, SeekFrom};
use std::path::PathBuf;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::VIEWER;
use super::events::{BEAT_EVERY, LOOK_EVERY, bad_id, last_event_id};
use super::paths::StepPath;
use crate::api::extract::{Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Route};
use crate::id::{AttemptId, RunId};
use crate::store::queries::AttemptSummary;
use crate::worker::AttemptFolder;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/runs/{run}/steps/{step}/logs", VIEWER),
    Route::get("/api/v1/runs/{run}/steps/{step}/logs/follow", VIEWER).stream(),
];

/// Bytes of a log in one answer unless the client says another number, and at most.
const BYTES: u64 = 256 * 1024;
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// The last byte that a number in JSON can name in every language.
const LAST_OFFSET: u64 = (1 << 53) - 1;
/// The same for one event of a stream.
const EVENT_BYTES: u64 = 64 * 1024;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(read)).routes(routes!(follow))
}

/// How a log is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum LogFormat {
    /// A document with `text` and `next`.
    #[default]
    Json,
    /// The bytes as they are, with `X-Next-Offset`.
    Text,
}

/// Which log, and which part of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LogQuery {
    /// The attempt; the latest one unless told.
    #[param(value_type = Option<String>, pattern = "^att_[0-9a-f]{32}$")]
    attempt: Option<AttemptId>,
    /// The first byte; 0 unless told.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    offset: Option<u64>,
    /// Bytes at most, up to 4194304; 262144 unless told.
    #[param(minimum = 4, maximum = 4_194_304)]
    limit: Option<u64>,
    /// `json`, which is meant unless told, or `text`.
    #[param(inline)]
    format: Option<LogFormat>,
}

/// Which log, and from where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct FollowQuery {
    /// The attempt; the latest one unless told.
    #[param(value_type = Option<String>, pattern = "^att_[0-9a-f]{32}$")]
    attempt: Option<AttemptId>,
    /// The first byte; 0 unless told.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    offset: Option<u64>,
}

/// A part of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct LogAnswer {
    /// The attempt that wrote it.
    attempt: String,
    /// The state of the attempt.
    state: String,
    /// The first byte of this part.
    offset: u64,
    /// Where the next part begins.
    next: u64,
    /// Bytes that the log has by now.
    size: u64,
    /// Whether this is the end of a log that nobody writes to any more.
    is_end: bool,
    /// The text; bytes that are none are shown as `\u{fffd}`.
    text: String,
}

/// A part of what an attempt at a step wrote.
#[utoipa::path(get, path = "/api/v1/runs/{run}/steps/{step}/logs", tag = "logs", params(StepPath, LogQuery),
    responses(
        (status = 200, description = "The part of the log.", content(
            (LogAnswer = "application/json"), (String = "text/plain"))),
        Errors))]
async fn read(
    State(state): State<ApiState>,
    Path(StepPath { run, step }): Path<StepPath>,
    Query(query): Query<LogQuery>,
) -> Result<Response, ApiError> {
    let limit = query.limit.unwrap_or(BYTES);
    if !(4..=MOST_BYTES).contains(&limit) {
        let message = format!("`limit` must be from 4 to {MOST_BYTES}, not {limit}");
        return Err(ApiError::bad_request("bad_limit", message));
    }
    let offset = query.offset.unwrap_or(0);
    if offset > LAST_OFFSET {
        return Err(ApiError::bad_request("bad_offset", format!("`offset` must be at most {LAST_OFFSET}")));
    }
    let attempt = attempt(&state, run, step.as_str(), query.attempt).await?;
    let log = Log::find(&state, run, &attempt)?;
    let part = log.part(offset, limit).await.map_err(|error| ApiError::internal(&error))?;
    if query.format.unwrap_or_default() == LogFormat::Text {
        let mut answer = part.bytes.into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert("x-next-offset", part.next.into());
        headers.insert("x-log-size", part.size.into());
        return Ok(answer);
    }
    let answer = LogAnswer {
        attempt: attempt.attempt_id,
        state: attempt.state,
        offset: part.offset,
        next: part.next,
        size: part.size,
        is_end: attempt.finished_at.is_some() && part.next >= part.size,
        text: String::from_utf8_lossy(&part.bytes).into_owned(),
    };
    Ok(axum::Json(answer).into_response())
}

/// What an attempt at a step writes, as it comes: events `log` with `text`, then `end` when the attempt has ended.
#[utoipa::path(get, path = "/api/v1/runs/{run}/steps/{step}/logs/follow", tag = "logs",
    params(StepPath, FollowQuery, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen.")),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "Events until the attempt has ended."), Errors))]
async fn follow(
    State(state): State<ApiState>,
    Path(StepPath { run, step }): Path<StepPath>,
    Query(query): Query<FollowQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let (mut wanted, mut offset) = (query.attempt, query.offset.unwrap_or(0));
    if let Some(id) = last_event_id(&headers)? {
        let refused = || bad_id(format!("`{id}` is not the id of a part of a log"));
        let (attempt, place) = id.split_once(':').ok_or_else(refused)?;
        wanted = Some(attempt.parse().map_err(|_| refused())?);
        offset = place.parse().map_err(|_| refused())?;
    }
    let attempt = attempt(&state, run, step.as_str(), wanted).await?;
    let log = Log::find(&state, run, &attempt)?;
    let follower = Follower { state, run, attempt, log, offset, ready: VecDeque::new(), is_over: false };
    let events = stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(BEAT_EVERY).text("alive")))
}

/// The attempt that is meant: the one named, the latest of this run, or the one whose result was reused.
async fn attempt(
    state: &ApiState,
    run: RunId,
    step: &str,
    wanted: Option<AttemptId>,
) -> Result<AttemptSummary, ApiError> {
    let store = &state.store;
    let name = step.parse().map_err(|_| ApiError::not_found("no_such_step", format!("{run} has no step `{step}`")))?;
    let detail = super::steps::found(state, run, &name).await?;
    let (of_run, id) = match (wanted, store.latest_attempt(run, step).await?, detail.attempt, detail.reused_from) {
        (Some(wanted), ..) => (run, wanted.to_string()),
        (None, Some(latest), ..) => (run, latest),
        // The result was made by an attempt of another run: its log is the one that tells how.
        (None, None, Some(made_by), Some(run)) => {
            (run.parse().map_err(|error: crate::id::InvalidId| ApiError::internal(&error))?, made_by)
        }
        _ => {
            let message = format!("step `{step}` of {run} has not been tried: it is {}", detail.state);
            return Err(ApiError::conflict("not_tried", message));
        }
    };
    let found = store.attempt(of_run, &id).await?.filter(|attempt| attempt.step == step);
    found.ok_or_else(|| ApiError::not_found("no_such_attempt", format!("step `{step}` of {run} has no attempt {id}")))
}

/// The file of a log.
struct Log(PathBuf);

/// A part of it.
struct Part {
    offset: u64,
    next: u64,
    size: u64,
    bytes: Vec<u8>,
}

impl Log {
    fn find(state: &ApiState, run: RunId, attempt: &AttemptSummary) -> Result<Log, ApiError> {
        let id: AttemptId =
            attempt.attempt_id.parse().map_err(|error: crate::id::InvalidId| ApiError::internal(&error))?;
        let of_run: RunId = attempt.run_id.parse().unwrap_or(run);
        let path = AttemptFolder::new(&state.state_folder, of_run, id).log();
        if path.exists() || attempt.finished_at.is_none() && is_here(attempt) {
            return Ok(Log(path));
        }
        let (message, help) = match &attempt.host {
            Some(host) if !is_here(attempt) => (
                format!("the log of {id} is on `{host}`"),
                format!("ask the daemon there, or run `phaseline logs` on `{host}`"),
            ),
            _ => (
                format!("the log of {id} is not kept any more"),
                "its failure, if any, stands with the attempt".to_owned(),
            ),
        };
        Err(ApiError::conflict("log_elsewhere", message).help(help))
    }

    /// Up to `limit` bytes from `offset` on, cut where a character ends.
    async fn part(&self, offset: u64, limit: u64) -> io::Result<Part> {
        let mut file = match File::open(&self.0).await {
            // Nothing was written yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Part { offset, next: offset, size: 0, bytes: vec![] });
            }
            other => other?,
        };
        let size = file.metadata().await?.len();
        file.seek(SeekFrom::Start(offset.min(size))).await?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).await?;
        if bytes.len() as u64 == limit {
            bytes.truncate(whole_characters(&bytes));
        }
        Ok(Part { offset, next: offset.min(size) + bytes.len() as u64, size, bytes })
    }
}

fn is_here(attempt: &AttemptSummary) -> bool {
    attempt.host.as_ref().is_none_or(|host| *host == crate::control::host())
}

/// How many of the bytes can be shown without the beginning of a character at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    }
}

/// A client that follows a log.
struct Follower {
    state: ApiState,
    run: RunId,
    attempt: AttemptSummary,
    log: Log,
    offset: u64,
    ready: VecDeque<Event>,
    is_over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            match self.look().await {
                Err(error) => {
                    tracing::warn!(error = &*error, "a stream of a log ends");
                    return None;
                }
                Ok(()) if self.ready.is_empty() => tokio::time::sleep(LOOK_EVERY).await,
                Ok(()) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        // Asked before the log is read: what ended by then has written everything.
        let of_run = self.attempt.run_id.parse().unwrap_or(self.run);
        if self.attempt.finished_at.is_none()
            && let Some(attempt) = self.state.store.attempt(of_run, &self.attempt.attempt_id).await?
        {
            self.attempt = attempt;
        }
        let part = self.log.part(self.offset, EVENT_BYTES).await?;
        let id = |offset: u64| format!("{}:{offset}", self.attempt.attempt_id);
        if part.bytes.is_empty() {
            if self.attempt.finished_at.is_some() {
                let data = json!({"attempt": self.attempt.attempt_id, "state": self.attempt.state, "size": part.size});
                self.ready.push_back(Event::default().id(id(self.offset)).event("end").data(data.to_string()));
                self.is_over = true;
            }
            return Ok(());
        }
        self.offset = part.next;
        let data = json!({"offset": part.offset, "text": String::from_utf8_lossy(&part.bytes)});
        self.ready.push_back(Event::default().id(id(part.next)).event("log").data(data.to_string()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_of_a_log_cut_no_character_and_give_it_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let text = "aé漢🦀b".repeat(9);
        std::fs::write(&path, &text).unwrap();
        let (log, mut offset, mut whole) = (Log(path), 0, String::new());
        loop {
            let part = log.part(offset, 5).await.unwrap();
            if part.bytes.is_empty() {
                break;
            }
            whole.push_str(std::str::from_utf8(&part.bytes).unwrap());
            offset = part.next;
        }
        assert_eq!(whole, text);
        assert_eq!(log.part(10_000, 5).await.unwrap().next, text.len() as u64);
        // Bytes that are no text go through; they cannot hold a reader up.
        std::fs::write(&log.0, [0xff; 12]).unwrap();
        assert_eq!(log.part(0, 5).await.unwrap().next, 5);
    }
}
