//! The daemon as a whole: starts its loops, and ends them in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::disk::DiskFloor;
use super::health::{Health, Trouble};
use super::lock::StateLock;
use super::pipelines::Pipelines;
use super::signals::Signals;
use super::supervisor::{Supervisor, cancel_all};
use super::triggers::look_after;
use super::{DaemonError, backfills, hints, systemd, watch as watching};
use crate::control::Version;
use crate::engine::{Bell, Engine};
use crate::fault;
use crate::store::{Beat, Store, StoreUrl};

/// How long the loops of a daemon that ends wait for the database.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the database may be away before a loop gives a turn up; the next turn tries again.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a daemon works.
#[derive(Debug, Clone)]
pub struct DaemonSettings {
    /// Its name as the holder of leases.
    pub owner: String,
    /// Its machine.
    pub host: String,
    /// The state folder.
    pub state_folder: PathBuf,
    /// The folder of artifacts, if it is one of this machine.
    pub artifacts: Option<PathBuf>,
    /// The folder of manifests.
    pub pipelines: Option<PathBuf>,
    /// Where it listens.
    pub address: String,
    /// How long a lease is valid without renewal.
    pub lease_for: Duration,
    /// How many runs it drives at once.
    pub most_runs: usize,
    /// Room that must be free on the disks of state and artifacts before anything new begins.
    pub disk_floor_bytes: u64,
    /// How long it waits for a second signal while workers that it leaves still run.
    pub linger: Duration,
}

/// Drives runs, keeps pipelines loaded, and ends in order.
pub struct Daemon {
    settings: DaemonSettings,
    store: Store,
    engine: Arc<Engine>,
    bell: Bell,
    health: Arc<Health>,
    pipelines: Option<Pipelines>,
    signals: Signals,
    draining: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    floor: DiskFloor,
    beat: Beat,
    _lock: Option<StateLock>,
}

impl Daemon {
    /// Locks the state, loads the pipelines, and takes up what was put aside. From now on signals end nothing at once.
    ///
    /// # Errors
    /// When another daemon uses the same SQLite state, or the folder or the database cannot be used.
    pub async fn start(
        settings: DaemonSettings,
        store: &Store,
        engine: Arc<Engine>,
        bell: Bell,
        health: Arc<Health>,
    ) -> Result<Daemon, DaemonError> {
        let lock = match store.url() {
            StoreUrl::Sqlite(_) => Some(StateLock::take(&settings.state_folder)?),
            // Leases keep daemons apart there, and those of one machine adopt each other's workers.
            StoreUrl::Postgres(_) => None,
        };
        let signals = Signals::listen()?;
        let store = store.clone().with_patience(PATIENCE);
        let beat = Beat {
            daemon: settings.owner.clone(),
            host: settings.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: Some(settings.address.clone()),
            pipelines: settings.pipelines.as_ref().map(|folder| folder.to_string_lossy().into_owned()),
            started_at: Utc::now(),
            is_draining: false,
            trouble: None,
        };
        store.beat(&beat).await?;
        if lock.is_some() {
            // A daemon that was killed has left its requests to be asked again.
            store.free_keyed().await?;
        }
        let taken_up = store.end_quarantine().await?;
        if taken_up > 0 {
            tracing::info!("{taken_up} runs that were put aside are tried again");
        }
        let pipelines = match &settings.pipelines {
            Some(folder) => Some(Pipelines::load(store.clone(), folder, &settings.owner).await?),
            None => None,
        };
        let folders = settings.artifacts.iter().chain([&settings.state_folder]).cloned().collect();
        let floor = DiskFloor::new(folders, settings.disk_floor_bytes);
        watching::note_disk(&health, &bell, floor.trouble());
        Ok(Daemon {
            settings,
            store,
            engine,
            bell,
            health,
            pipelines,
            signals,
            draining: watch::channel(false).0,
            ended: watch::channel(false).0,
            floor,
            beat,
            _lock: lock,
        })
    }

