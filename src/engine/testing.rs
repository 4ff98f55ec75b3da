//! Small plans and an executor without processes, for tests of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Control, Driven, Engine, EngineSettings, MemoryLog, NewRun, Origin, Run, RunLog, RunOptions};
use crate::artifact::{ArtifactKind, ArtifactRef, ArtifactStore, Digest};
use crate::executor::{Ended, Executor, ExecutorError, Found};
use crate::id::{AttemptId, RunId, StepName};
use crate::phase::Phase;
use crate::plan::{
    ApprovalTerms, Binding, CachePolicy, Gate, OnFail, Plan, PlannedStep, Record, Resources, RetryPolicy, Severity,
};
use crate::step::{Fault, Metric, StepOutcome};
use crate::worker::{Failure, Report, ReportedEnd, WorkOrder};

pub(crate) fn name(text: &str) -> StepName {
    text.parse().unwrap()
}

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

/// A step with one output `out`, which takes the output of each step in `from`.
pub(crate) fn step(step: &str, phase: Phase, from: &[&str]) -> PlannedStep {
    let bindings = from.iter().map(|from| Binding { step: name(from), output: "out".parse().unwrap() }).collect();
    let inputs = if from.is_empty() { BTreeMap::new() } else { BTreeMap::from([("table".parse().unwrap(), bindings)]) };
    PlannedStep {
        name: name(step),
        phase,
        kind: "test.step".to_owned(),
        kind_version: 1,
        is_external: false,
        params: json!({"name": step}),
        inputs,
        outputs: IndexMap::from([("out".parse().unwrap(), ArtifactKind::Report)]),
        carries: BTreeMap::new(),
        former: Vec::new(),
        needs: BTreeSet::new(),
        when: None,
        files: Vec::new(),
        unknowns: Vec::new(),
        cache: CachePolicy::Reuse,
        seed: 7,
        env: BTreeMap::new(),
        secrets: Vec::new(),
        retry: RetryPolicy {
            initial: Duration::from_millis(1),
            max: Duration::from_millis(4),
            ..RetryPolicy::default()
        },
        timeout: None,
        queue_timeout: None,
        total_timeout: None,
        approval: None,
        resources: Resources::default(),
        pool: None,
        pool_slots: 1,
    }
}

pub(crate) fn gate(gate: &str, phase: Phase, check: &str, on_fail: OnFail) -> Gate {
    Gate {
        name: gate.parse().unwrap(),
        phase,
        check: check.to_owned(),
        severity: Severity::High,
        mitigates: Vec::new(),
        on_fail,
        terms: ApprovalTerms::default(),
    }
}

pub(crate) fn plan(steps: Vec<PlannedStep>, gates: Vec<Gate>) -> Plan {
    Plan {
        pipeline: "test".parse().unwrap(),
        manifest_digest: Digest::of("test"),
        base_folder: "/tmp".into(),
        params: BTreeMap::new(),
        steps: steps.into_iter().map(|step| (step.name.clone(), step)).collect(),
        gates: gates.into_iter().map(|gate| (gate.name.clone(), gate)).collect(),
        priority: 0,
        phase_retries: BTreeMap::new(),
        record: Record::default(),
    }
}

/// Two phases: `load`, then `left` and `right`, then `join` behind the gate `good`.
pub(crate) fn diamond() -> Plan {
    use Phase::{DataEngineering, Understanding};
    plan(
        vec![
            step("load", Understanding, &[]),
            step("left", Understanding, &["load"]),
            step("right", Understanding, &["load"]),
            step("join", DataEngineering, &["left", "right"]),
        ],
        vec![gate("good", Understanding, "steps.left.metrics.rows > 0", OnFail::Stop)],
    )
}

