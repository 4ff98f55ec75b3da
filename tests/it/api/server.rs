//! A whole server of the API in this process, and requests byte by byte.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phaseline::api::{AllowedHosts, ApiState, Limits, Tls, router, serve};
use phaseline::artifact::ArtifactStore;
use phaseline::serve::{Deployment, Deployments, LiveModels, LogSettings, ServeSettings};
use phaseline::store::{NewToken, Rights, Role, Store, StoreUrl};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// The longest that a test waits for something that should happen at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A server with live models beside the API, of which none is deployed.
pub(super) struct Served {
    pub(super) store: Store,
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
    folder: tempfile::TempDir,
}

struct Nothing;

#[async_trait]
impl Deployments for Nothing {
    async fn current(&self) -> Result<Vec<Deployment>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Vec::new())
    }
}

impl Served {
    pub(super) async fn start(limits: Limits) -> Served {
        Served::start_with(limits, None).await
    }

    pub(super) async fn start_with(limits: Limits, tls: Option<Tls>) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::in_state_folder(folder.path())).await.unwrap();
        let artifacts = Arc::new(ArtifactStore::open(folder.path().join("artifacts")).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stopping, is_stopping) = watch::channel(false);
        let hosts = AllowedHosts::new(address, []);
        let state_folder = folder.path().to_owned();
        let settings = ServeSettings {
            state_folder: state_folder.clone(),
            poll: Duration::from_hours(1),
            log: LogSettings::default(),
        };
        let models = LiveModels::start(settings, Arc::new(Nothing), Arc::clone(&artifacts) as _).await.unwrap();
        let state = ApiState::new(store.clone(), artifacts, state_folder, limits.clone(), hosts, is_stopping);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stop = async move { stopped.await.unwrap_or(()) };
            serve(listener, router(state, Some(models.routes())), &limits, tls, stop).await.unwrap();
            models.stop().await;
        });
        Served { store, address, stop, stopping, task, folder }
    }

    /// Stops as a daemon does, and waits until nothing is left.
    pub(super) async fn stop(self) {
        self.stopping.send_replace(true);
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server ends when asked to").unwrap();
        self.folder.close().unwrap();
    }

    pub(super) async fn token(&self, rights: Rights) -> String {
        let new = NewToken { name: "test".to_owned(), rights, created_by: "test".to_owned(), expires_at: None };
        self.store.create_token(new).await.unwrap().1.reveal().to_owned()
    }

    pub(super) async fn role(&self, role: Role) -> String {
        self.token(Rights::Role(role)).await
    }

    /// Asks with a token and no body.
    pub(super) async fn ask(&self, method: &str, path: &str, token: &str) -> Answer {
        self.send(method, path, &[("authorization", &format!("Bearer {token}"))], "").await
    }

    /// Sends a request on a connection of its own.
    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            write!(text, "host: {}\r\n", self.address).unwrap();
        }
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        if !body.is_empty() {
            write!(text, "content-length: {}\r\n", body.len()).unwrap();
        }
        text.push_str("\r\n");
        text.push_str(body);
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses early may close before it has read everything.
        stream.write_all(text.as_bytes()).await.ok();
        Answer::read(&mut stream).await.unwrap_or_else(|| panic!("{method} {path} got no answer"))
    }

    /// A connection from another address of loopback.
    pub(super) async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(IpAddr::from([127, 0, 0, last]), 0)).unwrap();
        socket.connect(self.address).await.unwrap()
    }
}

/// The head of an answer, and its body where the head says how long it is.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// Reads an answer; none when the connection ends before it has begun.
    pub(super) async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, Answer::read_whole(stream)).await.expect("an answer or an end in time")
    }

    async fn read_whole(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Answer> {
        let mut bytes = Vec::new();
        let mut more = vec![0u8; 16 * 1024];
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            match stream.read(&mut more).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => bytes.extend_from_slice(&more[..count]),
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer { status, head, body: String::new() };
        let length: usize = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = bytes.split_off(end + 4);
        while body.len() < length {
            match stream.read(&mut more).await {
                Ok(0) | Err(_) => break,
                Ok(count) => body.extend_from_slice(&more[..count]),
            }
        }
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Some(answer)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The code of an error answer.
    pub(super) fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}
