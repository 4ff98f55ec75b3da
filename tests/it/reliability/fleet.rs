//! Daemons of one state, started, killed and frozen by a test, and the runs that were submitted to them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::Utc;
use phaseline::control::{By, Decision, DecisionKind, Params, Submission, Version, decide, submit};
use phaseline::engine::{Origin, RunOptions};
use phaseline::id::RunId;
use phaseline::store::{Store, StoreUrl};
use rustix::process::{Pid, Signal, kill_process};

use super::oracle::{Acknowledged, Scene, rows, violations, workers};
use super::workload;
use crate::harness::project::Project;

/// The longest that nothing may go on after everything that stood in its way is gone: no attempt begins or ends.
const PATIENCE: Duration = Duration::from_secs(90);

/// A state with its database, and everything that happened to it.
pub(super) struct Fleet {
    pub(super) project: Project,
    url: StoreUrl,
    pub(super) store: Store,
    pub(super) acknowledged: Vec<Acknowledged>,
    asking: Vec<RunId>,
}

impl Fleet {
    /// A state without daemons, on SQLite or on the database at `url`.
    pub(super) async fn new(url: Option<StoreUrl>) -> Fleet {
        let project = Project::new();
        workload::lay_out(&project);
        let url = url.unwrap_or_else(|| StoreUrl::in_state_folder(&project.path().join(".phaseline")));
        let store = Store::open(&url).await.unwrap();
        Fleet { project, url, store, acknowledged: Vec::new(), asking: Vec::new() }
    }

    /// Opens the database anew, after it was exchanged.
    pub(super) async fn reopen(&mut self) {
        self.store = Store::open(&self.url).await.unwrap();
    }

