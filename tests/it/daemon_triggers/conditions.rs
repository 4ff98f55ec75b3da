//! How seldom a trigger fires whose condition is true again and again.

use chrono::{DateTime, TimeDelta, Utc};
use phaseline::store::{StoreUrl, Tick};
use serde_json::json;

use super::events::{INGEST, ingest};
use super::{looked_after, ticks, ticks_until};
use crate::harness::daemon::{Daemon, store_of, until};
use crate::harness::databases::write;
use crate::harness::project::Project;

fn followers(limits: &str) -> String {
    format!(
        "version: 1
pipeline: followers
triggers:
  drifted: {{when: runs.ingest.steps.measure.metrics.drift > 0.3, {limits}, overlap: allow}}
understanding: {{steps: {{a: {{run: \"true\"}}}}}}
"
    )
}

async fn started(limits: &str) -> (Project, Daemon) {
    let project = Project::new();
    project.write("pipelines/ingest.yaml", INGEST);
    project.write("pipelines/followers.yaml", followers(limits));
    let daemon = Daemon::start(&project);
    looked_after(&store_of(&project).await, "followers", "drifted").await;
    (project, daemon)
}

fn decided_at(tick: &Tick) -> DateTime<Utc> {
    tick.decided_at.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_comes_true_during_the_cooldown_fires_once_it_is_over_though_no_other_run_ends() {
    let (project, daemon) = started("cooldown: 2s").await;
    let store = store_of(&project).await;
    ingest(&daemon, json!({"level": 0.4})).await;
    ticks_until(&store, "followers", "drifted", 1).await;
    let mut last = String::new();
    // Several, so that all but the last are passed by.
    for level in [0.5, 0.6] {
        last = ingest(&daemon, json!({"level": level})).await;
    }
    let drifted = until("a tick for the last run", async || {
        let ticks = ticks(&store, "followers", "drifted").await;
        ticks.iter().any(|tick| tick.key == format!("runs:{last}")).then_some(ticks)
    })
    .await;
    for pair in drifted.windows(2) {
        assert!(decided_at(&pair[1]) - decided_at(&pair[0]) >= TimeDelta::seconds(2), "{drifted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_fires_so_often_in_a_day_and_again_a_day_later() {
    let (project, daemon) = started("max_per_day: 1").await;
    let store = store_of(&project).await;
    let first = ingest(&daemon, json!({"level": 0.4})).await;
    ticks_until(&store, "followers", "drifted", 1).await;
    ingest(&daemon, json!({"level": 0.5})).await;
    let because = until("why it stays quiet", async || {
        store.trigger("followers", "drifted").await.unwrap()?.because.filter(|because| because.contains("quiet"))
    })
    .await;
    let tomorrow = (decided_at(&ticks(&store, "followers", "drifted").await[0]) + TimeDelta::days(1)).to_rfc3339();
    assert!(because.starts_with(&format!("stays quiet until {}", &tomorrow[..19])), "{because}");

    let url = StoreUrl::in_state_folder(&project.path().join(".phaseline"));
    let yesterday = (Utc::now() - TimeDelta::hours(25)).format("%Y-%m-%dT%H:%M:%S%.6fZ");
    write(&url, &format!("update ticks set decided_at = '{yesterday}'")).await;
    let third = ingest(&daemon, json!({"level": 0.6})).await;
    let keys: Vec<String> =
        ticks_until(&store, "followers", "drifted", 2).await.into_iter().map(|tick| tick.key).collect();
    assert_eq!(keys, [format!("runs:{first}"), format!("runs:{third}")]);
}
