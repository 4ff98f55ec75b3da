//! Whole runs that people interfere with: requests, pauses, and daemons that leave.

use std::time::Duration;

use tokio::sync::watch;

use super::testing::{Act, Bench, diamond, ended, name, never, new_run};
use super::{Control, Driven, Happening, Outcome, Request, RequestKind, Run, RunLog, RunOptions};
use crate::id::RunId;

async fn submitted(bench: &Bench) -> RunId {
    let new = new_run(diamond(), 1, &RunOptions::default());
    let id = new.id;
    bench.log.submit(new).await.unwrap();
    id
}

fn parked(driven: Driven) -> Run {
    let Driven::Parked { run, .. } = driven else { panic!("the run is not parked: {driven:?}") };
    *run
}

#[tokio::test]
async fn a_daemon_drives_a_submitted_run_to_its_end() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let id = submitted(&bench).await;
    let run = ended(bench.engine.drive(id, "daemon", never()).await.unwrap());
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    // A run that has ended stays as it is.
    let events = bench.log.events(id).await.unwrap();
    let again = ended(bench.engine.drive(id, "daemon", never()).await.unwrap());
    assert_eq!(again.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.log.events(id).await.unwrap(), events);
}

#[tokio::test]
async fn a_run_is_cancelled_by_a_request_while_it_is_driven_and_goes_on_by_another() {
    let bench = Bench::new(|order| match (order.step.as_str(), order.number) {
        ("left", 1) => Act::Hang,
        _ => Act::Make("table", 1.0),
    });
    let id = submitted(&bench).await;
    let mut events = bench.engine.subscribe();
    let asks = async {
        let is_left =
            |what: &Happening| matches!(what, Happening::AttemptStarted { step, .. } if *step == name("left"));
        while !is_left(&events.recv().await.unwrap().what) {}
        bench.log.ask(Request::new(id, RequestKind::Cancel, "ada"))
    };
    let (driven, cancel) = tokio::join!(bench.engine.drive(id, "daemon", never()), asks);
    assert_eq!(ended(driven.unwrap()).outcome(), Some(Outcome::Cancelled));
    assert_eq!(bench.log.answer(cancel).unwrap(), "the run is being cancelled");
    let resume = bench.log.ask(Request::new(id, RequestKind::Resume, "bob"));
    let late = bench.log.ask(Request::new(id, RequestKind::Resume, "eve"));
    let run = ended(bench.restarted("two").drive(id, "daemon", never()).await.unwrap());
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.log.answer(resume).unwrap(), "the run, which had been cancelled, goes on");
    assert_eq!(bench.log.answer(late).unwrap(), "nothing changed: the run is neither paused nor at its end");
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_and_changes_nothing() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let id = submitted(&bench).await;
    ended(bench.engine.drive(id, "daemon", never()).await.unwrap());
    let events = bench.log.events(id).await.unwrap();
    let cancel = bench.log.ask(Request::new(id, RequestKind::Cancel, "ada"));
    let resume = bench.log.ask(Request::new(id, RequestKind::Resume, "ada"));
    ended(bench.engine.drive(id, "daemon", never()).await.unwrap());
    assert_eq!(bench.log.answer(cancel).unwrap(), "nothing changed: the run has succeeded");
    assert_eq!(bench.log.answer(resume).unwrap(), "nothing changed: the run has succeeded");
    assert_eq!(bench.log.events(id).await.unwrap(), events);
}

#[tokio::test]
async fn a_paused_run_starts_nothing_and_holds_nothing_until_it_is_resumed() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let id = submitted(&bench).await;
    bench.log.ask(Request { reason: Some("maintenance".to_owned()), ..Request::new(id, RequestKind::Pause, "ada") });
    let run = parked(bench.engine.drive(id, "daemon", never()).await.unwrap());
    assert_eq!(run.outcome(), None);
    assert!(bench.executor.started().is_empty());
    let kept = bench.log.parked(id).unwrap();
    assert_eq!((kept.state, kept.because.as_str()), ("paused", "paused by ada because maintenance"));
    let other = bench.restarted("two");
    parked(other.drive(id, "daemon", never()).await.unwrap());
    bench.log.ask(Request::new(id, RequestKind::Resume, "ada"));
    let run = ended(other.drive(id, "daemon", never()).await.unwrap());
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
}

#[tokio::test]
async fn a_daemon_that_detaches_leaves_attempts_that_another_adopts() {
    let bench = Bench::new(|order| if order.step.as_str() == "load" { Act::Hang } else { Act::Make("table", 1.0) });
    let id = submitted(&bench).await;
    let (detach, detached) = watch::channel(false);
    let mut events = bench.engine.subscribe();
    let leaves = async {
        while !matches!(&events.recv().await.unwrap().what, Happening::AttemptStarted { .. }) {}
        detach.send_replace(true);
    };
    let control = Control { detach: detached, ..never() };
    let (driven, ()) = tokio::join!(bench.engine.drive(id, "daemon", control), leaves);
    assert!(matches!(driven.unwrap(), Driven::Detached));
    let other = bench.restarted("two");
    let ends = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        bench.executor.end_hanging("table");
    };
    let (driven, ()) = tokio::join!(other.drive(id, "daemon", never()), ends);
    assert_eq!(ended(driven.unwrap()).outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "left", "right", "join"]);
}
