//! Bounded numbers of requests and streams at once, and streams that end when the server stops.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;

use super::{ApiError, Limits};

/// What is taken of requests and streams, by caller.
#[derive(Debug)]
pub(super) struct Places {
    requests: Count,
    streams: Count,
}

#[derive(Debug)]
struct Count {
    what: &'static str,
    most: usize,
    most_per_caller: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_caller: HashMap<String, usize>,
}

/// A place that is free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    caller: String,
    is_stream: bool,
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Places {
        let count = |what, most, most_per_caller| Count { what, most, most_per_caller, taken: Mutex::default() };
        Places {
            requests: count("requests", limits.requests, limits.requests_per_caller),
            streams: count("streams", limits.streams, limits.streams_per_caller),
        }
    }

    fn count(&self, is_stream: bool) -> &Count {
        if is_stream { &self.streams } else { &self.requests }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// 429 when the caller has as many as one may have, 503 when all are taken.
    pub(super) fn take(self: &Arc<Self>, caller: &str, is_stream: bool) -> Result<Place, ApiError> {
        let count = self.count(is_stream);
        let mut taken = count.taken.lock().expect("no holder of the lock panics");
        let what = count.what;
        if taken.all >= count.most {
            let message = format!("the server answers {} {what} already", count.most);
            return Err(ApiError::unavailable("busy", message));
        }
        let of_caller = taken.by_caller.get(caller).copied().unwrap_or_default();
        if of_caller >= count.most_per_caller {
            let message = format!("this token has {of_caller} {what} open already");
            return Err(ApiError::new(hyper::StatusCode::TOO_MANY_REQUESTS, "too_many", message));
        }
        taken.all += 1;
        taken.by_caller.insert(caller.to_owned(), of_caller + 1);
        Ok(Place { places: Arc::clone(self), caller: caller.to_owned(), is_stream })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.count(self.is_stream).taken.lock().expect("no holder of the lock panics");
        taken.all -= 1;
        if let Some(of_caller) = taken.by_caller.get_mut(&self.caller) {
            *of_caller -= 1;
            if *of_caller == 0 {
                taken.by_caller.remove(&self.caller);
            }
        }
    }
}

/// A body that holds a place while it goes on, and ends when the server stops.
pub(super) struct StreamBody {
    body: Body,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: Place,
}

impl StreamBody {
    /// `body` with its place; it ends early where `stopping` is given.
    pub(super) fn wrap(body: Body, place: Place, stopping: Option<watch::Receiver<bool>>) -> Body {
        let stopped = Box::pin(async move {
            // Without anybody who could ask it to stop, the server never does.
            if let Some(mut stopping) = stopping
                && stopping.wait_for(|stopping| *stopping).await.is_ok()
            {
                return;
            }
            std::future::pending::<()>().await;
        });
        Body::new(UnsyncBoxBody::new(StreamBody { body, stopped, _place: place }))
    }
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_cannot_take_every_place_and_places_come_back() {
        let limits = Limits { streams: 3, streams_per_caller: 2, ..Limits::default() };
        let places = Arc::new(Places::new(&limits));
        let held = [places.take("a", true).unwrap(), places.take("a", true).unwrap()];
        assert_eq!(places.take("a", true).unwrap_err().status(), 429);
        let other = places.take("b", true).unwrap();
        assert_eq!(places.take("c", true).unwrap_err().status(), 503);
        assert!(places.take("c", false).is_ok(), "requests are counted apart");
        drop((held, other));
        assert!(places.take("a", true).is_ok());
        assert!(places.streams.taken.lock().unwrap().by_caller.is_empty());
    }
}
