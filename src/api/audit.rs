//! The audit log of the API: what changes something is written down before it is done, and its outcome after it. What is
//! refused is written down too, as far as that cannot fill the database.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ErrorCode;
use super::{ApiError, ApiState, Caller, Peer, Route};
use crate::store::{Act, Token};

/// Refused requests that are written down within [`WINDOW`].
const MOST_REFUSED: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);

/// What a handler says it changed, as an extension of its response; without it, what the path names.
#[derive(Debug, Clone)]
pub struct AuditObject(pub String);

/// The layer around handlers that change something.
pub(super) async fn layer(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (Some(route), Some(caller)) = (extensions.get::<Route>().copied(), extensions.get::<Caller>()) else {
        return next.run(request).await;
    };
    if !route.is_change {
        return next.run(request).await;
    }
    let act = Act {
        who: caller.who(),
        role: caller.token.as_ref().map(|token| token.rights.role().to_owned()),
        action: format!("{} {}", route.method, route.path),
        object: route.object(request.uri().path()),
        remote: caller.remote(),
    };
    // What cannot be written down is not done.
    let position = match state.store.audit_begun(&act).await {
        Ok(position) => position,
        Err(error) => return ApiError::from(error).into_response(),
    };
    let response = next.run(request).await;
    if response.status().is_success() {
        // A run that was submitted begins, and a request is heard, before the next poll.
        state.bell.ring();
    }
    let extensions = response.extensions();
    let (outcome, told) = match extensions.get::<ErrorCode>() {
        Some(ErrorCode(code, message)) => (format!("{} {code}", response.status().as_u16()), Some(message.clone())),
        None => (response.status().as_u16().to_string(), None),
    };
    let detail = extensions.get::<AuditObject>().map(|object| object.0.clone()).or(told);
    if let Err(error) = state.store.audit_ended(position, &outcome, detail.as_deref()).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the audit log lacks the outcome of a request");
    }
    response
}

/// Counts refused requests, so that whoever sends many fills neither the log nor the database.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Option<Minute>>);

#[derive(Debug)]
struct Minute {
    since: Instant,
    written: u32,
    passed_over: u64,
}

impl Refusals {
    /// Whether one more is to be written down now; if so, how many were not since the last time that one was.
    fn take(&self, now: Instant) -> Option<u64> {
        let mut minute = self.0.lock().expect("no holder of the lock panics");
        let current = minute.get_or_insert(Minute { since: now, written: 0, passed_over: 0 });
        if now.duration_since(current.since) >= WINDOW {
            (current.since, current.written) = (now, 0);
        }
        if current.written >= MOST_REFUSED {
            current.passed_over += 1;
            return None;
        }
        current.written += 1;
        Some(std::mem::take(&mut current.passed_over))
    }
}

/// Writes a refused request down, if it would have changed something or came with a token that does not count.
pub(super) async fn refused(state: &ApiState, request: &Parts, token: Option<&Token>, error: &ApiError) {
    let only_asks = matches!(request.method, Method::GET | Method::HEAD);
    if only_asks && (token.is_none() || error.status() != 401) {
        return;
    }
    let Some(passed_over) = state.refusals.take(Instant::now()) else { return };
    let template = request.extensions.get::<MatchedPath>().map_or("a path that is not there", MatchedPath::as_str);
    let act = Act {
        who: token.map_or_else(|| "nobody".to_owned(), |token| format!("{} ({})", token.name, token.id)),
        role: token.map(|token| token.rights.role().to_owned()),
        action: format!("{} {template}", request.method),
        object: None,
        remote: request.extensions.get::<Peer>().map(|peer| peer.0.ip().to_string()),
    };
    let outcome = format!("{} {}", error.status().as_u16(), error.code());
    let detail = (passed_over > 0).then(|| format!("{passed_over} refused requests before it were not written down"));
    if let Err(error) = state.store.audit(&act, &outcome, detail.as_deref()).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the audit log lacks a refused request");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refused_requests_is_counted_and_not_written() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let written = (0..1000).filter(|_| refusals.take(start).is_some()).count();
        assert_eq!(written, MOST_REFUSED as usize);
        assert_eq!(refusals.take(start + WINDOW), Some(1000 - u64::from(MOST_REFUSED)));
        assert_eq!(refusals.take(start + WINDOW), Some(0));
    }
}
