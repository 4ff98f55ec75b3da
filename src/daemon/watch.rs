//! Looks after what a daemon needs: the database, the disk, and loops that turn; and says that the daemon is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::disk::DiskFloor;
use super::health::{Health, Trouble};
use super::systemd;
use crate::engine::Bell;
use crate::store::{Beat, Store};

/// How often the database is asked whether it is there.
const PING: Duration = Duration::from_secs(1);
/// How long it may take to answer before it counts as away.
const ANSWER: Duration = Duration::from_secs(3);
/// How often the room on disks is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often a daemon says that it is there.
const BEAT: Duration = Duration::from_secs(5);

/// Notes when the database goes away, and rings the bell when it is back.
pub(super) async fn database(store: Store, health: Arc<Health>, bell: Bell) {
    loop {
        health.turned("database", ANSWER * 5);
        let trouble = match timeout(ANSWER, store.ping()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(crate::worker::with_causes(&error)),
            Err(_) => Some(format!("the database has not answered for {} s", ANSWER.as_secs())),
        };
        let is_away = trouble.is_some();
        let words = trouble.clone().unwrap_or_default();
        if health.set(Trouble::Database, trouble) {
            if is_away {
                tracing::error!("the database is away: {words}; what runs goes on, and nothing new begins");
            } else {
                tracing::info!("the database is back");
                bell.ring();
            }
        }
        tokio::time::sleep(PING).await;
    }
}

/// Notes when there is too little room, and rings the bell when there is enough again.
pub(super) async fn disk(floor: DiskFloor, health: Arc<Health>, bell: Bell) {
    loop {
        health.turned("disk", LOOK * 10);
        let floor = floor.clone();
        // A disk that hangs must not hang the daemon.
        let looked = tokio::task::spawn_blocking(move || floor.trouble());
        if let Ok(Ok(trouble)) = timeout(LOOK * 5, looked).await {
            note_disk(&health, &bell, trouble);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Says what has changed about the room on disks.
pub(super) fn note_disk(health: &Health, bell: &Bell, trouble: Option<String>) {
    let words = trouble.clone();
    if health.set(Trouble::Disk, trouble) {
        match words {
            Some(words) => tracing::error!("{words}"),
            None => {
                tracing::info!("there is room on the disk again");
                bell.ring();
            }
        }
    }
}

/// Says every few seconds that the daemon is there, and soon when it drains.
pub(super) async fn beat(store: Store, beat: Beat, health: Arc<Health>, mut draining: watch::Receiver<bool>) {
    loop {
        let is_draining = *draining.borrow_and_update();
        if let Err(error) = store.beat(&Beat { is_draining, trouble: health.in_words(), ..beat.clone() }).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the daemon cannot say that it is there");
        }
        if let Err(error) = store.see_clock().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the clock cannot be looked at");
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            Ok(()) = draining.changed() => {}
        }
    }
}

/// Tells systemd that all loops turn, as long as they do; a loop that does not is named.
pub(super) async fn watchdog(health: Arc<Health>) {
    let every = systemd::watchdog().map_or(LOOK * 5, |within| within / 3);
    loop {
        let stuck = health.stuck(Instant::now());
        let words = stuck.map(|name| format!("the loop `{name}` does not turn any more"));
        if health.set(Trouble::Stuck, words.clone())
            && let Some(words) = &words
        {
            tracing::error!("{words}");
        }
        if words.is_none() {
            systemd::alive();
        }
        tokio::time::sleep(every).await;
    }
}
