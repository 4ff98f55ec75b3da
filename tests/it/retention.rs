//! What may go goes, and nothing that anybody needs: on both databases, and through the program.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use phaseline::artifact::{ArtifactKind, ArtifactRef, ArtifactStore};
use phaseline::control::gc::{Kept, Policy, apply, look};
use phaseline::daemon::{Retention, RetentionSettings};
use phaseline::engine::{CacheIndex, EngineError, Happening, Outcome, RunLog};
use phaseline::id::{AttemptId, RunId};
use phaseline::store::{HistoryAges, Store, StoreUrl};

use crate::harness::databases::{on_both_databases, open, promises, write};
use crate::harness::history::{Log, claimed, key, new_run, outcome, small_plan, started, succeeded};
use crate::harness::project::Project;

const DAY: Duration = Duration::from_hours(24);

#[test]
fn databases_let_go_of_what_nobody_needs_and_of_nothing_else() {
    on_both_databases(promises![
        an_old_artifact_goes_with_its_cached_result_and_its_lineage_stays,
        a_pinned_artifact_and_one_of_an_unfinished_run_stay,
        an_artifact_that_is_made_again_while_it_goes_stays,
        events_of_old_runs_go_and_the_runs_stay,
        nothing_goes_for_a_day_after_a_leap_of_the_clock,
    ]);
}

/// A run of one step `load` that made `artifact` a hundred days ago.
async fn made(store: &Store, artifact: &ArtifactRef, finish: bool) -> RunId {
    let at = Utc::now() - TimeDelta::days(100);
    let run = new_run(RunId::generate(), small_plan(&["load"]), at);
    let lease = store.create(run.clone(), "alpha:1", DAY).await.unwrap();
    let (mut log, attempt) = (Log::starting(at), AttemptId::generate());
    let mut happened = vec![
        claimed("alpha:1"),
        started("load", attempt, Some(key(&artifact.digest.to_string())), vec![]),
        succeeded("load", attempt, outcome(&[("table", artifact)])),
    ];
    if finish {
        happened.push(Happening::RunFinished { outcome: Outcome::Succeeded });
    }
    let events = log.events(happened);
    store.append(&lease, 1, &events).await.unwrap();
    run.id
}

/// An artifact whose bytes were published a hundred days ago.
fn old(artifacts: &ArtifactStore, content: &str) -> ArtifactRef {
    let artifact = artifacts.put(ArtifactKind::File, content.as_bytes()).unwrap();
    let file = std::fs::File::open(artifacts.path(&artifact).unwrap()).unwrap();
    file.set_modified(std::time::SystemTime::now() - DAY * 100).unwrap();
    artifact
}

fn policy() -> Policy {
    Policy { keep_last: 0, ..Policy::default() }
}

async fn an_old_artifact_goes_with_its_cached_result_and_its_lineage_stays(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path()).unwrap();
    let artifact = old(&artifacts, "old");
    made(&store, &artifact, true).await;
    let cached = [key(&artifact.digest.to_string())];
    assert_eq!(store.lookup(&cached).await.unwrap().len(), 1);
    // One of the last successful runs keeps it.
    let kept = look(&store, &Policy { keep_last: 1, ..policy() }, Utc::now()).await.unwrap();
    assert!(matches!(kept.keep.as_slice(), [(_, Kept::LastRun { .. })]), "{kept:?}");
    let decision = look(&store, &policy(), Utc::now()).await.unwrap();
    assert_eq!(decision.free.iter().map(|candidate| candidate.digest).collect::<Vec<_>>(), [artifact.digest]);
    assert!(artifacts.path(&artifact).is_ok(), "looking changes nothing");
    let freed = apply(&store, &artifacts, &decision).await.unwrap();
    assert_eq!((freed.artifacts, freed.bytes, freed.spared), (1, 3, 0));
    assert!(artifacts.path(&artifact).is_err());
    assert!(store.lookup(&cached).await.unwrap().is_empty(), "a hit on it is a miss");
    assert_eq!(store.artifact(&artifact.digest.to_string()).await.unwrap().artifact.bytes, artifact.bytes);
    let again = look(&store, &policy(), Utc::now()).await.unwrap();
    assert!(again.free.is_empty() && again.collected.len() == 1, "{again:?}");
    // What is made again is there again.
    let artifact = artifacts.put(ArtifactKind::File, b"old").unwrap();
    made(&store, &artifact, true).await;
    assert!(look(&store, &policy(), Utc::now()).await.unwrap().collected.is_empty());
}

