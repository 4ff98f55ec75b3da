//! A server on a free port whose models the test controls.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use phaseline::api;
use phaseline::artifact::{ArtifactKind, ArtifactRef, Digest};
use phaseline::ml::bundle::BundleRecord;
use phaseline::serve::{
    Deployment, Deployments, Guard, LiveModels, LoadedModel, LogSettings, ModelSource, Prediction, RequestColumns,
    ScoreError, Scorer, ServeSettings,
};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// A door that models of a stuck endpoint wait at.
#[derive(Default)]
struct Door {
    is_open: Mutex<bool>,
    opened: Condvar,
    waiting: AtomicUsize,
}

impl Door {
    fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// What runs, and how.
#[derive(Default)]
pub(super) struct Running {
    deployments: Mutex<Vec<Deployment>>,
    breaks: AtomicBool,
    door: Option<Arc<Door>>,
    token: Option<&'static str>,
}

fn deployment(endpoint: &str, version: u64) -> Deployment {
    let digest = Digest::of(format!("{endpoint} {version}"));
    let bundle = ArtifactRef { digest, kind: ArtifactKind::Model, bytes: 1, rows: None };
    Deployment { endpoint: endpoint.parse().unwrap(), alias: "champion".to_owned(), version, bundle }
}

impl Running {
    pub(super) fn deploy(self, endpoint: &str, version: u64) -> Running {
        self.set(endpoint, version);
        self
    }

    /// Deploys a model that answers only after [`Server::release`].
    pub(super) fn stuck(self, endpoint: &str, version: u64) -> Running {
        Running { door: Some(Arc::default()), ..self.deploy(endpoint, version) }
    }

    pub(super) fn token(self, token: &'static str) -> Running {
        Running { token: Some(token), ..self }
    }

    fn set(&self, endpoint: &str, version: u64) {
        let mut deployments = self.deployments.lock().unwrap();
        deployments.retain(|found| found.endpoint.as_str() != endpoint);
        deployments.push(deployment(endpoint, version));
    }
}

#[async_trait]
impl Deployments for Running {
    async fn current(&self) -> Result<Vec<Deployment>, BoxedError> {
        Ok(self.deployments.lock().unwrap().clone())
    }
}

impl ModelSource for Running {
    fn load(&self, deployment: &Deployment) -> Result<LoadedModel, BoxedError> {
        if self.breaks.load(Ordering::SeqCst) {
            return Err("the bundle is damaged".into());
        }
        let classes = vec!["No".to_owned(), "Yes".to_owned()];
        let record = BundleRecord {
            format: 1,
            endpoint: deployment.endpoint.clone(),
            pipeline: None,
            task: "binary".to_owned(),
            classes,
            threshold: Some(0.5),
            inputs: Vec::new(),
            ignored: Vec::new(),
            features: Vec::new(),
            model: deployment.bundle.digest,
            transform: deployment.bundle.digest,
            evidence: None,
            metrics: BTreeMap::new(),
            contract: None,
        };
        let fields = vec![
            Field::new("tenure", DataType::Int64, false),
            Field::new("charge", DataType::Float64, true),
            Field::new("contract", DataType::Utf8, true),
        ];
        let columns = RequestColumns::new(Arc::new(Schema::new(fields)), BTreeSet::new());
        Ok(LoadedModel { record, columns, scorer: Box::new(Quarter(self.door.clone())) })
    }
}

/// Says for every row that it belongs to the positive class with a probability of a quarter.
struct Quarter(Option<Arc<Door>>);

impl Scorer for Quarter {
    fn score(&self, rows: &RecordBatch) -> Result<Vec<Prediction>, ScoreError> {
        if let Some(door) = &self.0 {
            door.pass();
        }
        let prediction =
            Prediction::Class { label: "No".to_owned(), probability: 0.25, probabilities: vec![0.75, 0.25] };
        Ok(vec![prediction; rows.num_rows()])
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) retry_after: Option<String>,
}

/// A server that runs until it is stopped.
pub(super) struct Server {
    running: Arc<Running>,
    address: SocketAddr,
    client: reqwest::Client,
    state: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(running: Running) -> Server {
        let state = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = ServeSettings {
            state_folder: state.path().to_owned(),
            poll: Duration::from_millis(5),
            log: LogSettings::default(),
        };
        let guard = Guard::loopback(running.token);
        let running = Arc::new(running);
        let (stop, stopped) = oneshot::channel::<()>();
        let (deployments, models): (Arc<Running>, Arc<Running>) = (Arc::clone(&running), Arc::clone(&running));
        let task = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap() };
            let live = LiveModels::start(settings, deployments, models).await.unwrap();
            let router = live.router(guard);
            api::serve(listener, router, &api::Limits::of_models(), None, stopped).await.unwrap();
            live.stop().await;
        });
        let server = Server { running, address, client: reqwest::Client::new(), state, stop, task };
        // It answers once what was deployed at its start is loaded.
        assert_eq!(server.get("/healthz").await.status, 200);
        server
    }

    pub(super) fn deploy(&self, endpoint: &str, version: u64) {
        self.running.set(endpoint, version);
    }

    pub(super) fn break_next_load(&self) {
        self.running.breaks.store(true, Ordering::SeqCst);
    }

    pub(super) fn release(&self) {
        self.running.door.as_ref().unwrap().open();
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        reply(self.client.get(self.url(path))).await
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> Reply {
        self.send(path, body, "application/json").await
    }

    pub(super) async fn send(&self, path: &str, body: &str, content_type: &str) -> Reply {
        reply(self.client.post(self.url(path)).header("content-type", content_type).body(body.to_owned())).await
    }

    /// Asks until the answer is as wanted.
    pub(super) async fn until(&self, path: &str, is_wanted: impl Fn(&Reply) -> bool) -> Reply {
        loop {
            let reply = self.get(path).await;
            if is_wanted(&reply) {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sends requests until the model holds one, as many wait as the queue takes, and one was refused. Gives all of them.
    pub(super) async fn fill_queue(&self, path: &str, body: &str) -> Vec<JoinHandle<Reply>> {
        let send = || {
            let request = self.client.post(self.url(path)).header("content-type", "application/json");
            tokio::spawn(reply(request.body(body.to_owned())))
        };
        let mut waiting = vec![send()];
        let door = self.running.door.as_ref().unwrap();
        while door.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // The length of the queue is the server's own business: send until a request is refused.
        loop {
            let next = send();
            waiting.push(next);
            if self.get("/health").await.body["refused"].as_u64() != Some(0) {
                return waiting;
            }
        }
    }

    /// Stops the server and gives its state folder.
    pub(super) async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.state
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let header = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    Reply { status, body: serde_json::from_str(&text).unwrap_or(Value::Null), retry_after: header }
}
