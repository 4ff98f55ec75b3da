//! Pauses of one trigger and of a whole pipeline, and what comes of the times that they miss.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Timelike, Utc};
use phaseline::store::{StoreUrl, TickState};
use reqwest::Method;

use super::{looked_after, ticks, ticks_until};
use crate::harness::daemon::{Daemon, store_of, until};
use crate::harness::databases::write;
use crate::harness::project::Project;

/// Daily times that do not come while the test runs.
fn manifest() -> String {
    let hour = (Utc::now() + TimeDelta::hours(12)).hour();
    format!(
        "version: 1
pipeline: daily
triggers:
  latest: {{cron: \"0 {hour} * * *\", overlap: allow}}
  skips: {{cron: \"0 {hour} * * *\", overlap: allow, missed: skip}}
  all: {{cron: \"0 {hour} * * *\", overlap: allow, missed: all, most: 3}}
  often: {{every: 1s, overlap: allow, missed: skip}}
understanding: {{steps: {{a: {{run: \"true\"}}}}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_pipeline_fires_nothing_and_deals_with_what_it_missed_afterwards() {
    let project = Project::new();
    project.write("pipelines/daily.yaml", manifest());
    let daemon = Daemon::start(&project);
    let store = store_of(&project).await;
    for trigger in ["latest", "skips", "all"] {
        looked_after(&store, "daily", trigger).await;
    }
    ticks_until(&store, "daily", "often", 1).await;
    assert_eq!(daemon.ask(Method::POST, "/api/v1/pipelines/daily/pause", Some(&serde_json::json!({}))).await.0, 200);
    let paused = async |trigger: &str| {
        let told = store.trigger("daily", trigger).await.unwrap()?.because;
        told.filter(|because| because == "it is paused")
    };
    for trigger in ["latest", "skips", "all", "often"] {
        until("the pause to be seen", async || paused(trigger).await).await;
    }
    let before = ticks(&store, "daily", "often").await;
    // The pause has lasted for ten days.
    let url = StoreUrl::in_state_folder(&project.path().join(".phaseline"));
    write(&url, "update triggers set since_ms = since_ms - 864000000 where trigger_name <> 'often'").await;
    let hand = project.run(&["triggers", "fire", "daily.latest", "--key", "hand", "--json"]).expect(0).json();
    assert_eq!(hand["state"], "fired", "a hand fires what is paused");
    let resumed = Utc::now();
    project.run(&["triggers", "resume", "daily"]).expect(0);

    let after = ticks_until(&store, "daily", "often", before.len() + 1).await;
    assert!(after[before.len()].key.parse::<chrono::DateTime<Utc>>().unwrap() > resumed, "{after:?}");
    let mut came = BTreeMap::new();
    for (trigger, count) in [("latest", 3), ("all", 4)] {
        let states = ticks_until(&store, "daily", trigger, count).await;
        let fired = states.iter().filter(|tick| tick.state == TickState::Fired).count();
        let skipped = states.iter().filter(|tick| tick.state == TickState::Skipped).count();
        came.insert(trigger, (fired, skipped));
    }
    assert_eq!(came["latest"], (2, 1), "the hand, the latest time, and one tick for those left out");
    assert_eq!(came["all"], (3, 1));
    until("a look after the pause", async || {
        let told = store.trigger("daily", "skips").await.unwrap()?;
        told.because.is_none().then_some(())
    })
    .await;
    assert!(ticks(&store, "daily", "skips").await.is_empty());
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_is_paused_by_itself_stays_so_when_its_pipeline_goes_on() {
    let project = Project::new();
    project.write("pipelines/daily.yaml", manifest());
    let daemon = Daemon::start(&project);
    let store = store_of(&project).await;
    ticks_until(&store, "daily", "often", 1).await;
    project.run(&["triggers", "pause", "daily.often"]).expect(0);
    project.run(&["triggers", "pause", "daily"]).expect(0);
    project.run(&["triggers", "resume", "daily"]).expect(0);
    let told = until("the pause", async || {
        store.trigger("daily", "often").await.unwrap()?.because.filter(|because| because == "it is paused")
    })
    .await;
    let known = ticks(&store, "daily", "often").await.len();
    assert_eq!(told, "it is paused");
    let (status, shown) = daemon.ask(Method::POST, "/api/v1/triggers/daily/often/resume", None).await;
    assert_eq!((status, &shown["paused_at"]), (200, &serde_json::Value::Null), "{shown}");
    ticks_until(&store, "daily", "often", known + 1).await;
    let unknown = project.run(&["triggers", "pause", "dialy"]).expect(2);
    assert!(unknown.stderr().contains("daily"), "{}", unknown.stderr());
    drop(daemon);
}
