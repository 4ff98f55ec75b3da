//! Events as they happen, over server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::VIEWER;
use super::paths::RunPath;
use crate::api::extract::{Path, Query};
use crate::api::openapi::Errors;
use crate::api::{ApiError, ApiState, Route};
use crate::id::RunId;
use crate::store::OutboxCursor;

pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/v1/events", VIEWER).stream(), Route::get("/api/v1/runs/{run}/events", VIEWER).stream()];

/// How often a stream looks for what is new.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a stream without news shows that it lives.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(15);
/// Events read at once: no more lie in memory for a client, however slow it is.
const BATCH: u32 = 100;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(of_run))
}

/// From where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct EventsQuery {
    /// The id of the last event that was seen, where a client cannot send `Last-Event-ID`; `0-0` for all that are kept.
    #[param(pattern = "^[0-9]{1,18}-[0-9]{1,18}$")]
    after: Option<String>,
}

/// From where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RunEventsQuery {
    /// The number of the last event that was seen, where a client cannot send `Last-Event-ID`; all of them unless told.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    after: Option<u64>,
}

/// The data of an event of a stream.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct EventData {
    /// The run.
    run: String,
    /// Its pipeline; none in the stream of one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<String>,
    /// Its place in the log of the run.
    seq: u64,
    /// When it was decided.
    at: String,
    /// What happened: an object with `event`, which is also the name of the event in the stream.
    what: Value,
}

/// What goes over the wire as one event.
fn wire(id: String, data: &EventData) -> Event {
    let name = data.what["event"].as_str().unwrap_or("event").to_owned();
    let text = serde_json::to_string(data).expect("an event is plain data");
    Event::default().id(id).event(name).data(text)
}

/// The events of all runs as they happen: `id` to go on from, `event` what it is, `data` as in `EventData`. An event
/// `reset` says that events between the id given and its own id are not kept any more.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen.")),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "Events, without end."), Errors))]
async fn all(
    State(state): State<ApiState>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let cursor = match last_event_id(&headers)?.or(query.after.as_deref()) {
        Some(id) => id.parse().map_err(|error: crate::store::InvalidOutboxCursor| bad_id(error.to_string()))?,
        None => state.store.outbox_end().await?,
    };
    Ok(sse(Follower { state, place: Place::All(cursor), ready: VecDeque::new() }))
}

/// The events of one run, from its first on unless told; the stream ends when the run has.
#[utoipa::path(get, path = "/api/v1/runs/{run}/events", tag = "events",
    params(RunPath, RunEventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "The number of the last event that was seen.")),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "Events until the run has ended."), Errors))]
async fn of_run(
    State(state): State<ApiState>,
    Path(RunPath { run }): Path<RunPath>,
    Query(query): Query<RunEventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    state.store.run_summary(run).await?;
    let seq = match last_event_id(&headers)? {
        Some(id) => id.parse().map_err(|_| bad_id(format!("`{id}` is not the number of an event")))?,
        None => query.after.unwrap_or(0),
    };
    Ok(sse(Follower { state, place: Place::Run { run, seq, is_over: false }, ready: VecDeque::new() }))
}

pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let id = id.to_str().map_err(|_| bad_id("`Last-Event-ID` is not text".to_owned()))?;
    Ok(Some(id).filter(|id| !id.is_empty()))
}

pub(super) fn bad_id(message: String) -> ApiError {
    ApiError::bad_request("bad_event_id", message).help("send the `id` of an event of this stream".to_owned())
}

/// A client that follows along, and what it has still to be sent.
struct Follower {
    state: ApiState,
    place: Place,
    ready: VecDeque<Event>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    All(OutboxCursor),
    Run { run: RunId, seq: u64, is_over: bool },
}

fn sse(follower: Follower) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(BEAT_EVERY).text("alive"))
}

impl Follower {
    /// The next event; none when there will be no other. A database that is away for a while ends the stream: the client
    /// comes back with the last id and misses nothing.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.look().await {
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a stream of events ends");
                    return None;
                }
                Ok(()) if !self.ready.is_empty() => {}
                Ok(()) if matches!(self.place, Place::Run { is_over: true, .. }) => return None,
                Ok(()) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn look(&mut self) -> Result<(), crate::store::StoreError> {
        let store = &self.state.store;
        match &mut self.place {
            Place::All(cursor) => {
                let page = store.published(*cursor, BATCH).await?;
                // Asked after the page: what was cleared before the page was read is told.
                let cleared = store.outbox_cleared().await?;
                if cleared > *cursor {
                    let text = "{\"reason\":\"events up to this id are not kept any more\"}";
                    self.ready.push_back(Event::default().id(cleared.to_string()).event("reset").data(text));
                    *cursor = cleared;
                }
                for event in page.into_iter().filter(|event| event.cursor > *cursor).collect::<Vec<_>>() {
                    *cursor = event.cursor;
                    let data = EventData {
                        run: event.run.to_string(),
                        pipeline: Some(event.pipeline.to_string()),
                        seq: event.seq,
                        at: event.at,
                        what: event.what,
                    };
                    self.ready.push_back(wire(cursor.to_string(), &data));
                }
            }
            Place::Run { run, seq, is_over } => {
                // Asked before the page: a run that is over then gets no event after it.
                let has_ended = match store.run_summary(*run).await {
                    Ok(summary) => summary.finished_at.is_some(),
                    // Its history was cleared meanwhile.
                    Err(crate::store::StoreError::Engine(crate::engine::EngineError::NoRun(_))) => true,
                    Err(other) => return Err(other),
                };
                let page = store.events_after(*run, *seq, BATCH).await?;
                *is_over = has_ended && page.is_empty();
                for event in page {
                    *seq = event.seq;
                    let data = EventData {
                        run: run.to_string(),
                        pipeline: None,
                        seq: event.seq,
                        at: event.at,
                        what: event.what,
                    };
                    self.ready.push_back(wire(seq.to_string(), &data));
                }
            }
        }
        Ok(())
    }
}
