//! What every database promises the engine, checked on SQLite and on Postgres.

use std::time::Duration;

use phaseline::engine::{
    Answer, CacheIndex, CacheKey, EngineError, Happening, Limits, Outcome, RunLog, Short, Slots, Take, Verdict, Want,
};
use phaseline::id::{AttemptId, RunId};
use phaseline::step::Fault;
use phaseline::store::{Store, StoreUrl};
use phaseline::worker::Failure;

use crate::harness::databases::{on_both_databases, open, promises};
use crate::harness::history::{
    Log, bound, claimed, dawn, key, new_run, outcome, parts, small_plan, started, step_name, succeeded, table,
};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn events_are_kept_in_order_and_guarded_by_the_lease() {
    on_both_databases(promises![
        a_run_and_its_events_read_back_as_written,
        an_append_out_of_turn_is_refused,
        whoever_lost_the_lease_cannot_append,
        of_two_appends_at_once_one_wins,
        a_lease_is_claimed_when_it_is_free,
        what_is_not_there_is_said,
    ]);
}

#[test]
fn results_are_cached_and_computed_once() {
    on_both_databases(promises![
        a_success_is_found_under_its_key,
        a_forgotten_entry_is_not_found,
        the_latest_parts_explain_a_miss,
        a_key_is_reserved_by_one_attempt_at_a_time,
        a_reservation_ends_with_its_attempt_and_with_its_lease,
    ]);
}

#[test]
fn many_processes_may_open_a_new_database_at_once() {
    on_both_databases(promises![opening_at_once_makes_the_tables_once]);
}

async fn created(store: &Store, steps: &[&str]) -> (phaseline::engine::Lease, Log) {
    let run = new_run(RunId::generate(), small_plan(steps), dawn());
    (store.create(run, "alpha:1", HOUR).await.unwrap(), Log::starting(dawn()))
}

async fn append(store: &Store, lease: &phaseline::engine::Lease, log: &mut Log, happenings: Vec<Happening>) {
    let next = log.next();
    store.append(lease, next, &log.events(happenings)).await.unwrap();
}

async fn a_run_and_its_events_read_back_as_written(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = created(&store, &["load", "train"]).await;
    let attempt = AttemptId::generate();
    let failure = Failure {
        fault: Fault::Input,
        code: "ragged".to_owned(),
        message: "row 7 has 3 fields, \u{0} and 'quotes'".to_owned(),
        help: None,
    };
    let first = log.events([claimed("alpha:1"), started("load", attempt, Some(key("load")), vec![])]);
    let second = log.events([
        Happening::AttemptFailed { step: step_name("load"), attempt, failure, seconds: 0.25 },
        Happening::StepFailed { step: step_name("load") },
        Happening::GateEvaluated {
            gate: "contract".parse().unwrap(),
            verdict: Verdict::NotEvaluable,
            evidence: [("steps.load.metrics.rows".to_owned(), serde_json::Value::Null)].into(),
        },
        Happening::RunFinished { outcome: Outcome::Failed },
    ]);
    store.append(&lease, 1, &first).await.unwrap();
    store.append(&lease, 3, &second).await.unwrap();
    let again = open(&url).await;
    assert_eq!(again.events(lease.run).await.unwrap(), [first, second].concat());
    let run = again.run(lease.run).await.unwrap();
    assert_eq!(run.plan, small_plan(&["load", "train"]));
    assert_eq!(run.manifest_path, "pipelines/churn.yaml");
}

fn is_lost(result: &Result<(), EngineError>) -> bool {
    matches!(result, Err(EngineError::LeaseLost { .. }))
}

async fn an_append_out_of_turn_is_refused(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = created(&store, &["load"]).await;
    let events = log.events([claimed("alpha:1")]);
    store.append(&lease, 1, &events).await.unwrap();
    assert!(is_lost(&store.append(&lease, 1, &events).await));
    assert!(is_lost(&store.append(&lease, 3, &events).await));
    assert_eq!(store.events(lease.run).await.unwrap(), events);
}

