//! Whole runs on the engine with doubles around it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::testing::{Act, Bench, at, diamond, name, new_run, plan, states, step};
use crate::engine::{Happening, Outcome, Run, RunEvent, RunLog, RunOptions, SkipReason};
use crate::phase::Phase;
use crate::plan::CachePolicy;
use crate::step::Fault;

fn never() -> watch::Receiver<Option<String>> {
    watch::channel(None).1
}

#[tokio::test]
async fn a_second_run_reuses_everything_and_starts_nothing() {
    let bench = Bench::new(|_| Act::Make("table", 3.0));
    let first = bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()).await.unwrap();
    assert_eq!(first.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "left", "right", "join"]);
    let second = bench.engine.start(new_run(diamond(), 2, &RunOptions::default()), never()).await.unwrap();
    assert_eq!(second.outcome(), Some(Outcome::Succeeded));
    assert_eq!(states(&second), ["load reused", "left reused", "right reused", "join reused"]);
    assert_eq!(bench.executor.started().len(), 4);
}

#[tokio::test]
async fn a_rejected_gate_stops_what_is_behind_it_and_is_not_retried() {
    let bench = Bench::new(|_| Act::Make("table", 0.0));
    let run = bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Rejected));
    assert_eq!(states(&run), ["load succeeded", "left succeeded", "right succeeded", "join skipped"]);
}

#[tokio::test]
async fn a_failure_of_the_environment_is_tried_again_and_one_of_the_input_is_not() {
    let failures = AtomicU32::new(0);
    let bench = Bench::new(move |order| match order.step.as_str() {
        "left" if failures.fetch_add(1, Ordering::Relaxed) == 0 => Act::Fail(Fault::Environment, "io"),
        "right" => Act::Fail(Fault::Input, "column_missing"),
        _ => Act::Make("table", 1.0),
    });
    let mut plan = diamond();
    for step in plan.steps.values_mut() {
        step.retry.attempts = 3;
    }
    let run = bench.engine.start(new_run(plan, 1, &RunOptions::default()), never()).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Failed));
    assert_eq!(states(&run), ["load succeeded", "left succeeded", "right failed", "join skipped"]);
    assert_eq!(run.step(&name("left")).unwrap().attempts(), 2);
    assert_eq!(run.step(&name("right")).unwrap().attempts(), 1);
}

#[tokio::test]
async fn a_step_that_only_waits_for_an_earlier_phase_is_not_said_to_need_what_failed_there() {
    let bench = Bench::new(|order| match order.step.as_str() {
        "extra" => Act::Fail(Fault::Input, "column_missing"),
        _ => Act::Make("table", 1.0),
    });
    let steps = vec![
        step("load", Phase::Understanding, &[]),
        step("extra", Phase::Understanding, &[]),
        step("clean", Phase::Understanding, &["extra"]),
        step("train", Phase::ModelEngineering, &["load"]),
        step("compare", Phase::ModelEngineering, &["train", "extra"]),
    ];
    let run = bench.engine.start(new_run(plan(steps, vec![]), 1, &RunOptions::default()), never()).await.unwrap();
    let because = |step: &str| run.step(&name(step)).unwrap().skipped_because().unwrap().to_string();
    assert_eq!(because("clean"), "step `extra` gave no result");
    assert_eq!(because("train"), "step `extra` of an earlier phase gave no result, so its phase does not begin");
    assert_eq!(because("compare"), "step `extra` gave no result");
    // The log of an older version names both in the same way.
    let mut events = bench.log.events(run.id()).await.unwrap();
    for event in &mut events {
        if let Happening::StepSkipped { because, .. } = &mut event.what {
            *because = SkipReason::Upstream(name("extra"));
        }
    }
    let stored = bench.log.run(run.id()).await.unwrap();
    assert_eq!(states(&Run::load(stored, &events).unwrap()), states(&run));
}

#[tokio::test]
async fn a_lost_worker_uses_up_no_attempt_but_five_in_a_row_fail_the_step() {
    let losses = AtomicU32::new(0);
    let bench = Bench::new(move |order| match order.step.as_str() {
        "left" if losses.fetch_add(1, Ordering::Relaxed) < 2 => Act::Vanish,
        "right" => Act::Vanish,
        _ => Act::Make("table", 1.0),
    });
    let run = bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()).await.unwrap();
    assert_eq!(states(&run), ["load succeeded", "left succeeded", "right failed", "join skipped"]);
    assert_eq!(run.step(&name("right")).unwrap().attempts(), 5);
    assert_eq!(run.step(&name("right")).unwrap().failure().unwrap().code, "worker_lost");
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_ended() {
    let bench = Bench::new(|order| if order.step.as_str() == "left" { Act::Hang } else { Act::Make("table", 1.0) });
    let mut plan = diamond();
    plan.steps[1].timeout = Some(Duration::from_millis(5));
    let run = bench.engine.start(new_run(plan, 1, &RunOptions::default()), never()).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Failed));
    assert_eq!(run.step(&name("left")).unwrap().failure().unwrap().code, "timeout");
}

