//! Why a step is where it is, on both databases.

use chrono::{DateTime, TimeDelta, Utc};
use phaseline::control::{By, Params, Submission, Version, Why, submit, why};
use phaseline::engine::{Happening, Origin, RunEvent, RunLog, RunOptions, Subject};
use phaseline::id::RunId;
use phaseline::store::{Beat, Store, StoreUrl};

use crate::harness::databases::{on_both_databases, open, promises, write};

const MANIFEST: &str = "version: 1
pipeline: daily
data_engineering:
  steps:
    sign: {uses: approval, with: {message: 'look at it'}}
    load: {run: echo 1}
    clean: {run: echo 2, needs: [load]}
";

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

async fn submitted(store: &Store) -> RunId {
    let submission = Submission {
        version: Version::new("/pipelines/daily.yaml".to_owned(), MANIFEST.to_owned()),
        params: Params::Settings(Vec::new(), None),
        options: RunOptions::default(),
        origin: Origin::default(),
        idempotency_key: None,
    };
    let by = By { who: "ada".to_owned(), role: None, remote: None };
    submit(store, submission, &by, now()).await.unwrap().run
}

fn beat(trouble: Option<&str>) -> Beat {
    Beat {
        daemon: "one".to_owned(),
        host: "alpha".to_owned(),
        version: "1".to_owned(),
        address: None,
        pipelines: None,
        started_at: now(),
        is_draining: false,
        trouble: trouble.map(str::to_owned),
    }
}

fn codes(told: &Why) -> Vec<&str> {
    told.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[test]
fn every_step_that_does_not_run_has_its_reason_on_both_databases() {
    on_both_databases(promises![
        a_step_waits_for_those_before_it_and_for_a_daemon,
        a_question_says_since_when_and_how_to_answer_it,
        a_run_that_was_put_aside_says_why,
        room_that_is_short_is_told_with_what_was_answered,
    ]);
}

async fn a_step_waits_for_those_before_it_and_for_a_daemon(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let told = why(&store, run, "clean").await.unwrap();
    assert_eq!(codes(&told), ["upstream", "no_daemon"]);
    assert_eq!(told.reasons[0].message, "step `load` has not ended: it is waiting");
    store.beat(&beat(Some("the disk is full"))).await.unwrap();
    let told = why(&store, run, "load").await.unwrap();
    assert_eq!(codes(&told), ["daemon_trouble"]);
    assert!(told.reasons[0].message.contains("the disk is full"), "{told:?}");
    store.beat(&beat(None)).await.unwrap();
    assert_eq!(codes(&why(&store, run, "load").await.unwrap()), ["undriven"]);
    let _lease = store.claim(run, "one", std::time::Duration::from_mins(1)).await.unwrap();
    assert_eq!(codes(&why(&store, run, "load").await.unwrap()), ["ready"]);
    let refused = why(&store, run, "laod").await.unwrap_err();
    assert_eq!((refused.code, refused.help.as_deref()), ("no_such_step", Some("did you mean `load`?")));
}

async fn a_question_says_since_when_and_how_to_answer_it(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let lease = store.claim(run, "one", std::time::Duration::from_mins(1)).await.unwrap();
    let expires_at = Some(now() + TimeDelta::hours(1));
    let subject = Subject::Step("sign".parse().unwrap());
    let what = Happening::ApprovalRequested { subject, message: Some("look at it".to_owned()), expires_at };
    store.append(&lease, 1, &[RunEvent { seq: 1, at: now(), what }]).await.unwrap();
    let told = why(&store, run, "sign").await.unwrap();
    assert_eq!((told.state.as_str(), codes(&told)), ("awaiting_approval", vec!["approval"]));
    let reason = &told.reasons[0];
    assert_eq!(reason.since.as_deref(), Some("2024-10-04T00:00:00Z"));
    assert_eq!(reason.until.as_deref(), Some("2024-10-04T01:00:00Z"));
    assert!(reason.help.as_ref().unwrap().contains(&format!("phaseline approve {run} sign")), "{told:?}");
}

async fn a_run_that_was_put_aside_says_why(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    store.quarantine(run, "one", "event 3 is missing").await.unwrap();
    let told = why(&store, run, "load").await.unwrap();
    assert_eq!(codes(&told), ["quarantined"]);
    assert!(told.reasons[0].message.contains("event 3 is missing"), "{told:?}");
}

async fn room_that_is_short_is_told_with_what_was_answered(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let _lease = store.claim(run, "one", std::time::Duration::from_mins(1)).await.unwrap();
    write(
        &url,
        &format!(
            "insert into slot_waits (run_id, step, host, pool, pool_slots, cpus, memory_bytes, gpus, gpu_memory_bytes,
            cpu_limit, priority, waits_for, since_ms, because)
        values ('{run}', 'load', 'alpha', 'db', 1, 1, 0, 0, 0, 4, 0, 'pool', 1000, 'pool `db` is taken')"
        ),
    )
    .await;
    let other = "run_00000000000000000000000000000001";
    write(
        &url,
        &format!(
            "insert into slots (attempt_id, run_id, step, host, pool, pool_slots, cpus, memory_bytes, gpus,
            gpu_memory_bytes, since_ms)
        values ('att_1', '{other}', 'copy', 'alpha', 'db', 1, 1, 0, 0, 0, 500)"
        ),
    )
    .await;
    let told = why(&store, run, "load").await.unwrap();
    assert_eq!(codes(&told), ["pool"]);
    assert_eq!(told.reasons[0].since.as_deref(), Some("1970-01-01T00:00:01Z"));
    assert_eq!(told.reasons[0].holders[0].run_id, other);
}
