//! What people ask of runs is kept, carried out once and told: on SQLite and on Postgres.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use phaseline::artifact::ArtifactStore;
use phaseline::engine::{
    Control, Driven, Engine, EngineError, EngineSettings, Handled, Happening, Lease, Outcome, Parked, Request,
    RequestKind, Run, RunLog, Subject, Verdict,
};
use phaseline::executor::{Ended, Executor, ExecutorError, Found};
use phaseline::id::{AttemptId, RequestId, RunId};
use phaseline::phase::Phase;
use phaseline::plan::{ApprovalTerms, OnFail, Plan};
use phaseline::store::{Claims, QUARANTINED, Store, StoreUrl};
use phaseline::worker::WorkOrder;
use serde_json::json;
use tokio::sync::watch;

use crate::harness::databases::{on_both_databases, open, promises, write};
use crate::harness::history::{Log, claimed, dawn, gate, new_run, plan, planned, step_name};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_request_is_kept_until_it_is_carried_out() {
    on_both_databases(promises![
        a_request_reads_back_as_asked_until_it_is_handled,
        an_answer_is_kept_with_its_events_or_not_at_all,
        a_decision_without_a_reason_or_about_no_run_is_refused,
        the_last_word_about_each_gate_and_step_is_on_record,
    ]);
}

#[test]
fn a_run_is_taken_when_its_time_comes_or_somebody_asks() {
    on_both_databases(promises![
        a_parked_run_is_left_alone_until_its_time_or_a_request,
        who_lost_the_lease_cannot_park,
        a_rejected_run_goes_on_after_a_waiver_and_an_approval,
        a_run_that_makes_no_sense_is_put_aside_even_after_its_end,
        a_run_that_its_holder_does_not_drive_is_taken_by_it_again_and_by_nobody_else,
    ]);
}

/// A gate that never passes, and behind it an approval.
fn guarded() -> Plan {
    let mut sign_off = planned("sign_off", Phase::DataEngineering, "approval", json!({}));
    sign_off.approval = Some(ApprovalTerms { message: Some("may it go live?".to_owned()), expires: None });
    plan("churn", &[], vec![sign_off], vec![gate("fair", Phase::Understanding, "1 > 2")])
}

async fn submitted(store: &Store) -> RunId {
    let mut run = new_run(RunId::generate(), guarded(), dawn());
    run.options = json!({});
    let id = run.id;
    store.submit(run).await.unwrap();
    id
}

/// The runs that a daemon gets when it looks for work.
async fn taken(store: &Store) -> Vec<RunId> {
    let claims =
        Claims { owner: "alpha:1", host: "alpha", lease_for: HOUR, limit: 10, fresh: 10, above: i64::MIN, except: &[] };
    store.claim_pending(claims).await.unwrap().into_iter().map(|(run, _)| run).collect()
}

async fn append(store: &Store, lease: &Lease, log: &mut Log, happenings: Vec<Happening>) {
    let next = log.next();
    store.append(lease, next, &log.events(happenings)).await.unwrap();
}

fn waiver(run: RunId) -> Request {
    let asked = Request::new(run, RequestKind::Waive, "ada").about("fair", "the sample is small");
    Request { expires_at: Some(dawn() + TimeDelta::days(2)), created_at: dawn(), ..asked }
}

async fn a_request_reads_back_as_asked_until_it_is_handled(url: StoreUrl) {
    let store = open(&url).await;
    let (run, other) = (submitted(&store).await, submitted(&store).await);
    let first = waiver(run);
    let second = Request { created_at: dawn() + TimeDelta::seconds(1), ..Request::new(run, RequestKind::Pause, "bob") };
    let third = Request { created_at: dawn(), ..Request::new(other, RequestKind::Cancel, "eve") };
    for request in [&second, &first, &third] {
        store.ask(request.clone()).await.unwrap();
    }
    // One that is sent again counts once.
    assert_eq!(store.ask(first.clone()).await.unwrap(), first.id);
    assert_eq!(store.requests(&[run]).await.unwrap(), [first.clone(), second.clone()]);
    let both = store.requests(&[run, other]).await.unwrap();
    assert_eq!(both.len(), 3);
    let lease = store.claim(run, "alpha:1", HOUR).await.unwrap();
    assert_eq!(store.outcome_of(first.id).await.unwrap(), None);
    let handled = Handled { request: first.id, outcome: "gate `fair` is waived".to_owned() };
    // What changes nothing is answered without an event.
    store.append_answers(&lease, 1, &[], &[handled]).await.unwrap();
    let again = open(&url).await;
    assert_eq!(again.requests(&[run]).await.unwrap(), [second]);
    assert_eq!(again.outcome_of(first.id).await.unwrap().as_deref(), Some("gate `fair` is waived"));
    let kept = again.request(first.id).await.unwrap().unwrap();
    assert_eq!((kept.kind.as_str(), kept.asked_by.as_str()), ("waive", "ada"));
    assert_eq!(kept.reason.as_deref(), Some("the sample is small"));
    assert!(kept.handled_at.is_some() && kept.expires_at.is_some());
    assert_eq!(again.requests_of(run).await.unwrap().len(), 2);
}