#[tokio::test]
async fn a_cancelled_run_goes_on_when_it_is_resumed() {
    let hangs = Arc::new(AtomicBool::new(true));
    let (ask, asked) = watch::channel(None);
    let bench = Bench::new({
        let hangs = Arc::clone(&hangs);
        move |order| {
            if order.step.as_str() == "left" && hangs.load(Ordering::Relaxed) {
                ask.send_replace(Some("ctrl-c".to_owned()));
                Act::Hang
            } else {
                Act::Make("table", 1.0)
            }
        }
    });
    let run = bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), asked).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Cancelled));
    // Whether the other side had begun by then is a matter of time.
    let [load, left, right, join] = &states(&run)[..] else { panic!("a diamond has four steps") };
    assert_eq!([load.as_str(), left, join], ["load succeeded", "left cancelled", "join waiting"]);
    assert!(["right succeeded", "right cancelled", "right waiting"].contains(&right.as_str()), "{right}");
    hangs.store(false, Ordering::Relaxed);
    let resumed = bench.restarted("two").resume(run.id(), "test", never()).await.unwrap();
    assert_eq!(resumed.outcome(), Some(Outcome::Succeeded));
    let started = bench.executor.started();
    let times = |step: &str| started.iter().filter(|name| *name == step).count();
    assert_eq!([times("load"), times("left"), times("join")], [1, 2, 1], "{started:?}");
    let right = if right == "right cancelled" { 1..=2 } else { 1..=1 };
    assert!(right.contains(&times("right")), "{started:?}");
}

#[tokio::test]
async fn a_damaged_artifact_is_made_again_and_the_run_goes_on() {
    let bench = Bench::new(|order| {
        let damaged = order.step.as_str() == "join" && order.number == 1;
        if damaged { Act::Damage } else { Act::Make("table", 1.0) }
    });
    let run = bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "left", "right", "join", "left", "right", "join"]);
}

#[tokio::test]
async fn a_result_whose_artifact_is_gone_is_not_reused() {
    let bench =
        Bench::new(
            |order| if order.step.as_str() == "left" { Act::Make("left", 1.0) } else { Act::Make("table", 1.0) },
        );
    bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()).await.unwrap();
    bench.destroy("left");
    let run = bench.engine.start(new_run(diamond(), 2, &RunOptions::default()), never()).await.unwrap();
    // It makes the same bytes again, so what is after it is as before.
    assert_eq!(states(&run), ["load reused", "left succeeded", "right reused", "join reused"]);
    assert!(run.step(&name("left")).unwrap().why().unwrap().contains("cannot be reused"));
}

#[tokio::test]
async fn only_reuses_what_it_needs_and_refuses_to_run_it() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let only = RunOptions { only: vec![name("right")], ..RunOptions::default() };
    let refused = bench.engine.start(new_run(diamond(), 1, &only), never()).await.unwrap_err();
    assert!(refused.to_string().contains("step `load` is needed"), "{refused}");
    bench.engine.start(new_run(diamond(), 2, &RunOptions::default()), never()).await.unwrap();
    let run = bench.engine.start(new_run(diamond(), 3, &only), never()).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    assert_eq!(states(&run), ["load reused", "left skipped", "right reused", "join skipped"]);
}

#[tokio::test]
async fn from_runs_a_step_and_all_after_it_anew_and_refresh_only_the_step() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()).await.unwrap();
    let from = RunOptions { from: vec![name("left")], ..RunOptions::default() };
    let run = bench.engine.start(new_run(diamond(), 2, &from), never()).await.unwrap();
    assert_eq!(states(&run), ["load reused", "left succeeded", "right reused", "join succeeded"]);
    let refresh = RunOptions { refresh: vec![name("left")], ..RunOptions::default() };
    let run = bench.engine.start(new_run(diamond(), 3, &refresh), never()).await.unwrap();
    assert_eq!(states(&run), ["load reused", "left succeeded", "right reused", "join reused"]);
    let unknown = RunOptions { refresh: vec![name("lefd")], ..RunOptions::default() };
    let refused = bench.engine.start(new_run(diamond(), 4, &unknown), never()).await.unwrap_err();
    assert!(refused.to_string().contains("did you mean `left`"), "{refused}");
}

