//! Deletes what is too old: logs, checkpoints and history rows always, artifacts where the settings say so.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use crate::artifact::{ArtifactStore, Mode};
use crate::control::ControlError;
use crate::control::gc::{self, Policy};
use crate::store::{HistoryAges, Store};

/// How often is looked. Several daemons on one database may do the same work; it is done once all the same.
const EVERY: Duration = Duration::from_hours(1);

/// The wait before the first look, so that a daemon that is started again and again does not only tidy up.
const FIRST: Duration = Duration::from_mins(5);

/// How long what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Whether anything is deleted at all.
    pub is_enabled: bool,
    /// How long logs and other files of an ended run are kept.
    pub logs: Duration,
    /// How long history rows are kept.
    pub ages: HistoryAges,
    /// Which artifacts are freed: none unless it has an age or a size.
    pub policy: Policy,
}

impl Default for RetentionSettings {
    fn default() -> RetentionSettings {
        RetentionSettings {
            is_enabled: true,
            logs: Duration::from_hours(30 * 24),
            ages: HistoryAges::default(),
            policy: Policy { older_than: None, max_bytes: None, ..Policy::default() },
        }
    }
}

/// Keeps a state folder and its database from growing for ever.
pub struct Retention {
    /// The database.
    pub store: Store,
    /// The artifacts.
    pub artifacts: ArtifactStore,
    /// The state folder.
    pub state: PathBuf,
    /// How long what is kept.
    pub settings: RetentionSettings,
}

impl Retention {
    /// Looks every hour until `stop` says true. What cannot be deleted now is tried again the next time.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        if !self.settings.is_enabled {
            return;
        }
        let mut pause = FIRST;
        while tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_err() {
            if let Err(error) = self.once().await {
                tracing::warn!(%error, "what is too old could not be deleted; it is tried again in an hour");
            }
            pause = EVERY;
        }
    }

    /// Deletes what is too old now, unless the clock is not to be believed.
    ///
    /// # Errors
    /// When the database or the disk refuses; what was deleted until then stays deleted.
    pub async fn once(&self) -> Result<(), ControlError> {
        let settings = &self.settings;
        let clock = self.store.see_clock().await?;
        if let Some(leap) = clock.doubt {
            tracing::warn!("nothing old is deleted for a day: {leap}; is the clock right?");
            return Ok(());
        }
        let now = clock.now;
        let history = self.store.clear_history(&settings.ages, now).await?;
        let files = gc::free_run_files(&self.store, &self.state, settings.logs, now, Mode::Apply).await?;
        tracing::info!(?history, ?files, "old history rows and files were deleted");
        let decision = gc::look(&self.store, &settings.policy, now).await?;
        if let Err(error) = self.artifacts.free_leftovers(decision.before.into(), Mode::Apply) {
            tracing::warn!(%error, "leftovers of attempts could not be deleted");
        }
        if settings.policy.older_than.is_some() || settings.policy.max_bytes.is_some() {
            let freed = gc::apply(&self.store, &self.artifacts, &decision).await?;
            tracing::info!(?freed, "artifacts were freed");
        }
        Ok(())
    }
}
