//! What a tick does while the trigger's last run goes on.

use phaseline::store::Tick;
use phaseline::store::TickState::{Fired, Queued, Skipped};

use super::{looked_after, ticks};
use crate::harness::daemon::{Daemon, store_of, until};
use crate::harness::project::Project;

const HELD: &str = "version: 1
pipeline: held
triggers:
  skips: {webhook: token}
  queues: {webhook: token, overlap: queue}
  replaces: {webhook: token, overlap: cancel_running}
understanding:
  steps: {wait: {run: \"while [ -e hold ]; do sleep 0.05; done\"}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_meets_a_run_that_goes_on_as_its_overlap_says() {
    let project = Project::new();
    project.write("pipelines/held.yaml", HELD);
    let hold = project.write("pipelines/hold", "");
    let daemon = Daemon::start(&project);
    let store = store_of(&project).await;
    let state = async |tick: &Tick| Some(store.run_summary(tick.run?).await.unwrap().state);
    for trigger in ["skips", "queues", "replaces"] {
        looked_after(&store, "held", trigger).await;
        for key in ["1", "2", "3"] {
            project.run(&["triggers", "fire", &format!("held.{trigger}"), "--key", key]).expect(0);
            let first = ticks(&store, "held", trigger).await.remove(0);
            until("a run that goes on", async || state(&first).await.filter(|state| state != "waiting")).await;
        }
    }
    let states = async |trigger| ticks(&store, "held", trigger).await.iter().map(|tick| tick.state).collect::<Vec<_>>();
    assert_eq!(states("skips").await, [Fired, Skipped, Skipped]);
    assert_eq!(states("queues").await, [Fired, Queued, Skipped]);
    let replaces = ticks(&store, "held", "replaces").await;
    assert_eq!(replaces.iter().map(|tick| tick.state).collect::<Vec<_>>(), [Fired, Fired, Fired]);
    for replaced in &replaces[..2] {
        until("the end of what was replaced", async || state(replaced).await.filter(|state| state == "cancelled"))
            .await;
    }
    std::fs::remove_file(hold).unwrap();
    until("the run of the tick that waited", async || {
        let waited = ticks(&store, "held", "queues").await.remove(1);
        state(&waited).await.filter(|state| state == "succeeded")
    })
    .await;
    until("the end of the last", async || state(&replaces[2]).await.filter(|state| state == "succeeded")).await;
    drop(daemon);
    assert_eq!(states("queues").await, [Fired, Fired, Skipped]);
}
