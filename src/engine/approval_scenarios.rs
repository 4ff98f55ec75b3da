//! Whole runs in which people decide: about gates, about approval steps, and about gates of runs that have ended.

use std::time::Duration;

use chrono::{TimeDelta, Utc};

use super::testing::{Act, Bench, diamond, driven, name, plan, step, submitted};
use super::{GateState, Happening, Outcome, Request, RequestKind, Ruling, Run, RunLog, RunOptions, Verdict};
use crate::id::RunId;
use crate::phase::Phase;
use crate::plan::{ApprovalTerms, OnFail, Plan};

/// The diamond, whose gate asks somebody when there are no rows.
fn asking() -> Plan {
    let mut plan = diamond();
    plan.gates[0].on_fail = OnFail::Approval;
    plan
}

/// Two steps with an approval between them.
fn manual(expires: Option<Duration>) -> Plan {
    let mut approve = step("approve", Phase::Understanding, &[]);
    approve.outputs.clear();
    approve.needs.insert(name("load"));
    approve.approval = Some(ApprovalTerms { message: Some("good?".to_owned()), expires });
    let mut after = step("after", Phase::Understanding, &["load"]);
    after.needs.insert(name("approve"));
    plan(vec![step("load", Phase::Understanding, &[]), approve, after], vec![])
}

fn request(id: RunId, kind: RequestKind, subject: &str) -> Request {
    Request::new(id, kind, "ada").about(subject, "it is fine")
}

fn ruling(run: &Run) -> &Ruling {
    run.gate(&"good".parse().unwrap()).unwrap().ruling().unwrap()
}

#[tokio::test]
async fn a_gate_that_asks_parks_the_run_until_somebody_approves() {
    let bench = Bench::new(|_| Act::Make("table", 0.0));
    let id = submitted(&bench, 1, asking()).await;
    let run = driven(&bench, id).await;
    assert_eq!((run.outcome(), bench.executor.started().len()), (None, 3));
    let parked = bench.log.parked(id).unwrap();
    assert_eq!((parked.state, parked.because.as_str()), ("awaiting_approval", "waits for approval of gate `good`"));
    let asked = bench.log.ask(request(id, RequestKind::Approve, "good"));
    let run = driven(&bench, id).await;
    assert_eq!(bench.log.answer(asked).unwrap(), "gate `good` is approved");
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    // The verdict is not painted over.
    assert_eq!(run.gate(&"good".parse().unwrap()).unwrap().verdict(), Some(Verdict::Failed));
    assert_eq!(ruling(&run).told(), "approved by ada because it is fine");
    let orders = bench.executor.orders.lock().unwrap();
    let record = &orders.iter().find(|order| order.step == name("join")).unwrap().record;
    assert_eq!(record["gates"]["good"]["ruling"], "approved");
}

#[tokio::test]
async fn a_refusal_rejects_the_run_and_a_resume_asks_anew() {
    let bench = Bench::new(|_| Act::Make("table", 0.0));
    let id = submitted(&bench, 1, asking()).await;
    driven(&bench, id).await;
    bench.log.ask(request(id, RequestKind::Reject, "good"));
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Rejected));
    bench.log.ask(Request::new(id, RequestKind::Resume, "ada"));
    let run = driven(&bench, id).await;
    assert_eq!(run.outcome(), None);
    assert!(matches!(ruling(&run), Ruling::Awaited(_)));
}

#[tokio::test]
async fn nobodys_word_in_time_is_a_refusal() {
    let bench = Bench::new(|_| Act::Make("table", 0.0));
    let mut plan = asking();
    plan.gates[0].terms.expires = Some(Duration::from_millis(1));
    let id = submitted(&bench, 1, plan).await;
    let first = driven(&bench, id).await;
    if first.outcome().is_none() {
        assert!(bench.log.parked(id).unwrap().until.is_some());
        while Utc::now() <= bench.log.parked(id).unwrap().until.unwrap() {
            tokio::task::yield_now().await;
        }
    }
    let run = driven(&bench, id).await;
    assert_eq!(run.outcome(), Some(Outcome::Rejected));
    assert!(matches!(ruling(&run), Ruling::Expired(_)));
}

#[tokio::test]
async fn a_waiver_reopens_a_run_that_a_stopping_gate_has_rejected() {
    let bench = Bench::new(|_| Act::Make("table", 0.0));
    let id = submitted(&bench, 1, diamond()).await;
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Rejected));
    let waived = bench.log.ask(request(id, RequestKind::Waive, "good"));
    let run = driven(&bench, id).await;
    assert_eq!(bench.log.answer(waived).unwrap(), "gate `good` is waived, and the run goes on");
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    assert!(matches!(ruling(&run), Ruling::Waived(_)));
    // A rerun is another run: what was waived there says nothing here.
    let again = submitted(&bench, 2, diamond()).await;
    let rerun = driven(&bench, again).await;
    assert_eq!(rerun.outcome(), Some(Outcome::Rejected));
    assert_eq!(rerun.gate(&"good".parse().unwrap()).unwrap().ruling(), None);
}