/// What an attempt does.
pub(crate) enum Act {
    /// Make the output with this content, and report this as the metric `rows`.
    Make(&'static str, f64),
    /// Fail like this.
    Fail(Fault, &'static str),
    /// Vanish without a report.
    Vanish,
    /// Go on until it is cancelled.
    Hang,
    /// Damage the first input, and fail because of it.
    Damage,
}

type Script = Box<dyn Fn(&WorkOrder) -> Act + Send + Sync>;

/// An executor that follows a script and starts nothing.
pub(crate) struct Scripted {
    store: ArtifactStore,
    script: Script,
    pub(crate) orders: Mutex<Vec<WorkOrder>>,
    ends: Mutex<BTreeMap<AttemptId, watch::Sender<Option<Ended>>>>,
    /// How long attempts are said to have run when somebody looks for them.
    pub(crate) age: Mutex<Option<Duration>>,
}

impl Scripted {
    /// What was started, in order.
    pub(crate) fn started(&self) -> Vec<String> {
        self.orders.lock().unwrap().iter().map(|order| order.step.to_string()).collect()
    }

    /// Lets the attempts that hang make their output.
    pub(crate) fn end_hanging(&self, content: &str) {
        let outputs = BTreeMap::from([("out".parse().unwrap(), self.make(content))]);
        for (attempt, end) in &*self.ends.lock().unwrap() {
            let outcome = StepOutcome {
                outputs: outputs.clone(),
                metrics: vec![Metric::new("rows", 1.0)],
                ..StepOutcome::default()
            };
            if end.borrow().is_none() {
                let end_report = ReportedEnd::Succeeded(outcome);
                let report = Report { attempt: *attempt, end: end_report, seconds: 0.5, peak_memory_bytes: 1 };
                end.send_replace(Some(Ended::Reported(Box::new(report))));
            }
        }
    }

    /// Puts an artifact into the store.
    pub(crate) fn make(&self, content: &str) -> ArtifactRef {
        self.store.put(ArtifactKind::Report, content.as_bytes()).unwrap()
    }

    fn end(&self, order: &WorkOrder) -> Option<Ended> {
        let end = match (self.script)(order) {
            Act::Make(content, rows) => {
                let artifact = self.store.put(ArtifactKind::Report, content.as_bytes()).unwrap();
                ReportedEnd::Succeeded(StepOutcome {
                    outputs: BTreeMap::from([("out".parse().unwrap(), artifact)]),
                    metrics: vec![Metric::new("rows", rows)],
                    ..StepOutcome::default()
                })
            }
            Act::Fail(fault, code) => {
                ReportedEnd::Failed(Failure { fault, code: code.to_owned(), message: "no".to_owned(), help: None })
            }
            Act::Damage => {
                let artifact = &order.inputs.values().next().unwrap()[0].artifact;
                destroy(&self.store, artifact);
                let (code, message) = ("artifact_missing".to_owned(), "gone".to_owned());
                ReportedEnd::Failed(Failure { fault: Fault::Environment, code, message, help: None })
            }
            Act::Vanish => return Some(Ended::Vanished { why: "killed".to_owned() }),
            Act::Hang => return None,
        };
        let report = Report { attempt: order.attempt, end, seconds: 0.5, peak_memory_bytes: 1 };
        Some(Ended::Reported(Box::new(report)))
    }
}

#[async_trait]
impl Executor for Scripted {
    async fn submit(&self, order: &WorkOrder) -> Result<(), ExecutorError> {
        let ended = self.end(order);
        self.orders.lock().unwrap().push(order.clone());
        let earlier = self.ends.lock().unwrap().insert(order.attempt, watch::channel(ended).0);
        assert!(earlier.is_none(), "attempt {} is started twice", order.attempt);
        Ok(())
    }

    async fn wait(&self, _run: RunId, attempt: AttemptId) -> Result<Ended, ExecutorError> {
        let mut end = self.ends.lock().unwrap()[&attempt].subscribe();
        let ended = end.wait_for(Option::is_some).await.unwrap().clone();
        Ok(ended.unwrap())
    }

    async fn find(&self, _run: RunId, attempt: AttemptId) -> Result<Found, ExecutorError> {
        Ok(match self.ends.lock().unwrap().get(&attempt) {
            None => Found::NeverStarted,
            Some(end) => {
                let age = *self.age.lock().unwrap();
                end.borrow().clone().map_or(Found::Running { age }, Found::Ended)
            }
        })
    }

    async fn cancel(&self, _run: RunId, attempt: AttemptId, _grace: Duration) -> Result<(), ExecutorError> {
        self.ends.lock().unwrap()[&attempt].send_replace(Some(Ended::Vanished { why: "signal 15".to_owned() }));
        Ok(())
    }
}

/// An engine on doubles, with a folder for artifacts.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) executor: Arc<Scripted>,
    pub(crate) store: ArtifactStore,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new(script: impl Fn(&WorkOrder) -> Act + Send + Sync + 'static) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path().join("artifacts")).unwrap();
        let executor = Arc::new(Scripted {
            store: store.clone(),
            script: Box::new(script),
            orders: Mutex::default(),
            ends: Mutex::default(),
            age: Mutex::default(),
        });
        Bench::around(executor, Arc::new(MemoryLog::new()), store, folder)
    }

    fn around(executor: Arc<Scripted>, log: Arc<MemoryLog>, store: ArtifactStore, folder: tempfile::TempDir) -> Bench {
        let engine = engine("one", &executor, &log, &store, folder.path());
        Bench { engine, log, executor, store, folder }
    }

    /// Deletes the artifact with this content.
    pub(crate) fn destroy(&self, content: &str) {
        destroy(&self.store, &self.executor.make(content));
    }

    /// Another engine on the same parts, as after a restart.
    pub(crate) fn restarted(&self, owner: &str) -> Engine {
        engine(owner, &self.executor, &self.log, &self.store, self.folder.path())
    }
}

fn destroy(store: &ArtifactStore, artifact: &ArtifactRef) {
    std::fs::remove_file(store.path(artifact).unwrap()).unwrap();
}

fn engine(owner: &str, executor: &Arc<Scripted>, log: &Arc<MemoryLog>, store: &ArtifactStore, folder: &Path) -> Engine {
    let mut settings = EngineSettings::new(owner, folder, store.root().to_string_lossy());
    settings.limits.cpus = 2;
    settings.grace = Duration::from_millis(10);
    Engine::new(log.clone(), log.clone(), log.clone(), executor.clone(), store.clone(), settings)
}

pub(crate) fn new_run(plan: Plan, number: u128, options: &RunOptions) -> NewRun {
    NewRun {
        id: RunId::from_u128(number),
        plan,
        manifest_text: String::new(),
        manifest_path: "test.yaml".to_owned(),
        created_at: at(0),
        requested_by: "test".to_owned(),
        environment: Value::Null,
        options: options.to_value(),
        origin: Origin::default(),
    }
}

/// Control by nobody.
pub(crate) fn never() -> Control {
    Control::cancelled_by(watch::channel(None).1)
}

/// The id of a new run that any daemon may drive.
pub(crate) async fn submitted(bench: &Bench, number: u128, plan: Plan) -> RunId {
    let new = new_run(plan, number, &RunOptions::default());
    let id = new.id;
    bench.log.submit(new).await.unwrap();
    id
}

/// Drives the run as far as it goes, by an engine of its own, as after a restart.
pub(crate) async fn driven(bench: &Bench, id: RunId) -> Run {
    let run = match bench.restarted("daemon").drive(id, "daemon", never()).await.unwrap() {
        Driven::Ended(run) | Driven::Parked { run, .. } => *run,
        Driven::Detached => panic!("the run was left"),
    };
    // What is in memory is what the log says.
    let events = bench.log.events(id).await.unwrap();
    let stored = bench.log.run(id).await.unwrap();
    assert_eq!(Run::load(stored, &events).unwrap(), run);
    run
}

/// The run, which must have ended.
pub(crate) fn ended(driven: Driven) -> Run {
    let Driven::Ended(run) = driven else { panic!("the run has not ended: {driven:?}") };
    *run
}

/// The steps with where they stand.
pub(crate) fn states(run: &Run) -> Vec<String> {
    run.steps().map(|(step, record)| format!("{} {}", step.name, record.state().as_str())).collect()
}
