//! Connections with limits: whoever is slow, greedy or too many is cut off, and everybody else is answered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::crowd::Crowd;
use super::pace::{Paced, Unhurried};
use super::{Limits, Peer, Tls};

/// How long to wait after the system refused to accept a connection, as it does when there are no more files.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// What a connection is told that is one too many.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 80\r\n\r\n\
    {\"error\":{\"code\":\"too_many_connections\",\"message\":\"too many connections, wait\"}}";

/// A failure of the server as a whole.
#[derive(Debug, thiserror::Error)]
#[error("the server cannot {doing}")]
pub struct ServerError {
    doing: &'static str,
    #[source]
    source: io::Error,
}

/// Answers on `listener` until `stop` is ready; then lets what has begun end, within the time that the limits give.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    tls: Option<Tls>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    listener.local_addr().map_err(|source| ServerError { doing: "tell its address", source })?;
    let crowd = Arc::new(Crowd::new(limits));
    let graceful = GracefulShutdown::new();
    let connection = Connections { router, limits: limits.clone(), http: http(limits), tls: tls.clone() };
    let connection = Arc::new(connection);
    let mut tasks = tokio::task::JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    let mut reload = std::pin::pin!(super::tls::reload_on_hangup(tls));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
            () = &mut reload => continue,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Err(error) = ended && error.is_panic() {
                    tracing::error!(%error, "a connection ended by a panic");
                }
                continue;
            }
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    tracing::warn!(%error, "no connection can be accepted for a moment");
                    tokio::time::sleep(AFTER_REFUSAL).await;
                }
                continue;
            }
        };
        match crowd.enter(address.ip()) {
            Some(place) => {
                let connection = Arc::clone(&connection);
                let watcher = graceful.watcher();
                tasks.spawn(async move {
                    connection.answer(stream, address, watcher).await;
                    drop(place);
                });
            }
            None => refuse(stream, connection.tls.is_some()),
        }
    }
    drop(listener);
    let ended = tokio::time::timeout(limits.goodbye, async {
        graceful.shutdown().await;
        while tasks.join_next().await.is_some() {}
    });
    if ended.await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
    tasks.shutdown().await;
    Ok(())
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(limits.headers)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(64 * 1024))
        .half_close(false);
    http
}

/// The client went away between its request for a connection and our answer.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Tells a client that there are too many, as far as that costs nothing.
fn refuse(stream: TcpStream, is_tls: bool) {
    if !is_tls && let Err(error) = stream.try_write(TOO_MANY) {
        tracing::debug!(%error, "a refused connection was not told so");
    }
}

/// What all connections share.
struct Connections {
    router: Router,
    limits: Limits,
    http: http1::Builder,
    tls: Option<Tls>,
}

impl Connections {
    async fn answer(&self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small answers of this connection may be late");
        }
        match &self.tls {
            None => self.speak(stream, address, watcher).await,
            Some(tls) => match tokio::time::timeout(self.limits.header_time, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.speak(stream, address, watcher).await,
                Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
            },
        }
    }

    async fn speak<S>(&self, stream: S, address: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let pause = self.limits.body_pause;
        let service = self.router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(address));
            request.map(|body| Body::new(Unhurried::new(body, pause)))
        });
        let io = TokioIo::new(Paced::new(stream, self.limits.write_pause));
        let connection = self.http.serve_connection(io, TowerToHyperService::new(service));
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%address, error = &error as &dyn std::error::Error, "a connection ended early");
        }
    }
}