async fn an_answer_is_kept_with_its_events_or_not_at_all(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let pause = Request::new(run, RequestKind::Pause, "ada");
    store.ask(pause.clone()).await.unwrap();
    let old = store.claim(run, "alpha:1", Duration::ZERO).await.unwrap();
    let lease = store.claim(run, "beta:2", HOUR).await.unwrap();
    let mut log = Log::starting(dawn());
    let events = log.events([claimed("beta:2"), Happening::RunPaused { by: "ada".to_owned(), reason: None }]);
    let handled = [Handled { request: pause.id, outcome: "the run is paused".to_owned() }];
    for (lease, next) in [(&old, 1), (&lease, 2)] {
        let refused = store.append_answers(lease, next, &events, &handled).await;
        assert!(matches!(refused, Err(EngineError::LeaseLost { .. })), "{refused:?}");
        assert_eq!(store.outcome_of(pause.id).await.unwrap(), None);
        assert_eq!(store.requests(&[run]).await.unwrap().len(), 1);
        assert!(store.events(run).await.unwrap().is_empty());
    }
    store.append_answers(&lease, 1, &events, &handled).await.unwrap();
    assert_eq!(store.events(run).await.unwrap(), events);
    assert!(store.requests(&[run]).await.unwrap().is_empty());
    // A later word does not replace the first.
    let late = [Handled { request: pause.id, outcome: "something else".to_owned() }];
    store.append_answers(&lease, 3, &[], &late).await.unwrap();
    assert_eq!(store.outcome_of(pause.id).await.unwrap().as_deref(), Some("the run is paused"));
}

async fn a_decision_without_a_reason_or_about_no_run_is_refused(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let check = async |request: Request, expected: &str| {
        let refused = store.ask(request).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    };
    check(Request { reason: Some("  ".to_owned()), ..waiver(run) }, "to waive needs a reason").await;
    check(Request::new(run, RequestKind::Approve, "ada"), "to approve needs the name of a gate or step").await;
    let nobody = RunId::generate();
    check(waiver(nobody), &nobody.to_string()).await;
    assert!(store.requests(&[run, nobody]).await.unwrap().is_empty());
    assert_eq!(store.outcome_of(RequestId::generate()).await.unwrap(), None);
}

async fn the_last_word_about_each_gate_and_step_is_on_record(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let lease = store.claim(run, "alpha:1", HOUR).await.unwrap();
    let mut log = Log::starting(dawn());
    let fair = || Subject::Gate("fair".parse().unwrap());
    let sign_off = || Subject::Step(step_name("sign_off"));
    let ask = |subject| Happening::ApprovalRequested { subject, message: Some("well?".to_owned()), expires_at: None };
    let states = async || -> Vec<(String, String)> {
        let decisions = store.decisions_of(run).await.unwrap();
        decisions.into_iter().map(|decision| (decision.subject, decision.state)).collect()
    };
    let expect =
        |gate: &str, step: &str| vec![("fair".to_owned(), gate.to_owned()), ("sign_off".to_owned(), step.to_owned())];
    let verdict =
        Happening::GateEvaluated { gate: "fair".parse().unwrap(), verdict: Verdict::Failed, evidence: [].into() };
    append(&store, &lease, &mut log, vec![claimed("alpha:1"), verdict, ask(fair()), ask(sign_off())]).await;
    assert_eq!(states().await, expect("awaited", "awaited"));
    let detail = store.run_detail(run).await.unwrap();
    assert_eq!(detail.steps[0].state, "awaiting_approval");
    let (by, reason) = (|| "ada".to_owned(), || "fine".to_owned());
    let until = Some(dawn() + TimeDelta::days(1));
    let given = Happening::ApprovalGiven { subject: fair(), by: by(), reason: reason(), until };
    let refused = Happening::ApprovalRefused { subject: sign_off(), by: by(), reason: reason() };
    append(&store, &lease, &mut log, vec![given, refused, Happening::RunFinished { outcome: Outcome::Rejected }]).await;
    assert_eq!(states().await, expect("approved", "refused"));
    let decision = store.decisions_of(run).await.unwrap().remove(0);
    assert_eq!((decision.decided_by, decision.reason), (Some(by()), Some(reason())));
    assert_eq!(decision.message.as_deref(), Some("well?"));
    assert!(decision.expires_at.unwrap().starts_with("2026-03-03"));
    // What still counts stays when the run goes on, and what was refused is asked again.
    append(&store, &lease, &mut log, vec![Happening::RunResumed { by: by() }]).await;
    assert_eq!(states().await, [("fair".to_owned(), "approved".to_owned())]);
    assert_eq!(store.run_detail(run).await.unwrap().steps[0].state, "waiting");
    append(&store, &lease, &mut log, vec![ask(sign_off()), Happening::CancelRequested { by: by() }]).await;
    let cancelled = Happening::StepCancelled { step: step_name("sign_off") };
    append(&store, &lease, &mut log, vec![cancelled, Happening::RunFinished { outcome: Outcome::Cancelled }]).await;
    assert_eq!(states().await, expect("approved", "withdrawn"));
}

