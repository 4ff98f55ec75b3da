//! Why a step is where it is, on both databases.

use chrono::{DateTime, TimeDelta, Utc};
use phaseline::artifact::Digest;
use phaseline::control::{By, Params, Submission, Version, Why, submit, why};
use phaseline::engine::{
    CacheKey, Happening, KeyParts, Lease, Origin, RunEvent, RunLog, RunOptions, SkipReason, Subject, Verdict,
};
use phaseline::executor::owner;
use phaseline::id::{AttemptId, RunId, StepName};
use phaseline::step::{Fault, StepOutcome};
use phaseline::store::queries::PageRequest;
use phaseline::store::{Beat, Store, StoreUrl};
use phaseline::worker::{Claim, Failure};

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

pub(super) async fn submitted(store: &Store) -> RunId {
    submitted_of(store, MANIFEST).await
}

async fn submitted_of(store: &Store, manifest: &str) -> RunId {
    let submission = Submission {
        version: Version::new("/pipelines/daily.yaml".to_owned(), manifest.to_owned()),
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
        whatever_is_short_is_told_with_those_who_have_it,
        every_state_of_a_step_has_its_reason,
        a_run_that_nobody_drives_says_who_could,
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
    let told = why(&store, run, "load").await.unwrap();
    assert_eq!((codes(&told), told.driver.as_deref()), (vec!["ready"], Some("one")));
    assert!(told.reasons[0].message.ends_with("as soon as one looks"), "{told:?}");
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

async fn whatever_is_short_is_told_with_those_who_have_it(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let _lease = store.claim(run, "one", std::time::Duration::from_mins(1)).await.unwrap();
    let slot = |attempt: &str, host: &str| {
        format!(
            "insert into slots (attempt_id, run_id, step, host, pool_slots, cpus, memory_bytes, gpus, gpu_memory_bytes,
                since_ms) values ('{attempt}', 'run_1', 'copy', '{host}', 0, 1, 5, 1, 0, 500)"
        )
    };
    write(&url, &slot("att_1", "alpha")).await;
    write(&url, &slot("att_2", "beta")).await;
    for (word, holders) in [("cpus", 1), ("memory", 1), ("gpu", 1), ("turn", 1), ("result", 0)] {
        write(&url, "delete from slot_waits").await;
        let wait = format!(
            "insert into slot_waits (run_id, step, host, pool_slots, cpus, memory_bytes, gpus, gpu_memory_bytes,
                cpu_limit, priority, waits_for, since_ms, because)
            values ('{run}', 'load', 'alpha', 0, 1, 9, 1, 0, 4, 0, '{word}', 1000, '{word} is short')"
        );
        write(&url, &wait).await;
        let told = why(&store, run, "load").await.unwrap();
        assert_eq!((codes(&told), told.reasons[0].holders.len()), (vec![word], holders), "{told:?}");
        assert_eq!(told.reasons[0].message, format!("{word} is short"));
    }
}

const GATED: &str = "version: 1
pipeline: daily
data_engineering:
  gates:
    contract: {check: steps.load.metrics.rows > 1}
  steps:
    load: {run: echo 1}
    clean: {run: echo 2, needs: [load], when: steps.load.metrics.rows > 1}
model_engineering:
  steps:
    fit: {run: echo 3}
";

/// A run whose events are made up one after the other.
struct Story {
    store: Store,
    lease: Lease,
    next: u64,
}

impl Story {
    async fn happens(&mut self, what: Happening) {
        let event = RunEvent { seq: self.next, at: now(), what };
        self.store.append(&self.lease, self.next, &[event]).await.unwrap();
        self.next += 1;
    }

    async fn starts(&mut self, attempt: AttemptId, number: u32) {
        let step = load();
        let why = "never ran".to_owned();
        self.happens(Happening::AttemptStarted {
            step,
            attempt,
            number,
            key: None,
            parts: parts(),
            why,
            inputs: vec![],
        })
        .await;
    }

