//! Triggers that wait for runs, files and conditions.

use phaseline::store::{Store, TickState};
use reqwest::Method;
use serde_json::{Value, json};

use super::{looked_after, ticks, ticks_until};
use crate::harness::daemon::{Daemon, store_of, until};
use crate::harness::project::Project;

pub(super) const INGEST: &str = "version: 1
pipeline: ingest
params:
  level: {type: float, default: 0.1}
  ends: {type: string, default: \"true\"}
understanding:
  steps:
    measure:
      run: 'echo \"{\\\"metric\\\": {\\\"name\\\": \\\"drift\\\", \\\"value\\\": ${{ params.level }}}}\" >> \"$PHASELINE_EVENTS\"; ${{ params.ends }}'
";

const FOLLOWERS: &str = "version: 1
pipeline: followers
params:
  upstream: {type: string, default: none}
  data: {type: path, default: data.csv}
triggers:
  chained: {after: ingest, overlap: allow, set: {upstream: \"${{ trigger.run }}\"}}
  lamented: {after: {pipeline: ingest, outcome: failed}, overlap: allow}
  arrived: {files: {glob: \"in/*.csv\", settle: 300ms}, overlap: allow, set: {data: \"${{ trigger.file }}\"}}
  drifted: {when: runs.ingest.steps.measure.metrics.drift > 0.3, cooldown: 10ms, max_per_day: 2, overlap: allow}
understanding: {steps: {a: {run: \"true\"}}}
";

async fn param(store: &Store, run: phaseline::id::RunId, name: &str) -> Value {
    let summary = phaseline::engine::RunLog::run(store, run).await.unwrap();
    summary.plan.params.iter().find(|(known, _)| known.as_str() == name).unwrap().1.clone()
}

/// Runs `ingest` to its end; gives its id.
pub(super) async fn ingest(daemon: &Daemon, params: Value) -> String {
    let path = "/api/v1/pipelines/ingest/runs";
    let (status, run) = daemon.ask(Method::POST, path, Some(&json!({"params": params}))).await;
    assert_eq!(status, 201, "{run}");
    let run = run["run"].as_str().unwrap().to_owned();
    until("the end of the run", async || {
        let (_, shown) = daemon.ask(Method::GET, &format!("/api/v1/runs/{run}"), None).await;
        shown["finished_at"].as_str().map(str::to_owned)
    })
    .await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_runs_files_and_conditions_fire_once_each() {
    let project = Project::new();
    project.write("pipelines/ingest.yaml", INGEST);
    project.write("pipelines/followers.yaml", FOLLOWERS);
    project.write("pipelines/in/old.csv", "1");
    let daemon = Daemon::start(&project);
    let store = store_of(&project).await;
    for trigger in ["chained", "lamented", "arrived", "drifted"] {
        looked_after(&store, "followers", trigger).await;
    }

    let quiet = ingest(&daemon, json!({})).await;
    let chained = ticks_until(&store, "followers", "chained", 1).await;
    assert_eq!((chained[0].key.as_str(), chained[0].state), (quiet.as_str(), TickState::Fired));
    assert_eq!(param(&store, chained[0].run.unwrap(), "upstream").await, quiet);

    let failed = ingest(&daemon, json!({"ends": "false"})).await;
    let lamented = ticks_until(&store, "followers", "lamented", 1).await;
    assert_eq!(lamented[0].key, failed);

    project.write("pipelines/in/new.csv", "1");
    let arrived = ticks_until(&store, "followers", "arrived", 1).await;
    assert_eq!(param(&store, arrived[0].run.unwrap(), "data").await, "in/new.csv");

    let mut crossed = Vec::new();
    for level in [0.4, 0.5] {
        crossed.push(ingest(&daemon, json!({"level": level})).await);
        let drifted = ticks_until(&store, "followers", "drifted", crossed.len()).await;
        let keys: Vec<&str> = drifted.iter().map(|tick| tick.key.as_str()).collect();
        let expected: Vec<String> = crossed.iter().map(|run| format!("runs:{run}")).collect();
        assert_eq!(keys, expected);
    }
    ingest(&daemon, json!({"level": 0.6})).await;
    let because = until("what hinders a third one in a day", async || {
        store.trigger("followers", "drifted").await.unwrap()?.because
    })
    .await;
    assert!(because.starts_with("stays quiet until "), "{because}");
    ticks_until(&store, "followers", "chained", 4).await;
    drop(daemon);
    for (trigger, count) in [("chained", 4), ("lamented", 1), ("arrived", 1), ("drifted", 2)] {
        assert_eq!(ticks(&store, "followers", trigger).await.len(), count, "{trigger}");
    }
}