async fn a_pinned_artifact_and_one_of_an_unfinished_run_stay(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path()).unwrap();
    let (pinned, running, late) = (old(&artifacts, "pinned"), old(&artifacts, "running"), old(&artifacts, "late"));
    made(&store, &pinned, true).await;
    made(&store, &late, true).await;
    made(&store, &running, false).await;
    store.pin(pinned.digest, "the audit of March", "ada").await.unwrap();
    let decision = look(&store, &policy(), Utc::now()).await.unwrap();
    assert_eq!(decision.free.len(), 1, "{decision:?}");
    // Between the look and the deed somebody pins the last one.
    store.pin(late.digest, "needed after all", "bob").await.unwrap();
    let freed = apply(&store, &artifacts, &decision).await.unwrap();
    assert_eq!((freed.artifacts, freed.spared), (0, 1));
    for artifact in [&pinned, &running, &late] {
        assert!(artifacts.verified_path(artifact).is_ok());
    }
    assert!(store.unpin(pinned.digest).await.unwrap() && !store.unpin(pinned.digest).await.unwrap());
    assert_eq!(store.pins().await.unwrap()[0].reason, "needed after all");
}

async fn an_artifact_that_is_made_again_while_it_goes_stays(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path()).unwrap();
    let artifact = old(&artifacts, "again");
    made(&store, &artifact, true).await;
    let decision = look(&store, &policy(), Utc::now()).await.unwrap();
    assert_eq!(decision.free.len(), 1);
    // An attempt commits the same content; nothing of it is recorded yet.
    artifacts.put(ArtifactKind::File, b"again").unwrap();
    let freed = apply(&store, &artifacts, &decision).await.unwrap();
    assert_eq!((freed.artifacts, freed.spared), (0, 1));
    assert!(artifacts.verified_path(&artifact).is_ok());
    assert!(look(&store, &policy(), Utc::now()).await.unwrap().collected.is_empty(), "it is not marked as freed");
}

async fn events_of_old_runs_go_and_the_runs_stay(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path()).unwrap();
    let ended = made(&store, &old(&artifacts, "ended"), true).await;
    let running = made(&store, &old(&artifacts, "running"), false).await;
    let ages = HistoryAges { outbox: Duration::ZERO, ..HistoryAges::default() };
    // A row of the same millisecond is not older than now.
    let gone = loop {
        let gone = store.clear_history(&ages, Utc::now()).await.unwrap();
        if gone.events > 0 {
            break gone;
        }
    };
    assert_eq!(gone.events, 4);
    assert_eq!(store.run_summary(ended).await.unwrap().state, "succeeded");
    assert_eq!(store.events(running).await.unwrap().len(), 3);
    let refused = store.events(ended).await.unwrap_err();
    assert!(matches!(&refused, EngineError::Corrupt { reason, .. } if reason.contains("rerun")), "{refused}");
}

