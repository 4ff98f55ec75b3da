//! Triggers that go by the clock, under daemons that are killed and daemons that share a database.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use phaseline::store::{Store, StoreUrl, Tick, TickState};

use super::{ticks, ticks_until};
use crate::harness::daemon::{Daemon, store_of, until};
use crate::harness::postgres::Cluster;
use crate::harness::project::Project;

const SECONDS: &str = "version: 1
pipeline: seconds
triggers: {often: {every: 1s, overlap: allow}}
understanding: {steps: {a: {run: \"true\"}}}
";

fn project(text: &str) -> Project {
    let project = Project::new();
    project.write("pipelines/seconds.yaml", text);
    project
}

/// Checks that ticks stand for every second between the first and the last, each with a run of its own that ends well.
async fn every_second_has_its_run(store: &Store, ticks: &[Tick]) {
    let times: Vec<DateTime<Utc>> = ticks.iter().map(|tick| tick.key.parse().unwrap()).collect();
    for pair in times.windows(2) {
        assert_eq!(pair[1] - pair[0], TimeDelta::seconds(1), "{times:?}");
    }
    let runs: BTreeSet<_> = ticks.iter().map(|tick| tick.run.unwrap()).collect();
    assert_eq!(runs.len(), ticks.len());
    for run in &runs {
        until("the end of a run", async || {
            let outcome = store.run_summary(*run).await.unwrap().state;
            (outcome == "succeeded").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_loses_no_time_and_the_next_one_doubles_none() {
    let project = project(SECONDS);
    let first = Daemon::start(&project);
    let store = store_of(&project).await;
    let before = ticks_until(&store, "seconds", "often", 3).await;
    first.kill();
    let known = ticks(&store, "seconds", "often").await.len();
    assert!(known >= before.len());
    let second = Daemon::start(&project);
    let after = ticks_until(&store, "seconds", "often", known + 3).await;
    assert!(after.iter().all(|tick| tick.state == TickState::Fired), "{after:?}");
    every_second_has_its_run(&store, &after).await;
    drop(second);
    let all = ticks(&store, "seconds", "often").await;
    assert_eq!(store.runs(None, 1000).await.unwrap().len(), all.len(), "no run without a tick");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_on_one_database_fire_each_time_once() {
    let cluster = Cluster::start().await;
    let url = cluster.database("shared").await;
    let StoreUrl::Postgres(text) = &url else { panic!("a Postgres database") };
    let project = project(SECONDS);
    let start = |state| Daemon::start_with(&project, &["--state", state, "--database-url", text]);
    let (one, other) = (start("one"), start("other"));
    let store = Store::open(&url).await.unwrap();
    let together = ticks_until(&store, "seconds", "often", 5).await;
    every_second_has_its_run(&store, &together).await;
    one.kill();
    let alone = ticks_until(&store, "seconds", "often", together.len() + 3).await;
    every_second_has_its_run(&store, &alone).await;
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_manifest_keeps_the_triggers_of_its_last_good_version() {
    let project = project(SECONDS);
    let daemon = Daemon::start(&project);
    let store = store_of(&project).await;
    ticks_until(&store, "seconds", "often", 1).await;
    project.write("pipelines/seconds.yaml", SECONDS.replace("every: 1s", "every: never"));
    let broken = async |daemon: &Daemon| {
        until("the report", async || {
            let (_, shown) = daemon.ask(reqwest::Method::GET, "/api/v1/pipelines/seconds", None).await;
            shown["broken"].as_str().map(str::to_owned)
        })
        .await
    };
    assert!(broken(&daemon).await.contains("never"));
    let known = ticks(&store, "seconds", "often").await.len();
    ticks_until(&store, "seconds", "often", known + 2).await;
    drop(daemon);
    // A daemon that has never seen the good version itself goes by what is on record.
    let daemon = Daemon::start(&project);
    let known = ticks(&store, "seconds", "often").await.len();
    let all = ticks_until(&store, "seconds", "often", known + 2).await;
    every_second_has_its_run(&store, &all).await;
    drop(daemon);
}