    /// Becomes true when the daemon begins to end.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Becomes true when everything but answering has ended.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// The last good versions of the pipelines that are loaded, and their changes; none without a folder.
    pub fn versions(&self) -> Option<watch::Receiver<Arc<Vec<Version>>>> {
        self.pipelines.as_ref().map(Pipelines::versions)
    }

    /// Works until a signal asks for the end. The first one leaves what runs to the next daemon, a second one ends it.
    pub async fn run(self) {
        let Daemon { settings, store, engine, bell, health, pipelines, mut signals, .. } = self;
        let reload = Bell::new();
        let mut loops = JoinSet::new();
        loops.spawn(hints::ring_on_hints(store.clone(), bell.clone()));
        loops.spawn(watching::database(store.clone(), Arc::clone(&health), bell.clone()));
        loops.spawn(watching::disk(self.floor, Arc::clone(&health), bell.clone()));
        loops.spawn(watching::beat(store.clone(), self.beat, Arc::clone(&health), self.draining.subscribe()));
        loops.spawn(watching::watchdog(Arc::clone(&health)));
        let (draining, health_of_backfills) = (self.draining.subscribe(), Arc::clone(&health));
        loops.spawn(backfills::hand_out(store.clone(), bell.clone(), health_of_backfills, draining));
        let versions = pipelines.as_ref().map(Pipelines::versions);
        let count = versions.as_ref().map_or(0, |versions| versions.borrow().len());
        let looking = versions.map(|versions| {
            let draining = self.draining.subscribe();
            tokio::spawn(look_after(store.clone(), bell.clone(), Arc::clone(&health), versions, draining))
        });
        let following = pipelines.map(|pipelines| tokio::spawn(pipelines.follow(Arc::clone(&health), reload.clone())));
        let supervisor = Supervisor {
            store: store.clone(),
            engine: Arc::clone(&engine),
            health: Arc::clone(&health),
            owner: settings.owner.clone(),
            host: settings.host.clone(),
            lease_for: settings.lease_for,
            most_runs: settings.most_runs,
            bell,
        };
        let mut supervisor = tokio::spawn(supervisor.run(self.draining.subscribe()));
        systemd::ready(&format!("{count} pipelines"));

        let signal = signals.end(|| reload.ring()).await;
        tracing::info!(
            "{signal}: nothing new begins; what runs is left to the next daemon, and a second signal ends it"
        );
        systemd::stopping();
        health.set(Trouble::Draining, Some("the daemon is about to end".to_owned()));
        self.draining.send_replace(true);
        if let Some(following) = following {
            following.abort();
        }
        let mut is_insistent = false;
        let left = loop {
            tokio::select! {
                left = &mut supervisor => break left,
                signal = signals.end(|| ()), if !is_insistent => {
                    tracing::warn!("{signal} again: what runs is ended");
                    is_insistent = true;
                }
            }
        };
        let left = left.unwrap_or_else(|error| {
            tracing::error!(%error, "the supervisor did not end in order; the next daemon takes its runs over");
            Vec::new()
        });
        if !left.is_empty() && !is_insistent {
            tracing::info!("{} runs are left to the next daemon", left.len());
            is_insistent = tokio::time::timeout(settings.linger, signals.end(|| ())).await.is_ok();
        }
        if is_insistent {
            cancel_all(&engine, &store, left).await;
        }
        if let Some(looking) = looking
            && let Err(error) = looking.await
        {
            tracing::error!(%error, "the loop of the triggers did not end in order");
        }
        if let Err(error) = fault::point("daemon.drained") {
            tracing::error!(%error, "the daemon ends without a word to others");
            return;
        }
        loops.shutdown().await;
        match tokio::time::timeout(GOODBYE, store.end_daemon(&settings.owner)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the daemon could not say that it has ended"),
            Err(_) => tracing::debug!("the database does not answer, so nobody is told that the daemon has ended"),
        }
        self.ended.send_replace(true);
    }
}
