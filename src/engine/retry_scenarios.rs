//! Whole runs with failures that are tried again: phases as a unit, attempts that grow, waits that have an end.

use std::time::Duration;

use super::testing::{Act, Bench, diamond, driven, ended, name, never, new_run, plan, states, step, submitted};
use super::{Happening, Outcome, Run, RunEvent, RunLog, RunOptions};
use crate::phase::Phase;
use crate::plan::{CachePolicy, Plan};
use crate::step::{Fault, RetryOn};

/// `load`, then `prep` and `train` in a phase that begins again at most `retries` times, then `after`.
fn phased(retries: u32) -> Plan {
    use Phase::{DataEngineering, ModelEngineering, Understanding};
    let mut plan = plan(
        vec![
            step("load", Understanding, &[]),
            step("prep", DataEngineering, &["load"]),
            step("train", DataEngineering, &["prep"]),
            step("after", ModelEngineering, &["train"]),
        ],
        vec![],
    );
    plan.phase_retries.insert(DataEngineering, retries);
    plan
}

/// `train` fails for good this often.
fn failing(times: u32) -> Bench {
    Bench::new(move |order| {
        let fails = order.step.as_str() == "train" && order.number <= times;
        if fails { Act::Fail(Fault::Input, "diverged") } else { Act::Make("table", 1.0) }
    })
}

fn restarts(events: &[RunEvent]) -> Vec<Vec<String>> {
    let again = events.iter().filter_map(|event| match &event.what {
        Happening::PhaseRestarted { again, .. } => Some(again.iter().map(ToString::to_string).collect()),
        _ => None,
    });
    again.collect()
}

#[tokio::test]
async fn a_phase_begins_again_as_a_unit_and_what_is_in_the_cache_is_reused() {
    let bench = failing(2);
    let id = submitted(&bench, 1, phased(2)).await;
    let run = driven(&bench, id).await;
    assert_eq!(states(&run), ["load succeeded", "prep reused", "train succeeded", "after succeeded"]);
    assert_eq!(bench.executor.started(), ["load", "prep", "train", "train", "train", "after"]);
    let events = bench.log.events(id).await.unwrap();
    assert_eq!(restarts(&events), [["prep", "train"], ["prep", "train"]]);
    // Without a cache all of the phase is done again, and nothing of the phases before it.
    let bench = failing(1);
    let mut uncached = phased(2);
    uncached.steps.values_mut().for_each(|step| step.cache = CachePolicy::Off);
    let id = submitted(&bench, 1, uncached).await;
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "prep", "train", "prep", "train", "after"]);
}

#[tokio::test]
async fn a_phase_begins_again_at_most_as_often_as_it_says_and_anew_after_a_resume() {
    let bench = failing(5);
    let id = submitted(&bench, 1, phased(2)).await;
    let run = driven(&bench, id).await;
    assert_eq!(run.outcome(), Some(Outcome::Failed));
    assert_eq!(states(&run), ["load succeeded", "prep reused", "train failed", "after skipped"]);
    assert_eq!(run.step(&name("train")).unwrap().attempts(), 3);
    let run = bench.restarted("two").resume(id, "test", never().cancel).await.unwrap();
    assert_eq!(run.outcome(), Some(Outcome::Succeeded));
    assert_eq!(run.step(&name("train")).unwrap().attempts(), 6);
    assert_eq!(restarts(&bench.log.events(id).await.unwrap()).len(), 4);
}

#[tokio::test]
async fn the_attempts_of_a_step_come_before_those_of_its_phase() {
    let bench = Bench::new(|order| {
        let fails = order.step.as_str() == "train" && order.number <= 3;
        if fails { Act::Fail(Fault::Environment, "io") } else { Act::Make("table", 1.0) }
    });
    let mut plan = phased(1);
    plan.steps[2].retry.attempts = 2;
    let id = submitted(&bench, 1, plan).await;
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Succeeded));
    let events = bench.log.events(id).await.unwrap();
    assert_eq!(restarts(&events).len(), 1);
    assert_eq!(bench.executor.started().iter().filter(|step| *step == "train").count(), 4);
}