async fn nothing_goes_for_a_day_after_a_leap_of_the_clock(url: StoreUrl) {
    const DAY_MS: i64 = 24 * 3_600_000;
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path()).unwrap();
    let artifact = old(&artifacts, "old");
    let run = made(&store, &artifact, true).await;
    let ages = HistoryAges { events: DAY, outbox: Duration::ZERO, ..HistoryAges::default() };
    let settings = RetentionSettings { ages, policy: policy(), ..RetentionSettings::default() };
    let (artifacts, state) = (artifacts.clone(), folder.path().to_owned());
    let retention = Retention { store: store.clone(), artifacts: artifacts.clone(), state, settings };
    let is_there = async || (store.events(run).await.is_ok(), artifacts.path(&artifact).is_ok());
    // Nobody was there since the run of a hundred days ago.
    retention.once().await.unwrap();
    assert_eq!(is_there().await, (true, true));
    let leap = store.see_clock().await.unwrap().doubt.expect("a leap of a hundred days");
    assert!(leap.to - leap.from > TimeDelta::days(99), "{leap}");
    // A day later it counts, unless it leaps again.
    let pass = |ms: i64| format!("update clock set leap_to_ms = leap_to_ms - {ms}, seen_ms = seen_ms - {ms}");
    write(&url, &pass(DAY_MS / 2)).await;
    retention.once().await.unwrap();
    assert_eq!(is_there().await, (true, true));
    write(&url, &pass(4000 * DAY_MS)).await;
    retention.once().await.unwrap();
    assert_eq!(is_there().await, (true, true));
    for _ in 0..3 {
        write(&url, &pass(DAY_MS / 2)).await;
        store.see_clock().await.unwrap();
    }
    assert_eq!(store.see_clock().await.unwrap().doubt, None);
    retention.once().await.unwrap();
    assert_eq!(is_there().await, (false, false));
}

#[test]
fn gc_shows_first_and_frees_when_told_to_and_what_went_is_made_again() {
    let manifest = "
version: 1
pipeline: numbers
data_engineering:
  steps:
    one: {run: 'echo one > \"$PHASELINE_OUTPUT_TEXT\"', outputs: {text: file}}
";
    let project = Project::with_manifest(manifest);
    project.run(&["gc"]).expect(2);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let all = ["gc", "--max-size", "1B", "--keep-last", "0", "--grace", "1s"];
    let with = |more: &[&str]| -> Vec<String> { all.iter().chain(more).map(|text| (*text).to_owned()).collect() };
    let gc = |more: &[&str]| {
        let arguments = with(more);
        project.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).expect(0)
    };
    // What was made in the last minutes stays, since an attempt may not have recorded it yet.
    assert!(gc(&[]).stdout().contains("last used"));
    let database = project.path().join(".phaseline/phaseline.db");
    let long_ago = "2026-01-01T00:00:00.000000Z";
    age(&database, long_ago);
    for blob in walk(&project.path().join(".phaseline/artifacts/blobs")) {
        let file = std::fs::File::open(&blob).unwrap();
        file.set_modified(std::time::SystemTime::now() - DAY).unwrap();
    }
    let shown = gc(&["--json"]).json();
    assert_eq!((shown["free_bytes"].as_u64(), shown["applied"].as_bool()), (Some(4), Some(false)));
    let digest = shown["free"][0]["digest"].as_str().unwrap().to_owned();
    // Nothing was done since then, or somebody has set the clock.
    let refused = project.run(&["gc", "--apply"]).expect(2).stderr();
    assert!(refused.contains("the clock went from 2026-01-01T00:00:00Z to ") && refused.contains("--trust-clock"));
    project.run(&["gc", "pin", &digest, "--reason", "kept for the audit"]).expect(0);
    assert!(gc(&["--apply", "--trust-clock"]).stdout().contains("kept for the audit"));
    project.run(&["gc", "unpin", &digest]).expect(0);
    let freed = gc(&["--apply", "--trust-clock", "--json"]).json();
    assert_eq!((freed["freed"]["artifacts"].as_u64(), freed["freed"]["bytes"].as_u64()), (Some(1), Some(4)));
    let again = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
    assert_eq!(again.state("one"), "succeeded", "it is made again and not reused");
}

/// Everything was made at that time.
pub(crate) fn age(database: &std::path::Path, at: &str) {
    use sqlx::Connection;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(database.to_str().unwrap()).await.unwrap();
        for sql in ["update artifacts set created_at = $1", "update runs set created_at = $1, finished_at = $1"] {
            sqlx::query(sql).bind(at).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    });
}

/// All files below a folder.
pub(crate) fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
