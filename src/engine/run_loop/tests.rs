use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::watch;

use crate::engine::testing::{Act, Bench, diamond, name, new_run};
use crate::engine::{Outcome, Run, RunOptions};
use crate::step::Fault;

fn never() -> watch::Receiver<Option<String>> {
    watch::channel(None).1
}

fn states(run: &Run) -> Vec<String> {
    run.steps().map(|(step, record)| format!("{} {}", step.name, record.state().as_str())).collect()
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
