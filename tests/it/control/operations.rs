//! Submitting, repeating and backfilling, on both databases.

use chrono::{DateTime, TimeDelta, Utc};
use phaseline::control::{
    Advanced, Backfill, By, ErrorKind, Manifest, Mode, Params, Rerun, Submission, Version, advance_backfills,
    cancel_backfill, plan_backfill, rerun, start_backfill, submit,
};
use phaseline::engine::{Happening, Origin, Outcome, RunEvent, RunLog, RunOptions};
use phaseline::id::RunId;
use phaseline::store::{Store, StoreUrl};
use serde_json::json;

use crate::harness::databases::{on_both_databases, open, promises};

const MANIFEST: &str = "version: 1
pipeline: daily
params:
  day: {type: string, default: '2026-01-01'}
  rows: {type: int, default: 3, min: 1}
data_engineering:
  steps:
    load:
      run: 'echo ${{ params.day }} ${{ params.rows }}'
";

fn by() -> By {
    By { who: "ada".to_owned(), role: None, remote: None }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn version() -> Version {
    Version::new("/pipelines/daily.yaml".to_owned(), MANIFEST.to_owned())
}

fn submission(settings: &[&str]) -> Submission {
    Submission {
        version: version(),
        params: Params::Settings(settings.iter().map(|&setting| setting.to_owned()).collect(), None),
        options: RunOptions::default(),
        origin: Origin::default(),
        idempotency_key: None,
    }
}

fn backfill(range: &str, mode: Mode, parallel: u32) -> Backfill {
    Backfill {
        version: version(),
        param: "day".to_owned(),
        range: range.to_owned(),
        step: None,
        mode,
        parallel,
        is_newest_first: false,
        params: Params::none(),
        priority: 0,
    }
}

/// Lets a run end in that way, without any of its steps.
async fn end(store: &Store, run: RunId, outcome: Outcome) {
    let lease = store.claim(run, "test", std::time::Duration::from_mins(1)).await.unwrap();
    let finished = RunEvent { seq: 1, at: now(), what: Happening::RunFinished { outcome } };
    store.append(&lease, 1, &[finished]).await.unwrap();
    store.release(&lease).await.unwrap();
}

#[test]
fn what_is_asked_of_runs_is_kept_alike_by_both_databases() {
    on_both_databases(promises![
        the_same_key_is_the_same_run,
        a_rerun_keeps_manifest_and_params,
        a_backfill_never_has_more_runs_than_allowed,
        the_mode_of_a_backfill_looks_at_earlier_runs,
        a_cancelled_backfill_hands_out_no_more,
    ]);
}

async fn the_same_key_is_the_same_run(url: StoreUrl) {
    let store = open(&url).await;
    let keyed =
        |settings: &[&str], key: &str| Submission { idempotency_key: Some(key.to_owned()), ..submission(settings) };
    let first = submit(&store, keyed(&["rows=5"], "nightly"), &by(), now()).await.unwrap();
    assert!(first.is_new);
    let again = submit(&store, keyed(&["rows=5"], "nightly"), &by(), now()).await.unwrap();
    assert_eq!((again.run, again.is_new), (first.run, false));
    let other = submit(&store, keyed(&["rows=6"], "nightly"), &by(), now()).await.unwrap_err();
    assert_eq!((other.kind, other.code), (ErrorKind::Conflict, "idempotency_key_reused"));
    assert!(submit(&store, keyed(&["rows=6"], "daily"), &by(), now()).await.unwrap().is_new);
    // Two at once: one run, and both are told of it.
    let by = by();
    let (left, right) = tokio::join!(
        submit(&store, keyed(&[], "at once"), &by, now()),
        submit(&store, keyed(&[], "at once"), &by, now())
    );
    let (left, right) = (left.unwrap(), right.unwrap());
    assert_eq!(left.run, right.run);
    assert_eq!(u8::from(left.is_new) + u8::from(right.is_new), 1);
    let refused = submit(&store, submission(&["row=5"]), &by, now()).await.unwrap_err();
    assert_eq!((refused.kind, refused.help.as_deref()), (ErrorKind::Invalid, Some("did you mean `rows`?")));
    assert_eq!(store.runs(None, 10).await.unwrap().len(), 3);
}

async fn a_rerun_keeps_manifest_and_params(url: StoreUrl) {
    let store = open(&url).await;
    let first = submit(&store, submission(&["rows=5"]), &by(), now()).await.unwrap().run;
    let again = rerun(&store, Rerun::of(first), &by(), now()).await.unwrap().run;
    let (before, after) = (store.run(first).await.unwrap().plan, store.run(again).await.unwrap().plan);
    assert_eq!(before, after, "a run repeated as it was has the same plan");
    let changed = Rerun { params: Params::Settings(vec!["day=2026-02-02".to_owned()], None), ..Rerun::of(first) };
    let changed = store.run(rerun(&store, changed, &by(), now()).await.unwrap().run).await.unwrap().plan;
    assert_eq!(changed.manifest_digest, before.manifest_digest);
    assert_eq!(json!(changed.params), json!({"day": "2026-02-02", "rows": 5}), "what was given before stays given");
    // Another version of the manifest: its defaults count, and what was given to the earlier run.
    let text = MANIFEST.replace("'2026-01-01'", "'2026-12-31'");
    let newer = Manifest::Given(Version::new("/pipelines/daily.yaml".to_owned(), text));
    let newer = rerun(&store, Rerun { manifest: newer, ..Rerun::of(first) }, &by(), now()).await.unwrap().run;
    let newer = store.run(newer).await.unwrap().plan;
    assert_ne!(newer.manifest_digest, before.manifest_digest);
    assert_eq!(json!(newer.params), json!({"day": "2026-12-31", "rows": 5}));
    let other = Manifest::Given(Version::new("x.yaml".to_owned(), MANIFEST.replace("pipeline: daily", "pipeline: x")));
    let refused = rerun(&store, Rerun { manifest: other, ..Rerun::of(first) }, &by(), now()).await.unwrap_err();
    assert_eq!(refused.code, "other_pipeline");
    let unknown = Rerun { from: vec!["laod".parse().unwrap()], ..Rerun::of(first) };
    let refused = rerun(&store, unknown, &by(), now()).await.unwrap_err();
    assert_eq!(refused.help.as_deref(), Some("did you mean `load`?"));
}

async fn a_backfill_never_has_more_runs_than_allowed(url: StoreUrl) {
    let (store, other) = (open(&url).await, open(&url).await);
    let started = start_backfill(&store, backfill("2026-01-01..2026-01-05", Mode::All, 2), &by(), now()).await.unwrap();
    assert_eq!(started.plan.values.len(), 5);
    let mut ended = 0;
    loop {
        // Two daemons look at once.
        let (left, right) = tokio::join!(advance_backfills(&store, now()), advance_backfills(&other, now()));
        let (left, right) = (left.unwrap(), right.unwrap());
        if left.open.is_empty() || right.open.is_empty() {
            break;
        }
        let running = store.unfinished_run_ids_of(started.backfill).await.unwrap();
        assert!((1..=2).contains(&running.len()), "{running:?}");
        end(&store, running[0], Outcome::Succeeded).await;
        ended += 1;
    }
    assert_eq!(ended, 5);
    let mut days = Vec::new();
    for run in store.runs(None, 100).await.unwrap() {
        days.push(store.run(run.run).await.unwrap().plan.params[&"day".parse().unwrap()].clone());
    }
    days.sort_by_key(ToString::to_string);
    assert_eq!(json!(days), json!(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05"]));
}

async fn the_mode_of_a_backfill_looks_at_earlier_runs(url: StoreUrl) {
    let store = open(&url).await;
    for (day, outcome) in [("2026-01-01", Outcome::Succeeded), ("2026-01-02", Outcome::Failed)] {
        let run = submit(&store, submission(&[&format!("day={day}")]), &by(), now()).await.unwrap().run;
        end(&store, run, outcome).await;
    }
    submit(&store, submission(&["day=2026-01-03"]), &by(), now()).await.unwrap();
    let check = async |mode| {
        let plan = plan_backfill(&store, &backfill("2026-01-01..2026-01-04", mode, 1)).await.unwrap();
        let values = plan.values.into_iter().filter(|value| value.skipped.is_none());
        values.map(|value| value.value[8..].to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(check(Mode::Missing).await, "02 04");
    assert_eq!(check(Mode::Failed).await, "02");
    assert_eq!(check(Mode::All).await, "01 02 03 04");
    let wrong = Backfill { param: "dya".to_owned(), ..backfill("1..2", Mode::All, 1) };
    assert_eq!(plan_backfill(&store, &wrong).await.unwrap_err().help.as_deref(), Some("did you mean `day`?"));
    let wrong = Backfill { param: "rows".to_owned(), ..backfill("0..2", Mode::All, 1) };
    let refused = plan_backfill(&store, &wrong).await.unwrap_err();
    assert_eq!(refused.message, "param `rows` is 0, but must be at least 1");
}

async fn a_cancelled_backfill_hands_out_no_more(url: StoreUrl) {
    let store = open(&url).await;
    let started = start_backfill(&store, backfill("1..9", Mode::All, 3), &by(), now()).await.unwrap();
    let handed_out = advance_backfills(&store, now()).await.unwrap().submitted;
    assert_eq!(handed_out.len(), 3);
    assert_eq!(cancel_backfill(&store, started.backfill).await.unwrap(), handed_out);
    for run in handed_out {
        end(&store, run, Outcome::Cancelled).await;
    }
    assert_eq!(advance_backfills(&store, now()).await.unwrap(), Advanced::default());
    assert_eq!(cancel_backfill(&store, started.backfill).await.unwrap_err().code, "backfill_state");
}

#[test]
fn the_daemon_can_hand_out_runs_in_a_task_of_its_own() {
    fn check(_: &(impl Future + Send)) {}
    #[expect(dead_code, reason = "that it compiles is the test")]
    async fn task(store: Store) {
        let work = async move { advance_backfills(&store, now()).await };
        check(&work);
        drop(work.await);
    }
}