async fn a_parked_run_is_left_alone_until_its_time_or_a_request(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let park = async |until| {
        assert_eq!(taken(&store).await, [run]);
        let lease = store.claim(run, "alpha:1", HOUR).await.unwrap();
        let parked = Parked { state: "awaiting_approval", because: "waits for approval of gate `fair`".into(), until };
        store.park(&lease, &parked).await.unwrap();
    };
    park(None).await;
    let summary = store.run_summary(run).await.unwrap();
    assert_eq!(summary.state, "awaiting_approval");
    assert_eq!(summary.parked.as_deref(), Some("waits for approval of gate `fair`"));
    assert!(taken(&store).await.is_empty());
    store.ask(waiver(run)).await.unwrap();
    park(Some(Utc::now() + TimeDelta::hours(1))).await;
    let request = store.requests(&[run]).await.unwrap().remove(0).id;
    // Nobody has handled the request, so it is taken again at once.
    assert_eq!(taken(&store).await, [run]);
    let lease = store.claim(run, "alpha:1", HOUR).await.unwrap();
    let handled = [Handled { request, outcome: "done".to_owned() }];
    store.append_answers(&lease, 1, &[], &handled).await.unwrap();
    store.release(&lease).await.unwrap();
    assert!(taken(&store).await.is_empty(), "its time has not come");
    store.ask(Request::new(run, RequestKind::Pause, "ada")).await.unwrap();
    let request = store.requests(&[run]).await.unwrap().remove(0).id;
    park(Some(Utc::now() - TimeDelta::seconds(1))).await;
    let lease = store.claim(run, "alpha:1", HOUR).await.unwrap();
    let handled = [Handled { request, outcome: "done".to_owned() }];
    store.append_answers(&lease, 1, &[], &handled).await.unwrap();
    store.release(&lease).await.unwrap();
    assert_eq!(taken(&store).await, [run], "its time has come");
}

async fn who_lost_the_lease_cannot_park(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let old = store.claim(run, "alpha:1", Duration::ZERO).await.unwrap();
    let new = store.claim(run, "beta:2", HOUR).await.unwrap();
    let parked = Parked { state: "paused", because: "paused by ada".into(), until: None };
    assert!(matches!(store.park(&old, &parked).await, Err(EngineError::LeaseLost { .. })));
    assert_eq!(store.run_summary(run).await.unwrap().parked, None);
    store.park(&new, &parked).await.unwrap();
    assert_eq!(store.run_summary(run).await.unwrap().state, "paused");
}

/// Nothing of these plans is ever executed.
struct Nobody;

#[async_trait]
impl Executor for Nobody {
    async fn submit(&self, order: &WorkOrder) -> Result<(), ExecutorError> {
        panic!("{} is started", order.step)
    }

    async fn wait(&self, _run: RunId, attempt: AttemptId) -> Result<Ended, ExecutorError> {
        panic!("{attempt} is waited for")
    }

    async fn find(&self, _run: RunId, _attempt: AttemptId) -> Result<Found, ExecutorError> {
        Ok(Found::NeverStarted)
    }

    async fn cancel(&self, _run: RunId, attempt: AttemptId, _grace: Duration) -> Result<(), ExecutorError> {
        panic!("{attempt} is cancelled")
    }
}