#[tokio::test]
async fn an_expired_waiver_does_not_count_when_the_gate_is_asked_again() {
    let fails = std::sync::atomic::AtomicBool::new(true);
    let bench = Bench::new(move |order| {
        let is_join = order.step.as_str() == "join";
        if is_join && fails.swap(false, std::sync::atomic::Ordering::Relaxed) {
            Act::Fail(crate::step::Fault::Input, "column_missing")
        } else {
            Act::Make("table", 0.0)
        }
    });
    let id = submitted(&bench, 1, diamond()).await;
    driven(&bench, id).await;
    let soon = Utc::now() + TimeDelta::hours(1);
    bench.log.ask(Request { expires_at: Some(soon), ..request(id, RequestKind::Waive, "good") });
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Failed));
    // The pure core is asked about later times: nobody has to wait for them.
    let events = bench.log.events(id).await.unwrap();
    for (at, expected) in [(soon - TimeDelta::milliseconds(1), false), (soon, true)] {
        let mut run = Run::replay(diamond().into(), id, &RunOptions::default(), &events).unwrap();
        let seq = run.next_seq();
        let what = Happening::RunResumed { by: "ada".to_owned() };
        run.apply(&super::RunEvent { seq, at, what }).unwrap();
        let is_open = *run.gate(&"good".parse().unwrap()).unwrap() == GateState::Open;
        assert_eq!(is_open, expected, "resumed at {at}");
    }
}

#[tokio::test]
async fn an_approval_step_lets_go_on_what_needs_it() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let id = submitted(&bench, 1, manual(None)).await;
    let run = driven(&bench, id).await;
    assert_eq!(run.step(&name("approve")).unwrap().state().as_str(), "awaiting_approval");
    assert_eq!(bench.executor.started(), ["load"]);
    bench.log.ask(request(id, RequestKind::Approve, "approve"));
    let run = driven(&bench, id).await;
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "after"]);
    // It is asked in each run: an approval is never reused.
    let again = submitted(&bench, 2, manual(None)).await;
    assert_eq!(driven(&bench, again).await.outcome(), None);
}

#[tokio::test]
async fn a_refused_approval_step_rejects_the_run() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let id = submitted(&bench, 1, manual(None)).await;
    driven(&bench, id).await;
    bench.log.ask(request(id, RequestKind::Reject, "approve"));
    let run = driven(&bench, id).await;
    assert_eq!(run.outcome(), Some(Outcome::Rejected));
    assert_eq!(run.step(&name("after")).unwrap().state().as_str(), "skipped");
}

#[tokio::test]
async fn a_total_timeout_does_not_count_the_wait_for_an_approval() {
    let bench = Bench::new(|_| Act::Make("table", 0.0));
    let mut plan = asking();
    plan.steps[3].total_timeout = Some(Duration::from_mins(1));
    let id = submitted(&bench, 1, plan.clone()).await;
    let run = driven(&bench, id).await;
    let join = plan.steps.get_index_of(&name("join")).unwrap();
    assert_eq!(run.deadline(join), None, "its time does not run yet");
    bench.log.ask(request(id, RequestKind::Approve, "good"));
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Succeeded));
}

#[tokio::test]
async fn a_run_that_waits_for_approval_can_be_cancelled_and_paused() {
    let bench = Bench::new(|_| Act::Make("table", 0.0));
    let id = submitted(&bench, 1, manual(None)).await;
    driven(&bench, id).await;
    bench.log.ask(Request::new(id, RequestKind::Pause, "ada"));
    driven(&bench, id).await;
    assert_eq!(bench.log.parked(id).unwrap().state, "paused");
    bench.log.ask(request(id, RequestKind::Approve, "approve"));
    driven(&bench, id).await;
    assert_eq!(bench.executor.started(), ["load"], "it is still paused");
    bench.log.ask(Request::new(id, RequestKind::Cancel, "ada"));
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Cancelled));
}

#[tokio::test]
async fn decisions_that_make_no_sense_change_nothing() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let id = submitted(&bench, 1, manual(None)).await;
    driven(&bench, id).await;
    let events = bench.log.events(id).await.unwrap();
    let check = |request: Request, expected: &'static str| {
        let bench = &bench;
        async move {
            let asked = bench.log.ask(request);
            driven(bench, id).await;
            assert_eq!(bench.log.answer(asked).unwrap(), expected);
        }
    };
    check(
        request(id, RequestKind::Approve, "load"),
        "nothing changed: `load` waits for nothing; what waits: step `approve`",
    )
    .await;
    check(
        request(id, RequestKind::Reject, "gone"),
        "nothing changed: `gone` is no gate or step of this run; what waits: step `approve`",
    )
    .await;
    check(request(id, RequestKind::Waive, "approve"), "nothing changed: `approve` is no gate of this run").await;
    let no_reason = Request { reason: Some(" ".to_owned()), ..request(id, RequestKind::Approve, "approve") };
    check(no_reason, "nothing changed: it needs a reason").await;
    let is_claim = |what: &Happening| matches!(what, Happening::RunClaimed { .. });
    let after = bench.log.events(id).await.unwrap();
    assert!(after[events.len()..].iter().all(|event| is_claim(&event.what)));
}

#[tokio::test]
async fn a_log_of_a_version_without_approvals_still_reads() {
    let bench = Bench::new(|_| Act::Make("table", 0.0));
    let id = submitted(&bench, 1, diamond()).await;
    driven(&bench, id).await;
    // There, a gate with `on_fail: approval` rejected the run like one that stops.
    let events = bench.log.events(id).await.unwrap();
    let run = Run::replay(asking().into(), id, &RunOptions::default(), &events).unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Rejected));
}