#[tokio::test]
async fn a_step_goes_on_from_its_last_run_that_succeeded() {
    let fails = Arc::new(AtomicBool::new(true));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (failing, orders) = (Arc::clone(&fails), Arc::clone(&seen));
    let bench = Bench::new(move |order| {
        if order.step.as_str() == "load" {
            orders.lock().unwrap().push(order.inputs.keys().map(ToString::to_string).collect::<Vec<_>>());
            return Act::Make("position", 1.0);
        }
        if failing.load(Ordering::SeqCst) { Act::Fail(Fault::Input, "no") } else { Act::Make("model", 1.0) }
    });
    let mut load = step("load", Phase::Understanding, &[]);
    load.former = vec!["out".parse().unwrap()];
    load.unknowns = vec!["a database".to_owned()];
    let mut train = step("train", Phase::ModelEngineering, &["load"]);
    train.cache = CachePolicy::Off;
    let plan = plan(vec![load, train], vec![]);
    let start = |number, options: &RunOptions| bench.engine.start(new_run(plan.clone(), number, options), never());
    let usual = RunOptions::default();
    assert_eq!(start(1, &usual).await.unwrap().outcome(), Some(Outcome::Failed));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(start(2, &usual).await.unwrap().outcome(), Some(Outcome::Succeeded));
    assert_eq!(start(3, &usual).await.unwrap().outcome(), Some(Outcome::Succeeded));
    let anew = RunOptions { refresh: vec![name("load")], ..RunOptions::default() };
    assert_eq!(start(4, &anew).await.unwrap().outcome(), Some(Outcome::Succeeded));
    // A run that failed leaves nothing to go on from, and what is refreshed begins at the beginning.
    let former = vec!["former_out".to_owned()];
    assert_eq!(*seen.lock().unwrap(), [vec![], vec![], former, vec![]]);
}

#[tokio::test]
async fn two_runs_that_need_the_same_result_at_once_make_it_once() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let other = bench.restarted("two");
    let (one, two) = tokio::join!(
        bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()),
        other.start(new_run(diamond(), 2, &RunOptions::default()), never()),
    );
    assert_eq!(one.unwrap().outcome(), Some(Outcome::Succeeded));
    assert_eq!(two.unwrap().outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started().len(), 4);
}

#[tokio::test]
async fn a_driver_that_dies_leaves_a_run_whose_attempts_another_adopts() {
    let bench = Bench::new(|order| if order.step.as_str() == "left" { Act::Hang } else { Act::Make("table", 1.0) });
    let id = new_run(diamond(), 1, &RunOptions::default()).id;
    let mut started = bench.engine.subscribe();
    let dies = async {
        // Dropping the driver is what a crash looks like from outside.
        while !matches!(&started.recv().await.unwrap().what, Happening::AttemptSucceeded { step, .. } if step.as_str() == "right")
        {
        }
    };
    tokio::select! {
        ended = bench.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()) => panic!("{ended:?}"),
        () = dies => {}
    }
    bench.log.expire(id);
    bench.executor.end_hanging("table");
    let run = bench.restarted("two").resume(id, "test", never()).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "left", "right", "join"]);
}

#[tokio::test]
async fn a_log_that_is_cut_anywhere_is_driven_to_the_same_end_without_a_second_start() {
    let whole = Bench::new(|_| Act::Make("table", 1.0));
    let run = whole.engine.start(new_run(diamond(), 1, &RunOptions::default()), never()).await.unwrap();
    let events = whole.log.events(run.id()).await.unwrap();
    for cut in 0..events.len() {
        let bench = Bench::new(|_| Act::Make("table", 1.0));
        let lease =
            bench.log.create(new_run(diamond(), 1, &RunOptions::default()), "dead", Duration::ZERO).await.unwrap();
        bench.log.append(&lease, 1, &events[..cut]).await.unwrap();
        bench.log.expire(run.id());
        bench.executor.make("table");
        let resumed = bench.restarted("two").resume(run.id(), "test", never()).await.unwrap();
        assert_eq!(resumed.outcome(), Some(Outcome::Succeeded), "cut at {cut}");
    }
}

#[tokio::test]
async fn a_driver_that_dies_while_it_cancels_leaves_a_run_that_can_be_resumed() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let new = new_run(diamond(), 1, &RunOptions::default());
    let id = new.id;
    let lease = bench.log.create(new, "dead", Duration::ZERO).await.unwrap();
    let cancelled = Happening::CancelRequested { by: "ctrl-c".to_owned() };
    bench.log.append(&lease, 1, &[RunEvent { seq: 1, at: at(0), what: cancelled }]).await.unwrap();
    bench.log.expire(id);
    let run = bench.restarted("two").resume(id, "test", never()).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "left", "right", "join"]);
}
