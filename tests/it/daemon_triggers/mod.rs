//! Triggers under a daemon: what makes pipelines run by themselves, through the program itself.

mod conditions;
mod events;
mod hooks;
mod overlap;
mod pauses;
mod times;

use phaseline::store::{Store, Tick};

use crate::harness::daemon::until;

/// The ticks of a trigger, oldest first.
async fn ticks(store: &Store, pipeline: &str, trigger: &str) -> Vec<Tick> {
    let mut ticks = store.ticks_of(pipeline, trigger, 1000).await.unwrap();
    ticks.reverse();
    ticks
}

/// Waits for a number of ticks.
async fn ticks_until(store: &Store, pipeline: &str, trigger: &str, count: usize) -> Vec<Tick> {
    let what = format!("{count} ticks of {pipeline}.{trigger}");
    until(&what, async || Some(ticks(store, pipeline, trigger).await).filter(|ticks| ticks.len() >= count)).await
}

/// Waits until a daemon looks after a trigger.
async fn looked_after(store: &Store, pipeline: &str, trigger: &str) {
    let what = format!("a look at {pipeline}.{trigger}");
    until(&what, async || store.trigger(pipeline, trigger).await.unwrap()?.looked_at).await;
}
