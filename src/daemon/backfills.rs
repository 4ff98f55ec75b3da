//! The loop that hands out the runs of backfills. Any number of daemons may have one.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;

use super::health::Health;
use crate::control::advance_backfills;
use crate::engine::Bell;
use crate::store::{Looks, Store};

/// How often to look even if no bell rings.
const POLL: Duration = Duration::from_secs(2);
/// How often the bell may lead to a look.
const SOON: Duration = Duration::from_millis(250);
/// How long a turn may take while the database is away, or while many runs are planned.
const TURN: Duration = Duration::from_secs(120);
/// How long a look is left out where it can be told that nothing was written.
const PATIENCE: Duration = Duration::from_secs(10);
/// The name of the loop in [`Health`].
const LOOP: &str = "backfills";

/// Records the next runs of all backfills as earlier ones end, until the daemon begins to end.
pub(super) async fn hand_out(store: Store, mut bell: Bell, health: Arc<Health>, mut draining: watch::Receiver<bool>) {
    let mut looks = Looks::default();
    while !*draining.borrow() {
        health.turned(LOOP, TURN);
        if looks.is_due(&store, PATIENCE) && advance(&store, &bell).await {
            looks.found();
        }
        let looked_again = async {
            tokio::time::sleep(SOON).await;
            // Nothing may ring for long, and that is no failure.
            drop(tokio::time::timeout(POLL, bell.rung()).await);
        };
        tokio::select! {
            biased;
            // An error means that the daemon is gone.
            _ = draining.wait_for(|draining| *draining) => break,
            () = looked_again => {}
        }
    }
    health.ended(LOOP);
}

/// Records the next runs; says whether there were any, or may be some that could not be recorded.
async fn advance(store: &Store, bell: &Bell) -> bool {
    match advance_backfills(store, Utc::now()).await {
        Ok(advanced) if advanced.submitted.is_empty() => false,
        Ok(advanced) => {
            tracing::info!("{} runs of backfills were submitted", advanced.submitted.len());
            bell.ring();
            true
        }
        Err(error) => {
            tracing::warn!(%error, "backfills do not go on; they are looked at again");
            true
        }
    }
}
