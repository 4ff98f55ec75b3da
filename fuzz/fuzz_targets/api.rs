//! Any bytes as the body of any request that has one, through all layers of the API: nothing panics, nothing is the
//! server's fault, and what is refused is refused in the one form of errors.
//!
//! The first byte names the route, the rest is the body.

#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use chrono::Utc;
use libfuzzer_sys::fuzz_target;
use phaseline::api::{AllowedHosts, ApiState, Limits, router};
use phaseline::artifact::{ArtifactKind, ArtifactRef, ArtifactStore, Digest};
use phaseline::control::{By, Params, Submission, Version, submit};
use phaseline::engine::{Origin, RunOptions};
use phaseline::ml::bundle::BundleRecord;
use phaseline::serve::{
    Deployment, Deployments, LiveModels, LoadedModel, LogSettings, ModelSource, Prediction, RequestColumns, ScoreError,
    Scorer, ServeSettings,
};
use phaseline::store::{DeclaredTrigger, KeptManifest, ManifestChanges, NewToken, Rights, Role, Store, StoreUrl};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;

const MANIFEST: &str = r#"version: 1
pipeline: churn
params:
  day: {type: string, default: '2026-01-01'}
  epochs: {type: int, default: 5}
  rate: {type: float, default: 0.5}
  quick: {type: bool, default: false}
triggers:
  hook: {webhook: token, set: {day: "${{ trigger.body.day }}"}}
  often: {every: 15m}
data_engineering:
  steps:
    load: {run: 'true', outputs: {out: file}}
    use: {run: 'true', inputs: {a: load.out}}
    sign_off: {uses: approval, with: {message: May it go on?}}
  gates:
    ok: {check: params.epochs > 1, on_fail: approval}
"#;

/// Everything that takes a body; `{run}` is a run that has not ended.
const ROUTES: [(&str, &str); 24] = [
    ("POST", "/api/v1/pipelines/churn/runs"),
    ("POST", "/api/v1/pipelines/churn/backfills"),
    ("POST", "/api/v1/runs/{run}/rerun"),
    ("POST", "/endpoints/churn/predict"),
    ("POST", "/hooks/churn/hook"),
    ("PUT", "/api/v1/pools/gpu"),
    ("POST", "/api/v1/runs/{run}/gates/ok/approve"),
    ("POST", "/api/v1/runs/{run}/gates/ok/reject"),
    ("POST", "/api/v1/runs/{run}/gates/ok/waive"),
    ("POST", "/api/v1/runs/{run}/steps/sign_off/approve"),
    ("POST", "/api/v1/runs/{run}/steps/sign_off/reject"),
    ("POST", "/api/v1/runs/{run}/cancel"),
    ("POST", "/api/v1/runs/{run}/pause"),
    ("POST", "/api/v1/runs/{run}/resume"),
    ("POST", "/api/v1/pipelines/churn/pause"),
    ("POST", "/api/v1/pipelines/churn/resume"),
    ("POST", "/api/v1/triggers/churn/often/fire"),
    ("POST", "/api/v1/triggers/churn/often/pause"),
    ("POST", "/api/v1/triggers/churn/often/resume"),
    ("POST", "/predict"),
    ("POST", "/api/v1/pipelines/nothing/runs"),
    ("POST", "/api/v1/pipelines/churn/backfills?dry_run=true"),
    ("POST", "/api/v1/backfills/bf_0/cancel"),
    ("POST", "/api/v1/runs/run_0/rerun"),
];

/// After so many requests the server begins anew, so that its database stays small.
const REQUESTS: u32 = 4000;

/// A model that needs three columns.
struct Model;

#[async_trait]
impl Deployments for Model {
    async fn current(&self) -> Result<Vec<Deployment>, Box<dyn std::error::Error + Send + Sync>> {
        let bundle = ArtifactRef { digest: Digest::of("churn"), kind: ArtifactKind::Model, bytes: 1, rows: None };
        let endpoint = "churn".parse().expect("a name");
        Ok(vec![Deployment { endpoint, alias: "champion".to_owned(), version: 1, bundle }])
    }
}

impl ModelSource for Model {
    fn load(&self, deployment: &Deployment) -> Result<LoadedModel, Box<dyn std::error::Error + Send + Sync>> {
        let record = BundleRecord {
            format: 1,
            endpoint: deployment.endpoint.clone(),
            pipeline: None,
            task: "binary".to_owned(),
            classes: vec!["No".to_owned(), "Yes".to_owned()],
            threshold: Some(0.5),
            inputs: Vec::new(),
            ignored: Vec::new(),
            features: Vec::new(),
            model: deployment.bundle.digest,
            transform: deployment.bundle.digest,
            evidence: None,
            metrics: BTreeMap::new(),
        };
        let fields = vec![
            Field::new("tenure", DataType::Int64, false),
            Field::new("charge", DataType::Float64, true),
            Field::new("contract", DataType::Utf8, true),
            Field::new("since", DataType::Date32, true),
            Field::new("active", DataType::Boolean, true),
        ];
        let ignored = BTreeSet::from(["id".to_owned()]);
        let columns = RequestColumns { schema: Arc::new(Schema::new(fields)), ignored };
        Ok(LoadedModel { record, columns, scorer: Box::new(Model) })
    }
}

