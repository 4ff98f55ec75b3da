//! `Idempotency-Key`: a request that is repeated has the effect and the answer of the first one.
//!
//! An answer is kept once there is one. A process that is killed between the effect and the answer leaves a key without
//! one: whoever repeats the request then carries it out again, under the same [`EffectKey`], by which the operation knows
//! what it has done before. Only successes are kept: what was refused had no effect and may be asked again. Nor is an
//! answer kept that is a secret or very long; what gives such a one may be done twice.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use tokio::time::Instant;

use super::{ApiError, ApiState, Caller, Route};
use crate::fault;
use crate::store::{KeptAnswer, KeyedRequest, KeyedTurn};

const HEADER: &str = "idempotency-key";
const REPEATED: header::HeaderName = header::HeaderName::from_static("idempotency-repeated");
/// The longest key, in characters.
const LONGEST_KEY: usize = 200;
/// The largest answer that is kept.
const ANSWER_BYTES: usize = 1024 * 1024;
/// How long a request waits for another one with the same key.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often it looks, besides when a request of this process ends.
const LOOK: Duration = Duration::from_millis(250);
/// How long the one that carries a request out has, beyond the time that a request may take.
const MARGIN: Duration = Duration::from_secs(5);

/// What a handler hands to the operation, so that it knows its effect again: the same for the same caller, route and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectKey(pub String);

/// An answer that must not be written down, as an extension of its response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unkept;

/// The layer around handlers that change something.
pub(super) async fn layer(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (Some(route), Some(caller)) = (extensions.get::<Route>().copied(), extensions.get::<Caller>().cloned()) else {
        return next.run(request).await;
    };
    let key = match key(request.headers()) {
        Ok(Some(key)) if route.is_change => key,
        Ok(_) => return next.run(request).await,
        Err(refused) => return refused.into_response(),
    };
    let (mut parts, body) = request.into_parts();
    let body = match to_bytes(body, route.body_bytes).await {
        Ok(body) => body,
        Err(error) => return ApiError::internal(&error).into_response(),
    };
    let query = parts.uri.query().unwrap_or_default();
    let keyed = KeyedRequest {
        key,
        who: caller.id().to_owned(),
        route: format!("{} {}", parts.method, parts.uri.path()),
        body_digest: blake3::Hasher::new().update(query.as_bytes()).update(b"\0").update(&body).finalize().to_string(),
    };
    match turn(&state, &keyed).await {
        Ok(None) => {}
        Ok(Some(kept)) => return again(kept),
        Err(refused) => return refused.into_response(),
    }
    parts.extensions.insert(effect_key(&keyed));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let response = keep(&state, &keyed, response).await;
    state.keyed_ended.notify_waiters();
    response
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let is_good = (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_good && values.next().is_none() {
        return Ok(Some(text.to_owned()));
    }
    let message = format!("`Idempotency-Key` takes one key of 1 to {LONGEST_KEY} printable ASCII characters");
    Err(ApiError::bad_request("bad_idempotency_key", message))
}

fn effect_key(keyed: &KeyedRequest) -> EffectKey {
    let mut hasher = blake3::Hasher::new();
    for part in [&keyed.who, &keyed.route, &keyed.key] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    EffectKey(hasher.finalize().to_string())
}

/// Waits for the turn of this request; gives the kept answer if there is one by then.
async fn turn(state: &ApiState, keyed: &KeyedRequest) -> Result<Option<KeptAnswer>, ApiError> {
    let patience = Instant::now() + LONGEST_WAIT;
    loop {
        // Before looking, or an end between the two is missed.
        let mut ended = std::pin::pin!(state.keyed_ended.notified());
        ended.as_mut().enable();
        match state.store.begin_keyed(keyed, state.limits.request_time + MARGIN, Utc::now()).await? {
            KeyedTurn::Yours => return Ok(None),
            KeyedTurn::Answered(kept) => return Ok(Some(kept)),
            KeyedTurn::OtherBody => {
                let message = format!("the idempotency key `{}` was used with another body", keyed.key);
                return Err(ApiError::conflict("other_body", message).help("take a new key".to_owned()));
            }
            KeyedTurn::Busy if Instant::now() >= patience => {
                let message = "another request with this idempotency key is being carried out";
                return Err(ApiError::conflict("in_progress", message).retry_after(1));
            }
            // Another process may end it: what wakes this one is a hint.
            KeyedTurn::Busy => drop(tokio::time::timeout(LOOK, ended).await),
        }
    }
}

/// Keeps a success; otherwise frees the key.
async fn keep(state: &ApiState, keyed: &KeyedRequest, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    // Whatever answers a change is whole in memory already.
    let kept = match to_bytes(body, usize::MAX).await {
        Ok(bytes) => bytes,
        Err(error) => return ApiError::internal(&error).into_response(),
    };
    let may_be_kept =
        parts.status.is_success() && kept.len() <= ANSWER_BYTES && parts.extensions.get::<Unkept>().is_none();
    let done = match std::str::from_utf8(&kept) {
        Ok(text) if may_be_kept => {
            if let Err(error) = fault::point("api.before_answer_kept") {
                return ApiError::internal(&error).into_response();
            }
            let answer = KeptAnswer { status: parts.status.as_u16(), body: text.to_owned() };
            state.store.end_keyed(keyed, &answer).await
        }
        _ => state.store.abandon_keyed(keyed).await,
    };
    if let Err(error) = done {
        // The effect is there and is found again by its key.
        tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not kept for its idempotency key");
    }
    Response::from_parts(parts, Body::from(kept))
}

fn again(kept: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (REPEATED, HeaderValue::from_static("true")),
    ];
    (status, headers, kept.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_printable_and_alone() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, value.parse().unwrap());
            }
            key(&headers)
        };
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["a-1"]).unwrap().as_deref(), Some("a-1"));
        for bad in [&[""][..], &["a b"], &["a", "a"], &[&"x".repeat(201)]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_effect_is_known_by_caller_route_and_key_and_not_by_where_one_ends() {
        let keyed = |who: &str, route: &str, key: &str| {
            let [who, route, key] = [who, route, key].map(str::to_owned);
            effect_key(&KeyedRequest { key, who, route, body_digest: String::new() })
        };
        assert_eq!(keyed("a", "b", "c"), keyed("a", "b", "c"));
        assert_ne!(keyed("ab", "c", "d"), keyed("a", "bc", "d"));
    }
}