    async fn why(&self, step: &str) -> Why {
        why(&self.store, self.lease.run, step).await.unwrap()
    }

    /// The codes of the reasons and the first message.
    async fn told(&self, step: &str) -> (Vec<String>, String) {
        let told = self.why(step).await;
        (told.reasons.iter().map(|reason| reason.code.clone()).collect(), told.reasons[0].message.clone())
    }
}

fn load() -> StepName {
    "load".parse().unwrap()
}

fn parts() -> KeyParts {
    KeyParts {
        kind: "run".to_owned(),
        kind_version: 1,
        params: serde_json::json!({}),
        seed: 0,
        inputs: [].into(),
        files: [].into(),
        env: [].into(),
        purpose: None,
    }
}

async fn every_state_of_a_step_has_its_reason(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted_of(&store, GATED).await;
    let lease = store.claim(run, "one", std::time::Duration::from_mins(1)).await.unwrap();
    let mut story = Story { store, lease, next: 1 };
    let (found, message) = story.told("fit").await;
    assert_eq!(found, ["gate"]);
    assert_eq!(message, "gate `contract` has no verdict yet; it waits for `load`, `clean`");

    let [first, second] = [(); 2].map(|()| AttemptId::generate());
    let slot = format!(
        "insert into slots (attempt_id, run_id, step, host, pool_slots, cpus, memory_bytes, gpus, gpu_memory_bytes,
            since_ms) values ('{first}', '{run}', 'load', 'alpha', 0, 1, 4096, 0, 0, 1)"
    );
    write(&url, &slot).await;
    story.starts(first, 1).await;
    let told = story.why("load").await;
    assert_eq!((codes(&told), told.state.as_str(), told.driver.as_deref()), (vec!["running"], "running", Some("one")));
    assert!(told.reasons[0].message.contains(&first.to_string()) && told.reasons[0].since.is_some(), "{told:?}");
    let attempts = story.store.attempts_page(run, None, &PageRequest { after: None, limit: 9 }).await.unwrap().items;
    let known = (attempts[0].host.as_deref(), attempts[0].owner.as_deref(), attempts[0].memory_limit_bytes);
    assert_eq!(known, (Some("alpha"), Some("one"), Some(4096)));

    let failure = Failure {
        fault: Fault::Environment,
        code: "timeout".to_owned(),
        message: "it took too long".to_owned(),
        help: None,
    };
    story.happens(Happening::AttemptFailed { step: load(), attempt: first, failure, seconds: 1.0 }).await;
    assert_eq!(story.told("load").await.0, ["faltered"]);
    let until = now() + TimeDelta::hours(1);
    story.happens(Happening::RetryScheduled { step: load(), number: 2, until }).await;
    let told = story.why("load").await;
    assert_eq!(codes(&told), ["back_off"]);
    assert_eq!(told.reasons[0].until.as_deref(), Some("2024-10-04T01:00:00Z"));
    assert_eq!(told.reasons[0].message, "attempt 2 follows after: it took too long (timeout)");

    story.starts(second, 2).await;
    let attempts = story.store.attempts_page(run, None, &PageRequest { after: None, limit: 9 }).await.unwrap().items;
    let unlimited = attempts.iter().find(|attempt| attempt.attempt_id == second.to_string()).unwrap();
    assert_eq!((unlimited.owner.as_deref(), unlimited.memory_limit_bytes), (Some("one"), None));
    let (outcome, seconds, peak_memory_bytes) = (StepOutcome::default(), 1.0, 1);
    let succeeded = Happening::AttemptSucceeded { step: load(), attempt: second, outcome, seconds, peak_memory_bytes };
    story.happens(succeeded).await;
    let (found, message) = story.told("load").await;
    assert_eq!((found, message), (vec!["succeeded".to_owned()], format!("attempt {second} made its result")));

    story.happens(Happening::StepReopened { step: load(), why: "its result is gone".to_owned() }).await;
    let (found, message) = story.told("load").await;
    assert_eq!((found, message.as_str()), (vec!["again".to_owned()], "it runs again: its result is gone"));
    let reused = Happening::StepReused {
        step: load(),
        key: CacheKey(Digest::of("key")),
        parts: parts(),
        inputs: vec![],
        made_by: second,
        outcome: StepOutcome::default(),
    };
    story.happens(reused).await;
    let (found, message) = story.told("load").await;
    assert!(found == ["reused"] && message.contains(&second.to_string()), "{message}");

    let step: StepName = "clean".parse().unwrap();
    story.happens(Happening::StepSkipped { step, because: SkipReason::WhenFalse }).await;
    let (found, message) = story.told("clean").await;
    assert!(found == ["skipped"] && message.contains("when"), "{message}");
    let evidence = [("steps.load.metrics.rows".to_owned(), serde_json::json!(0))].into();
    story
        .happens(Happening::GateEvaluated { gate: "contract".parse().unwrap(), verdict: Verdict::Failed, evidence })
        .await;
    let (found, message) = story.told("fit").await;
    assert_eq!(
        (found, message.as_str()),
        (vec!["gate".to_owned()], "gate `contract` is failed: steps.load.metrics.rows = 0")
    );
    let reason = Some("maintenance".to_owned());
    story.happens(Happening::RunPaused { by: "ada".to_owned(), reason }).await;
    let told = story.why("fit").await;
    assert_eq!(codes(&told), ["gate", "run_paused"]);
    assert_eq!(told.reasons[1].message, "the run was paused by ada because maintenance");
    story.happens(Happening::CancelRequested { by: "ada".to_owned() }).await;
    assert!(story.told("fit").await.0.contains(&"cancelling".to_owned()));
}