async fn whoever_lost_the_lease_cannot_append(url: StoreUrl) {
    let store = open(&url).await;
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let old = store.create(run, "alpha:1", Duration::ZERO).await.unwrap();
    let mut log = Log::starting(dawn());
    let events = log.events([claimed("alpha:1")]);
    store.renew(&old, Duration::ZERO).await.unwrap();
    let new = store.claim(old.run, "beta:2", HOUR).await.unwrap();
    assert!(new.epoch > old.epoch);
    assert!(is_lost(&store.append(&old, 1, &events).await), "another process has it");
    assert!(is_lost(&store.renew(&old, HOUR).await));
    store.release(&old).await.unwrap();
    store.renew(&new, HOUR).await.unwrap();
    store.append(&new, 1, &events).await.unwrap();
    store.release(&new).await.unwrap();
    assert!(is_lost(&store.append(&new, 2, &log.events([claimed("beta:2")])).await), "it was given back");
}

async fn of_two_appends_at_once_one_wins(url: StoreUrl) {
    let (one, other) = (open(&url).await, open(&url).await);
    let (lease, mut log) = created(&one, &["load"]).await;
    for _ in 0..10 {
        let next = log.next();
        let events = log.events([claimed("alpha:1"), claimed("alpha:1")]);
        let (left, right) = tokio::join!(one.append(&lease, next, &events), other.append(&lease, next, &events));
        assert_eq!([is_lost(&left), is_lost(&right)].iter().filter(|lost| **lost).count(), 1, "{left:?} {right:?}");
    }
    assert_eq!(one.events(lease.run).await.unwrap().len(), 20);
}

async fn a_lease_is_claimed_when_it_is_free(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, _) = created(&store, &["load"]).await;
    let refused = store.claim(lease.run, "beta:2", HOUR).await.unwrap_err();
    assert!(matches!(&refused, EngineError::Held { holder, .. } if holder == "alpha:1"), "{refused}");
    let again = store.claim(lease.run, "alpha:1", HOUR).await.unwrap();
    assert!(again.epoch > lease.epoch);
    store.release(&again).await.unwrap();
    store.claim(lease.run, "beta:2", HOUR).await.unwrap();
}

async fn what_is_not_there_is_said(url: StoreUrl) {
    let store = open(&url).await;
    let run = RunId::generate();
    assert!(matches!(store.run(run).await, Err(EngineError::NoRun(id)) if id == run));
    assert!(matches!(store.events(run).await, Err(EngineError::NoRun(_))));
    assert!(matches!(store.claim(run, "alpha:1", HOUR).await, Err(EngineError::NoRun(_))));
}

async fn a_success_is_found_under_its_key(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = created(&store, &["load", "clean"]).await;
    let (cached, uncached) = (AttemptId::generate(), AttemptId::generate());
    let result = outcome(&[("table", &table("customers"))]);
    let events = vec![
        claimed("alpha:1"),
        started("load", cached, Some(key("load")), vec![]),
        started("clean", uncached, None, vec![]),
    ];
    append(&store, &lease, &mut log, events).await;
    assert_eq!(store.lookup(&[key("load")]).await.unwrap(), []);
    let events = vec![succeeded("load", cached, result.clone()), succeeded("clean", uncached, result.clone())];
    append(&store, &lease, &mut log, events).await;
    let found = store.lookup(&[key("other"), key("load")]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, key("load"));
    assert_eq!((found[0].1.made_by, &found[0].1.outcome), (cached, &result));
}

async fn a_forgotten_entry_is_not_found(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = created(&store, &["load"]).await;
    let attempt = AttemptId::generate();
    let events = vec![
        started("load", attempt, Some(key("load")), vec![]),
        succeeded("load", attempt, outcome(&[("table", &table("customers"))])),
    ];
    append(&store, &lease, &mut log, events).await;
    assert_eq!(store.lookup(&[key("load")]).await.unwrap().len(), 1);
    store.forget(key("load")).await.unwrap();
    assert_eq!(store.lookup(&[key("load")]).await.unwrap(), []);
}

