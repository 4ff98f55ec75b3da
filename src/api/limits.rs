//! How much a client may take of the server.

use std::time::Duration;

/// Limits of a server. The defaults fit a daemon that a team shares; tests make them small.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's line and headers.
    pub header_bytes: usize,
    /// How many headers a request may have.
    pub headers: usize,
    /// How long a connection may take for the headers of its next request; idle connections are closed after it.
    pub header_time: Duration,
    /// How long a client may pause within the body of a request.
    pub body_pause: Duration,
    /// How long a request may take until its answer begins, the reading of its body included.
    pub request_time: Duration,
    /// How long a client may leave an answer unread.
    pub write_pause: Duration,
    /// How long answers that have begun may go on after the server was asked to stop.
    pub goodbye: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_peer: usize,
    /// Requests at once.
    pub requests: usize,
    /// Requests at once with one token.
    pub requests_per_caller: usize,
    /// Streams of events at once.
    pub streams: usize,
    /// Streams of events at once with one token.
    pub streams_per_caller: usize,
}

impl Limits {
    /// Limits of a server of models alone: all its clients may stand behind one proxy.
    pub fn of_models() -> Limits {
        Limits { connections: 4096, connections_per_peer: 4096, ..Limits::default() }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_bytes: 32 * 1024,
            headers: 64,
            header_time: Duration::from_secs(10),
            body_pause: Duration::from_secs(10),
            request_time: Duration::from_secs(30),
            write_pause: Duration::from_secs(30),
            goodbye: Duration::from_secs(10),
            connections: 1024,
            connections_per_peer: 256,
            requests: 256,
            requests_per_caller: 128,
            streams: 128,
            streams_per_caller: 64,
        }
    }
}
