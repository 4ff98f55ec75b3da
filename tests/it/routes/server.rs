//! A server of the API in this process, with a token for each role.

use std::path::Path;
use std::sync::Arc;

use phaseline::api::{AllowedHosts, ApiState, Limits, router, serve};
use phaseline::artifact::ArtifactStore;
use phaseline::store::{NewToken, Rights, Role, Store, StoreUrl};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

/// A server that ends when dropped.
pub(super) struct Server {
    folder: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) artifacts: Arc<ArtifactStore>,
    address: String,
    tokens: Vec<(Role, String)>,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    /// A server on an empty state folder.
    pub(super) async fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::in_state_folder(folder.path())).await.unwrap();
        let artifacts = Arc::new(ArtifactStore::open(folder.path().join("artifacts")).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tokens = Vec::new();
        for role in Role::ALL {
            let name = format!("a {role}");
            let new = NewToken { name, rights: Rights::Role(role), created_by: "test".to_owned(), expires_at: None };
            let (_, secret) = store.create_token(new).await.unwrap();
            tokens.push((role, secret.reveal().to_owned()));
        }
        let (_, stopping) = watch::channel(false);
        let hosts = AllowedHosts::new(address, []);
        let limits = Limits::default();
        let state = ApiState::new(
            store.clone(),
            Arc::clone(&artifacts),
            folder.path().to_owned(),
            limits.clone(),
            hosts,
            stopping,
        );
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(async move {
            let stop = async move { stopped.await.unwrap_or(()) };
            serve(listener, router(state, None), &limits, None, stop).await.unwrap();
        });
        let address = format!("http://{address}");
        Server { folder, store, artifacts, address, tokens, client: Client::new(), stop: Some(stop) }
    }

    pub(super) fn state_folder(&self) -> &Path {
        self.folder.path()
    }

    fn token(&self, role: Role) -> &str {
        &self.tokens.iter().find(|(of, _)| *of == role).unwrap().1
    }

    /// A request of an admin.
    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address)).bearer_auth(self.token(Role::Admin))
    }

    pub(super) async fn as_role(&self, role: Role, method: Method, path: &str) -> u16 {
        let request = self.client.request(method, format!("{}{path}", self.address)).bearer_auth(self.token(role));
        request.send().await.unwrap().status().as_u16()
    }

    /// The document at `path`.
    #[track_caller]
    pub(super) fn get(&self, path: &str) -> impl Future<Output = Value> {
        let request = self.request(Method::GET, path);
        let path = path.to_owned();
        async move { document(200, &path, request.send().await.unwrap()).await }
    }

    /// The error that is answered at `path`, with that status.
    pub(super) async fn refused(&self, status: u16, path: &str) -> Value {
        let answer = document(status, path, self.request(Method::GET, path).send().await.unwrap()).await;
        assert!(answer["error"]["message"].is_string(), "{answer}");
        answer["error"].clone()
    }

    /// Sends a document.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        let request = self.request(method, path).header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    }

    /// The answer to a document sent to `path`, with that status.
    pub(super) async fn post(&self, status: u16, path: &str, body: &Value) -> Value {
        document(status, path, self.send(Method::POST, path, body).await).await
    }
}

/// The document of an answer with that status.
pub(super) async fn document(status: u16, path: &str, answer: Response) -> Value {
    let (found, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert_eq!(found, status, "{path}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}"))
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            stop.send(()).ok();
        }
    }
}