#[tokio::test]
async fn a_phase_begins_again_once_its_other_attempts_have_ended_whose_results_are_kept() {
    let bench = Bench::new(|order| match (order.step.as_str(), order.number) {
        ("left", 1) => Act::Fail(Fault::Input, "diverged"),
        ("right", 1) => Act::Hang,
        _ => Act::Make("table", 1.0),
    });
    let mut plan = diamond();
    plan.phase_retries.insert(Phase::Understanding, 1);
    let id = submitted(&bench, 1, plan).await;
    let engine = bench.restarted("daemon");
    let mut events = engine.subscribe();
    let ends = async {
        while !matches!(&events.recv().await.unwrap().what, Happening::StepFailed { .. }) {}
        bench.executor.end_hanging("right");
    };
    let (driven, ()) = tokio::join!(engine.drive(id, "daemon", never()), ends);
    assert_eq!(ended(driven.unwrap()).outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "left", "right", "left", "join"]);
    let events = bench.log.events(id).await.unwrap();
    let place = |is: &dyn Fn(&Happening) -> bool| events.iter().position(|event| is(&event.what)).unwrap();
    let begun = place(&|what| matches!(what, Happening::PhaseRestarted { .. }));
    let right = place(&|what| matches!(what, Happening::AttemptSucceeded { step, .. } if *step == name("right")));
    assert!(right < begun, "an attempt of the phase was under way");
}

#[tokio::test]
async fn a_result_that_came_together_with_the_failure_of_its_phase_is_kept_too() {
    let bench = Bench::new(|order| match (order.step.as_str(), order.number) {
        ("left", 1) => Act::Fail(Fault::Input, "diverged"),
        _ => Act::Make("table", 1.0),
    });
    let mut plan = diamond();
    plan.phase_retries.insert(Phase::Understanding, 1);
    let id = submitted(&bench, 1, plan).await;
    assert_eq!(driven(&bench, id).await.outcome(), Some(Outcome::Succeeded));
    assert_eq!(bench.executor.started(), ["load", "left", "right", "left", "join"]);
}

#[tokio::test]
async fn a_log_with_a_phase_that_began_again_may_be_cut_anywhere() {
    let whole = failing(1);
    let id = submitted(&whole, 1, phased(2)).await;
    driven(&whole, id).await;
    let events = whole.log.events(id).await.unwrap();
    assert_eq!(restarts(&events).len(), 1);
    for cut in 0..events.len() {
        let bench = failing(1);
        let lease = bench.log.create(new_run(phased(2), 1, &RunOptions::default()), "dead", Duration::ZERO).await;
        bench.log.append(&lease.unwrap(), 1, &events[..cut]).await.unwrap();
        bench.log.expire(id);
        bench.executor.make("table");
        let run = driven(&bench, id).await;
        assert_eq!(run.outcome(), Some(Outcome::Succeeded), "cut at {cut}");
        let again = restarts(&bench.log.events(id).await.unwrap()).len();
        assert!(again <= 2, "cut at {cut}: the phase began again {again} times");
    }
}

/// The memory that each attempt of the only step was given, which fails with `code` twice.
async fn memory_given(code: &'static str, memory: u64, limit: u64) -> (Option<Outcome>, Vec<Option<u64>>) {
    let bench =
        Bench::new(
            move |order| {
                if order.number <= 2 { Act::Fail(Fault::Environment, code) } else { Act::Make("table", 1.0) }
            },
        );
    let mut train = step("train", Phase::Understanding, &[]);
    train.retry.attempts = 3;
    train.retry.on = vec![RetryOn::Transient, RetryOn::OutOfMemory];
    train.retry.grow_memory = Some(2.0);
    train.resources.memory_bytes = Some(memory);
    let id = submitted(&bench, 1, plan(vec![train], vec![])).await;
    let mut engine = bench.restarted("daemon");
    engine.settings.limits.memory_bytes = Some(limit);
    let run = ended(engine.drive(id, "daemon", never()).await.unwrap());
    let given = bench.executor.orders.lock().unwrap().iter().map(|order| order.memory_bytes).collect();
    (run.outcome(), given)
}

#[tokio::test]
async fn memory_grows_after_attempts_that_ran_out_of_it_up_to_what_there_is() {
    let check = async |code, limit, expected: [u64; 3]| {
        let (outcome, given) = memory_given(code, 100, limit).await;
        assert_eq!((outcome, given), (Some(Outcome::Succeeded), expected.map(Some).to_vec()), "{code}, {limit}");
    };
    check("out_of_memory", 1000, [100, 200, 400]).await;
    check("out_of_memory", 250, [100, 200, 250]).await;
    check("io", 1000, [100, 100, 100]).await;
    // Who asked for more than there is keeps asking for it, and runs alone.
    check("out_of_memory", 50, [100, 100, 100]).await;
}

/// Two steps that need the only slot of a pool.
fn narrow() -> Plan {
    let mut plan =
        plan(vec![step("left", Phase::Understanding, &[]), step("right", Phase::Understanding, &[])], vec![]);
    for step in plan.steps.values_mut() {
        step.pool = Some("narrow".to_owned());
    }
    plan
}