async fn a_run_that_nobody_drives_says_who_could(url: StoreUrl) {
    let store = open(&url).await;
    let run = submitted(&store).await;
    let set = async |what: &str| write(&url, &format!("update runs set {what} where run_id = '{run}'")).await;
    let told = async || why(&store, run, "load").await.unwrap();
    set("parked = 'it waits for a word'").await;
    assert_eq!(codes(&told().await), ["parked"]);
    set("parked = null").await;

    write(
        &url,
        "insert into pipelines (pipeline, manifest_path, manifest_digest, manifest_text, loaded_at, loaded_by, paused_at,
            paused_by, paused_because)
        values ('daily', '/p', 'd', '', '', 'one', '2024-10-04T00:00:00.000000Z', 'ada', 'the quarter ends')",
    )
    .await;
    let paused = told().await;
    assert_eq!(codes(&paused), ["pipeline_paused"]);
    assert!(paused.reasons[0].message.contains("by ada because the quarter ends"), "{paused:?}");
    write(&url, "delete from pipelines").await;

    store.beat(&Beat { is_draining: true, ..beat(None) }).await.unwrap();
    let draining = told().await;
    assert_eq!(codes(&draining), ["daemon_trouble"]);
    assert!(draining.reasons[0].message.contains("one: it ends"), "{draining:?}");
    store.end_daemon("one").await.unwrap();

    // A lease that still counts is no sign of life of a process of this machine that is gone.
    let ticks = Claim::of_this_process().start_ticks;
    let dead = owner::this_process().replace(&format!(" {ticks} "), &format!(" {} ", ticks + 1));
    set(&format!("lease_owner = '{dead}', lease_expires_ms = 9999999999999")).await;
    let gone = told().await;
    assert_eq!((codes(&gone), gone.driver.as_deref()), (vec!["no_daemon"], None));
    set("shared = false").await;
    let interrupted = told().await;
    assert_eq!(codes(&interrupted), ["interrupted"]);
    assert!(interrupted.reasons[0].message.contains(&dead), "{interrupted:?}");
    assert!(interrupted.reasons[0].help.as_ref().unwrap().contains(&format!("phaseline resume {run}")));
}