impl Scorer for Model {
    fn score(&self, rows: &RecordBatch) -> Result<Vec<Prediction>, ScoreError> {
        Ok((0..rows.num_rows())
            .map(|_| Prediction::Class { label: "No".to_owned(), probability: 0.25, probabilities: vec![0.75, 0.25] })
            .collect())
    }
}

/// A server without a socket.
struct Server {
    runtime: Runtime,
    router: Router,
    token: String,
    run: String,
    requests: u32,
    _models: LiveModels,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Server {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().to_owned();
        let (router, token, run, models) = runtime.block_on(async {
            let store = Store::open(&StoreUrl::in_state_folder(&state)).await.expect("a database");
            let artifacts = Arc::new(ArtifactStore::open(state.join("artifacts")).expect("a store"));
            let rights = Rights::Role(Role::Admin);
            let new = NewToken { name: "fuzz".to_owned(), rights, created_by: "fuzz".to_owned(), expires_at: None };
            let (_, secret) = store.create_token(new).await.expect("a token");
            let path = state.join("churn.yaml").display().to_string();
            let kept = KeptManifest {
                pipeline: "churn".parse().expect("a name"),
                path: path.clone(),
                digest: Digest::of(MANIFEST),
                text: MANIFEST.to_owned(),
                description: None,
                owner: None,
            };
            let changes = ManifestChanges { kept: vec![kept], ..ManifestChanges::default() };
            store.record_manifests(&changes, "fuzz").await.expect("it is kept");
            let declared = [("hook", "webhook"), ("often", "every")].map(|(name, kind)| DeclaredTrigger {
                name: name.to_owned(),
                kind,
                definition: json!({}),
            });
            store.keep_triggers("churn", &declared).await.expect("they are kept");
            let submission = Submission {
                version: Version::new(path, MANIFEST.to_owned()),
                params: Params::none(),
                options: RunOptions::default(),
                origin: Origin::default(),
                idempotency_key: None,
            };
            let run = submit(&store, submission, &By::local(), Utc::now()).await.expect("a run").run.to_string();
            let settings =
                ServeSettings { state_folder: state.clone(), poll: Duration::MAX, log: LogSettings::default() };
            let models = LiveModels::start(settings, Arc::new(Model), Arc::new(Model)).await.expect("a model");
            let hosts = AllowedHosts::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 80)), []);
            let (_, stopping) = watch::channel(false);
            let api = ApiState::new(store, artifacts, state, Limits::default(), hosts, stopping);
            (router(api, Some(models.routes())), secret.reveal().to_owned(), run, models)
        });
        Server { runtime, router, token, run, requests: 0, _models: models, _folder: folder }
    }

    fn ask(&mut self, (method, path): (&str, &str), body: &[u8]) {
        self.requests += 1;
        let request = Request::builder()
            .method(method)
            .uri(path.replace("{run}", &self.run))
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token))
            .body(Body::from(body.to_vec()))
            .expect("a request");
        let router = self.router.clone();
        let (status, answer) = self.runtime.block_on(async {
            let answer = router.oneshot(request).await.expect("a router never fails");
            let status = answer.status();
            (status, axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body"))
        });
        let told = String::from_utf8_lossy(&answer);
        assert!(!status.is_server_error(), "{method} {path}: {status}: {told}");
        if status.is_client_error() {
            let error: Value = serde_json::from_slice(&answer).unwrap_or_else(|_| panic!("{method} {path}: {told}"));
            // Live models have a flat form of their own.
            let (code, message) = match &error["error"] {
                flat @ Value::String(_) => (&error["code"], flat),
                envelope => (&envelope["code"], &envelope["message"]),
            };
            for (what, told) in [("code", code), ("message", message)] {
                let is_told = told.as_str().is_some_and(|text| !text.is_empty());
                assert!(is_told, "{method} {path}: {status} without a {what}: {error}");
            }
        }
    }
}

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let Some((route, body)) = bytes.split_first() else { return };
    SERVER.with_borrow_mut(|server| {
        if server.as_ref().is_some_and(|server| server.requests > REQUESTS) {
            *server = None;
        }
        server.get_or_insert_with(Server::start).ask(ROUTES[usize::from(*route) % ROUTES.len()], body);
    });
});