/// The run, in which `left` holds the only slot until `right` is given up.
async fn squeezed(queue: Duration, retries: u32) -> (Run, Vec<RunEvent>) {
    let bench = Bench::new(|order| if order.step.as_str() == "left" { Act::Hang } else { Act::Make("table", 1.0) });
    let mut plan = narrow();
    plan.steps[1].queue_timeout = Some(queue);
    plan.steps[1].retry.attempts = retries;
    let id = submitted(&bench, 1, plan).await;
    let engine = bench.restarted("daemon");
    let mut events = engine.subscribe();
    let ends = async {
        while !matches!(&events.recv().await.unwrap().what, Happening::StepTimedOut { .. }) {}
        bench.executor.end_hanging("left");
    };
    let (driven, ()) = tokio::join!(engine.drive(id, "daemon", never()), ends);
    assert!(bench.log.slots().is_empty() && bench.log.waits().is_empty());
    (ended(driven.unwrap()), bench.log.events(id).await.unwrap())
}

#[tokio::test]
async fn a_step_that_finds_no_room_in_time_fails_and_says_what_it_waited_for() {
    let (run, events) = squeezed(Duration::from_millis(5), 9).await;
    assert_eq!(run.outcome(), Some(Outcome::Failed));
    assert_eq!(states(&run), ["left succeeded", "right failed"]);
    let right = run.step(&name("right")).unwrap();
    let failure = right.failure().unwrap();
    assert_eq!((failure.code.as_str(), right.attempts()), ("queue_timeout", 0));
    assert!(failure.message.contains("a slot of pool `narrow`"), "{}", failure.message);
    assert!(events.iter().all(|event| !matches!(&event.what, Happening::RetryScheduled { .. })));
}

#[tokio::test]
async fn the_time_for_all_attempts_ends_a_step_that_has_attempts_left() {
    let bench = Bench::new(|_| Act::Fail(Fault::Environment, "io"));
    let mut train = step("train", Phase::Understanding, &[]);
    train.retry.attempts = u32::MAX;
    train.total_timeout = Some(Duration::from_millis(60));
    let id = submitted(&bench, 1, plan(vec![train.clone()], vec![])).await;
    let run = driven(&bench, id).await;
    assert_eq!(run.outcome(), Some(Outcome::Failed));
    let failure = run.step(&name("train")).unwrap().failure().unwrap();
    assert_eq!(failure.code, "total_timeout");
    assert!(failure.message.contains("the last attempt: no"), "{}", failure.message);
    // One attempt that would take longer is ended when the time of all is up.
    let bench = Bench::new(|_| Act::Hang);
    train.retry.attempts = 1;
    let id = submitted(&bench, 1, plan(vec![train], vec![])).await;
    let run = driven(&bench, id).await;
    assert_eq!(run.outcome(), Some(Outcome::Failed));
    assert_eq!(run.step(&name("train")).unwrap().failure().unwrap().code, "timeout");
}

#[tokio::test]
async fn a_run_with_priority_has_the_slot_before_one_that_has_waited_longer() {
    let bench = Bench::new(|order| {
        let holds = order.run == crate::id::RunId::from_u128(1);
        if holds { Act::Hang } else { Act::Make("table", 1.0) }
    });
    let alone = |priority: i32| {
        let mut plan = narrow();
        plan.steps.truncate(1);
        plan.steps[0].cache = CachePolicy::Off;
        plan.priority = priority;
        plan
    };
    let holder = submitted(&bench, 1, alone(0)).await;
    let modest = submitted(&bench, 2, alone(0)).await;
    let urgent = submitted(&bench, 3, alone(10)).await;
    let engines = ["one", "two", "three"].map(|owner| bench.restarted(owner));
    // Waits until as many steps wait for room.
    let waiting = async |count: usize| {
        while bench.log.waits().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let held = async {
        while bench.log.slots().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let second = async {
        held.await;
        engines[1].drive(modest, "two", never()).await
    };
    let third = async {
        waiting(1).await;
        engines[2].drive(urgent, "three", never()).await
    };
    let ends = async {
        waiting(2).await;
        bench.executor.end_hanging("table");
    };
    let (first, second, third, ()) = tokio::join!(engines[0].drive(holder, "one", never()), second, third, ends);
    for driven in [first, second, third] {
        assert_eq!(ended(driven.unwrap()).outcome(), Some(Outcome::Succeeded));
    }
    let order: Vec<_> = bench.executor.orders.lock().unwrap().iter().map(|order| order.run).collect();
    assert_eq!(order, [holder, urgent, modest]);
}