async fn the_latest_parts_explain_a_miss(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = created(&store, &["load", "train"]).await;
    let [load, train] = [AttemptId::generate(), AttemptId::generate()];
    let events = vec![
        started("load", load, Some(key("load")), vec![]),
        succeeded("load", load, outcome(&[])),
        started("train", train, Some(key("train")), vec![]),
    ];
    append(&store, &lease, &mut log, events).await;
    let reuse = |params| Happening::StepReused {
        step: step_name("load"),
        key: key(&format!("{params}")),
        parts: parts("ingest.csv", params),
        inputs: vec![],
        made_by: load,
        outcome: outcome(&[]),
    };
    let latest = |store: Store| async move { store.last_parts(&"churn".parse().unwrap()).await.unwrap() };
    assert_eq!(latest(store.clone()).await, [(step_name("load"), parts("command", serde_json::json!({})))]);
    let params = serde_json::json!({"path": "b.csv"});
    append(&store, &lease, &mut log, vec![reuse(params.clone())]).await;
    assert_eq!(latest(store.clone()).await, [(step_name("load"), parts("ingest.csv", params))]);
    assert_eq!(store.last_parts(&"other".parse().unwrap()).await.unwrap(), []);
}

/// Whether `attempt` may compute `key` now.
async fn may_compute(store: &Store, lease: &phaseline::engine::Lease, attempt: AttemptId, key: CacheKey) -> bool {
    let take = Take { cpus: 1, ..Take::default() };
    let want = Want { attempt, step: step_name("load"), key: Some(key), take };
    let limits = Limits { cpus: 1000, ..Limits::of_machine() };
    match store.claim_slots(lease, &[want], &limits).await.unwrap().remove(0) {
        Answer::Granted { .. } => true,
        Answer::Wait(wait) => {
            assert_eq!(wait.short, Short::Result, "{}", wait.because);
            false
        }
    }
}

async fn a_key_is_reserved_by_one_attempt_at_a_time(url: StoreUrl) {
    let (one, other) = (open(&url).await, open(&url).await);
    let (left, _) = created(&one, &["load"]).await;
    let (right, _) = created(&other, &["load"]).await;
    for round in 0..10 {
        let key = key(&format!("load {round}"));
        let [mine, theirs] = [AttemptId::generate(), AttemptId::generate()];
        let (first, second) =
            tokio::join!(may_compute(&one, &left, mine, key), may_compute(&other, &right, theirs, key));
        assert!(first != second);
        assert_eq!(may_compute(&one, &left, mine, key).await, first);
    }
}

async fn a_reservation_ends_with_its_attempt_and_with_its_lease(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = created(&store, &["load"]).await;
    let (other, _) = created(&store, &["load"]).await;
    let [first, second, third] = [AttemptId::generate(), AttemptId::generate(), AttemptId::generate()];
    let load = key("load");
    assert!(may_compute(&store, &lease, first, load).await);
    append(
        &store,
        &lease,
        &mut log,
        vec![started("load", first, Some(load), vec![bound("table", "a.b", &table("t"))])],
    )
    .await;
    assert!(!may_compute(&store, &other, second, load).await);
    let why = "killed".to_owned();
    append(&store, &lease, &mut log, vec![Happening::AttemptLost { step: step_name("load"), attempt: first, why }])
        .await;
    assert!(may_compute(&store, &other, second, load).await, "the attempt has ended");
    assert!(!may_compute(&store, &lease, third, load).await);
    store.release(&other).await.unwrap();
    assert!(may_compute(&store, &lease, third, load).await, "nobody drives the other run");
    // The process that drove the run is gone before it started the third attempt: nobody waits for a ghost.
    let lease = store.claim(lease.run, "alpha:1", HOUR).await.unwrap();
    assert!(may_compute(&store, &lease, AttemptId::generate(), load).await);
}

async fn opening_at_once_makes_the_tables_once(url: StoreUrl) {
    let openings = (0..8).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { Store::open(&url).await.map(|_| ()) })
    });
    for opening in openings.collect::<Vec<_>>() {
        opening.await.unwrap().unwrap();
    }
    let store = open(&url).await;
    created(&store, &["load"]).await;
    open(&url).await;
}