    pub(super) fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// A command about this state.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command.env("PHASELINE_DATABASE_URL", self.database());
        command
    }

    fn database(&self) -> String {
        match &self.url {
            StoreUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            StoreUrl::Postgres(url) => url.clone(),
        }
    }

    fn fault_log(&self) -> PathBuf {
        self.project.path().join("fired")
    }

    /// Starts a daemon, in which the `fault` waits for its point, if there is one.
    pub(super) fn daemon(&self, fault: Option<&str>, arguments: &[&str]) -> Daemon {
        let log = File::options().create(true).append(true).open(self.project.path().join("daemon.log")).unwrap();
        self.daemon_logging_to(log, fault, arguments)
    }

    /// The same with a log of its own.
    pub(super) fn daemon_logging_to(&self, log: File, fault: Option<&str>, arguments: &[&str]) -> Daemon {
        let mut command =
            self.command(&["daemon", "--pipelines", "pipelines", "--listen", "127.0.0.1:0", "--disk-floor", "0"]);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(log);
        if let Some(fault) = fault {
            fs::remove_file(self.fault_log()).ok();
            command.env("PHASELINE_FAULT", fault).env("PHASELINE_FAULT_LOG", self.fault_log());
        }
        Daemon { child: command.spawn().unwrap() }
    }

    /// What daemons have said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.project.path().join("daemon.log")).unwrap_or_default()
    }

    /// Whether the fault of the daemon that was started last has fired.
    pub(super) fn has_fired(&self) -> bool {
        fs::read_to_string(self.fault_log()).is_ok_and(|text| !text.is_empty())
    }

    /// Submits a run; it counts as acknowledged once that has returned.
    pub(super) async fn submit(&mut self, salt: &str) {
        let run = self.record("work", vec![format!("salt={salt}")]).await.to_string();
        self.acknowledged.push(Acknowledged { run, salt: salt.to_owned() });
    }

    /// Submits a run that waits for somebody's approval.
    pub(super) async fn submit_asking(&mut self) {
        let run = self.record("asking", Vec::new()).await;
        self.asking.push(run);
    }

    /// Approves all runs that wait, and waits until they have ended well.
    pub(super) async fn approve_all(&mut self) {
        for run in std::mem::take(&mut self.asking) {
            let state = format!("select state from lineage_runs where run_id = '{run}'");
            self.until_state(&state, "awaiting_approval").await;
            let decision = Decision {
                kind: DecisionKind::Approve,
                subject: "sign_off".to_owned(),
                reason: "it looks right".to_owned(),
                expires_at: None,
            };
            decide(&self.store, run, decision, &By::local(), Utc::now()).await.unwrap();
            self.until_state(&state, "succeeded").await;
        }
    }

    async fn until_state(&self, query: &str, state: &str) {
        let start = Instant::now();
        while rows(&self.store, query).await[0]["state"] != state {
            assert!(start.elapsed() < PATIENCE, "not {state}: {:?}\n{}", rows(&self.store, query).await, self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn record(&self, pipeline: &str, settings: Vec<String>) -> RunId {
        let manifest = self.project.path().join(format!("pipelines/{pipeline}.yaml"));
        let submission = Submission {
            version: Version::read(&manifest).unwrap(),
            params: Params::Settings(settings, None),
            options: RunOptions::default(),
            origin: Origin::default(),
            idempotency_key: None,
        };
        submit(&self.store, submission, &By::local(), Utc::now()).await.unwrap().run
    }

    /// The acknowledged runs that have not ended.
    pub(super) async fn unfinished(&self) -> BTreeSet<String> {
        let ended: BTreeSet<String> =
            rows(&self.store, "select run_id from lineage_runs where finished_at is not null")
                .await
                .iter()
                .filter_map(|row| row["run_id"].as_str().map(str::to_owned))
                .collect();
        self.acknowledged.iter().map(|it| it.run.clone()).filter(|run| !ended.contains(run)).collect()
    }

    /// Waits until all acknowledged runs have ended, or until `stop` says that it is enough.
    pub(super) async fn until_done(&self, mut stop: impl FnMut() -> bool) {
        let (mut start, mut before) = (Instant::now(), 0);
        loop {
            let unfinished = self.unfinished().await;
            if unfinished.is_empty() || stop() {
                return;
            }
            let now = self.progress().await;
            if now != before {
                (start, before) = (Instant::now(), now);
            }
            assert!(start.elapsed() < PATIENCE, "these runs do not go on: {unfinished:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A number that grows with each attempt that begins or ends.
    async fn progress(&self) -> i64 {
        let counts = rows(&self.store, "select count(*) as begun, count(finished_at) as ended from attempts").await;
        counts[0]["begun"].as_i64().unwrap_or_default() + counts[0]["ended"].as_i64().unwrap_or_default()
    }

    /// Waits until somebody drives the run that was submitted last.
    pub(super) async fn until_begun(&self) {
        let run = &self.acknowledged.last().unwrap().run;
        let begun = format!(
            "select case when started_at is null then 'no' else 'yes' end as state from lineage_runs
            where run_id = '{run}'"
        );
        self.until_state(&begun, "yes").await;
    }

    /// Waits until the workers that a killed daemon left have ended.
    pub(super) async fn until_no_worker(&self) {
        let start = Instant::now();
        while !workers(&self.project.path().join(".phaseline")).is_empty() {
            assert!(start.elapsed() < PATIENCE, "workers do not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a daemon has ended.
    pub(super) async fn until_gone(&self, daemon: &mut Daemon) {
        let start = Instant::now();
        while !daemon.is_gone() {
            assert!(start.elapsed() < PATIENCE, "a daemon does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Everything that is wrong after all runs have ended.
    pub(super) async fn violations(&self) -> Vec<String> {
        let state = self.project.path().join(".phaseline");
        let scene = Scene {
            store: &self.store,
            artifacts: state.join("artifacts"),
            ledger: workload::ledger(&self.project),
            log: self.log(),
            state,
        };
        violations(&scene, &self.acknowledged).await
    }
}

/// A daemon; dropped, it is killed.
pub(super) struct Daemon {
    child: Child,
}

impl Daemon {
    pub(super) fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        kill_process(Pid::from_child(&self.child), signal).ok();
    }

    /// Ends it as a power cut does, but for its workers.
    pub(super) fn kill(mut self) {
        self.child.kill().ok();
        self.child.wait().unwrap();
    }

    pub(super) fn is_gone(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
