//! Whole runs in which two features meet: the cache with retries, instances and conditions, pools with the end of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::json;
use tokio::sync::watch;

use super::testing::{Act, Bench, driven, ended, name, never, plan, states, step, submitted};
use super::{Happening, Outcome};
use crate::phase::Phase;
use crate::plan::Plan;
use crate::step::Fault;

/// `load`, an instance of `train` for each key, and `join` of them all.
fn matrix(keys: &[&str]) -> Plan {
    let instances: Vec<String> = keys.iter().map(|key| format!("train[seed={key}]")).collect();
    let mut steps = vec![step("load", Phase::Understanding, &[])];
    steps.extend(instances.iter().map(|instance| step(instance, Phase::Understanding, &["load"])));
    let names: Vec<&str> = instances.iter().map(String::as_str).collect();
    steps.push(step("join", Phase::Understanding, &names));
    plan(steps, vec![])
}

#[tokio::test]
async fn a_result_of_a_later_attempt_is_reused_and_failures_leave_nothing_to_reuse() {
    let calls = AtomicU32::new(0);
    // The first three attempts fail: two of the first run, one of the second.
    let bench = Bench::new(move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) < 3 {
            Act::Fail(Fault::Environment, "io")
        } else {
            Act::Make("t", 1.0)
        }
    });
    let mut plan = plan(vec![step("train", Phase::Understanding, &[])], vec![]);
    plan.steps[0].retry.attempts = 2;
    let mut ends = Vec::new();
    for number in 1..=3 {
        let id = submitted(&bench, number, plan.clone()).await;
        ends.extend(states(&driven(&bench, id).await));
    }
    assert_eq!(ends, ["train failed", "train succeeded", "train reused"]);
    assert_eq!(bench.executor.started().len(), 4);
}

#[tokio::test]
async fn of_instances_only_the_changed_and_the_new_run_and_what_joins_them_if_they_differ() {
    let bench = Bench::new(|order| match (order.step.as_str(), order.params["depth"].as_i64()) {
        ("train[seed=2]", Some(_)) => Act::Make("deeper", 1.0),
        ("train[seed=3]", _) => Act::Make("third", 1.0),
        _ => Act::Make("table", 1.0),
    });
    let id = submitted(&bench, 1, matrix(&["1", "2"])).await;
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Succeeded));
    let mut changed = matrix(&["1", "2"]);
    changed.steps[2].params = json!({"name": "train", "depth": 3});
    let id = submitted(&bench, 2, changed).await;
    let run = driven(&bench, id).await;
    assert_eq!(states(&run), ["load reused", "train[seed=1] reused", "train[seed=2] succeeded", "join succeeded"]);
    let id = submitted(&bench, 3, matrix(&["1", "3"])).await;
    let run = driven(&bench, id).await;
    assert_eq!(states(&run), ["load reused", "train[seed=1] reused", "train[seed=3] succeeded", "join succeeded"]);
    // As at first: nothing of the runs between is in the way.
    let id = submitted(&bench, 4, matrix(&["1", "2"])).await;
    let run = driven(&bench, id).await;
    assert!(states(&run).iter().all(|state| state.ends_with("reused")), "{:?}", states(&run));
}

#[tokio::test]
async fn a_condition_decides_before_the_cache_is_asked() {
    let bench = Bench::new(|_| Act::Make("table", 1.0));
    let conditional = |go: bool| {
        let mut plan =
            plan(vec![step("load", Phase::Understanding, &[]), step("extra", Phase::Understanding, &["load"])], vec![]);
        plan.params.insert("go".parse().unwrap(), json!(go));
        plan.steps[1].when = Some("params.go && steps.load.metrics.rows > 0".to_owned());
        plan
    };
    let mut ends = Vec::new();
    for (number, go) in [(1, true), (2, false), (3, true)] {
        let id = submitted(&bench, number, conditional(go)).await;
        let run = driven(&bench, id).await;
        assert_eq!(run.outcome(), Some(Outcome::Succeeded));
        ends.push(states(&run));
    }
    // A reused result is measured like a fresh one.
    assert_eq!(
        ends,
        [["load succeeded", "extra succeeded"], ["load reused", "extra skipped"], ["load reused", "extra reused"],]
    );
}

#[tokio::test]
async fn a_cancelled_run_gives_its_slots_back_and_waits_for_none() {
    let bench =
        Bench::new(
            |order| {
                if order.run == crate::id::RunId::from_u128(1) { Act::Hang } else { Act::Make("table", 1.0) }
            },
        );
    let mut narrow =
        plan(vec![step("left", Phase::Understanding, &[]), step("right", Phase::Understanding, &[])], vec![]);
    narrow.steps.values_mut().for_each(|step| step.pool = Some("narrow".to_owned()));
    let id = submitted(&bench, 1, narrow.clone()).await;
    let engine = bench.restarted("daemon");
    let (ask, asked) = watch::channel(None);
    let cancels = async {
        while bench.log.waits().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!(bench.log.slots().len(), 1);
        ask.send_replace(Some("ada".to_owned()));
    };
    let control = super::Control { cancel: asked, ..never() };
    let (driven_, ()) = tokio::join!(engine.drive(id, "daemon", control), cancels);
    let run = ended(driven_.unwrap());
    assert_eq!(run.outcome(), Some(Outcome::Cancelled));
    assert_eq!(states(&run), ["left cancelled", "right waiting"]);
    assert!(bench.log.slots().is_empty() && bench.log.waits().is_empty());
    let next = submitted(&bench, 2, narrow).await;
    assert_eq!(driven(&bench, next).await.outcome(), Some(Outcome::Succeeded));
}

#[tokio::test]
async fn a_resumed_run_makes_only_the_instances_that_are_missing() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    let bench = Bench::new(move |order| {
        let fails = order.step.as_str() == "train[seed=2]" && broken.load(Ordering::Relaxed);
        if fails { Act::Fail(Fault::Input, "diverged") } else { Act::Make("table", 1.0) }
    });
    let id = submitted(&bench, 1, matrix(&["1", "2", "3"])).await;
    let run = driven(&bench, id).await;
    let failed = ["load succeeded", "train[seed=1] succeeded", "train[seed=2] failed", "train[seed=3] succeeded"];
    assert_eq!(states(&run), [&failed[..], &["join skipped"]].concat());
    is_broken.store(false, Ordering::Relaxed);
    let run = bench.restarted("two").resume(id, "test", never().cancel).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    let mut started = bench.executor.started();
    assert_eq!(started.split_off(4), ["train[seed=2]", "join"]);
    assert_eq!(run.step(&name("train[seed=2]")).unwrap().attempts(), 2);
    let reused = |what: &Happening| matches!(what, Happening::StepReused { .. });
    let events = super::RunLog::events(&*bench.log, id).await.unwrap();
    assert!(events.iter().all(|event| !reused(&event.what)), "what the run has made is its own");
}