/// Takes the run, which must be the only one to be had, and drives it, as daemons do.
async fn driven(store: &Store, run: RunId) -> Driven {
    assert_eq!(taken(store).await, [run]);
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path().join("artifacts")).unwrap();
    let settings = EngineSettings::new("alpha:1", folder.path(), "artifacts");
    let log = Arc::new(store.clone());
    let engine = Engine::new(log.clone(), log.clone(), log, Arc::new(Nobody), artifacts, settings);
    let control = Control::cancelled_by(watch::channel(None).1);
    let driven = engine.drive(run, "alpha:1", control).await.unwrap();
    assert!(taken(store).await.is_empty(), "the run is taken again");
    // What was driven is what the log says, to the last digit.
    if let Driven::Ended(known) | Driven::Parked { run: known, .. } = &driven {
        let stored = store.run(run).await.unwrap();
        assert_eq!(Run::load(stored, &store.events(run).await.unwrap()).unwrap(), **known);
    }
    driven
}

async fn a_rejected_run_goes_on_after_a_waiver_and_an_approval(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let Driven::Ended(rejected) = driven(&store, run).await else { panic!("it has not ended") };
    assert_eq!(rejected.outcome(), Some(Outcome::Rejected));
    assert_eq!(store.run_summary(run).await.unwrap().state, "rejected");
    let waive = Request { expires_at: None, ..waiver(run) };
    store.ask(waive.clone()).await.unwrap();
    let Driven::Parked { run: parked, .. } = driven(&store, run).await else { panic!("nobody is asked") };
    assert_eq!(parked.outcome(), None);
    let outcome = store.outcome_of(waive.id).await.unwrap().unwrap();
    assert_eq!(outcome, "gate `fair` is waived, and the run goes on");
    let summary = store.run_summary(run).await.unwrap();
    assert_eq!((summary.state.as_str(), summary.finished_at), ("awaiting_approval", None));
    store.ask(Request::new(run, RequestKind::Reject, "bob").about("sign_off", "not today")).await.unwrap();
    let Driven::Ended(rejected) = driven(&store, run).await else { panic!("it has not ended") };
    assert_eq!(rejected.outcome(), Some(Outcome::Rejected));
    // The waiver still counts, and the question is asked again.
    store.ask(Request::new(run, RequestKind::Resume, "bob")).await.unwrap();
    assert!(matches!(driven(&store, run).await, Driven::Parked { .. }));
    store.ask(Request::new(run, RequestKind::Approve, "bob").about("sign_off", "all is well")).await.unwrap();
    let Driven::Ended(run) = driven(&store, run).await else { panic!("it has not ended") };
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    let detail = store.run_detail(run.id()).await.unwrap();
    assert_eq!(detail.summary.state, "succeeded");
    let decided = |subject: &str| detail.approvals.iter().find(|approval| approval.subject == subject).unwrap();
    assert_eq!((decided("fair").state.as_str(), decided("sign_off").state.as_str()), ("waived", "approved"));
    assert_eq!(decided("fair").decided_by.as_deref(), Some("ada"));
    assert_eq!(detail.gates[0].verdict.as_deref(), Some("failed"), "a waiver does not paint the verdict over");
}

async fn a_run_that_makes_no_sense_is_put_aside_even_after_its_end(url: StoreUrl) {
    let store = open(&url).await;
    let mut plan = guarded();
    plan.gates[0].on_fail = OnFail::Warn;
    plan.steps.clear();
    let mut run = new_run(RunId::generate(), plan, dawn());
    run.options = json!({});
    let id = run.id;
    store.submit(run).await.unwrap();
    assert!(matches!(driven(&store, id).await, Driven::Ended(_)));
    write(&url, "update events set event = '{}' where seq = 1").await;
    store.ask(Request::new(id, RequestKind::Resume, "ada")).await.unwrap();
    assert_eq!(taken(&store).await, [id]);
    store.quarantine(id, "alpha:1", "corrupt: its event 1 cannot be read").await.unwrap();
    assert!(taken(&store).await.is_empty(), "it would fail for ever");
    let summary = store.run_summary(id).await.unwrap();
    assert_eq!(summary.state, "succeeded");
    assert!(summary.parked.unwrap().starts_with(QUARANTINED));
    assert_eq!(store.end_quarantine().await.unwrap(), 1);
    assert_eq!(taken(&store).await, [id]);
}

async fn a_run_that_its_holder_does_not_drive_is_taken_by_it_again_and_by_nobody_else(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let driven = [run];
    let claims =
        |owner, except| Claims { owner, host: "alpha", lease_for: HOUR, limit: 10, fresh: 10, above: 0, except };
    assert_eq!(store.claim_pending(claims("alpha:1", &[])).await.unwrap(), [(run, 0)]);
    assert_eq!(store.claim_pending(claims("alpha:2", &[])).await.unwrap(), []);
    assert_eq!(store.claim_pending(claims("alpha:1", &driven)).await.unwrap(), [], "it drives it");
    // As after a full disk: the lease could not be given back.
    assert_eq!(store.claim_pending(claims("alpha:1", &[])).await.unwrap(), [(run, 0)]);
}
