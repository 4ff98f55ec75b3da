//! Puts the parts together from the settings: database, artifacts, executor, engine.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;

use super::Settings;
use crate::artifact::ArtifactStore;
use crate::engine::{Engine, EngineSettings, Limits, Slots};
use crate::executor::{AttemptMessage, LocalExecutor, owner};
use crate::store::Store;

/// Progress messages that may wait for the display; more than it can show in a second.
const MESSAGE_BACKLOG: usize = 256;

/// A runtime for one command. One thread is enough: steps run in processes of their own.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// Opens the database that the settings name.
pub(super) async fn store(settings: &Settings) -> anyhow::Result<Store> {
    let url = super::database::url(settings)?;
    Ok(Store::open(&url).await?)
}

/// Opens the artifact store that the settings name.
pub(super) fn artifacts(settings: &Settings) -> anyhow::Result<ArtifactStore> {
    ArtifactStore::open(&settings.artifacts)
        .with_context(|| format!("cannot open the artifact store `{}`", settings.artifacts))
}

/// An engine on local processes, and what its workers say while they run.
pub(super) fn engine(
    settings: &Settings,
    store: &Store,
    artifacts: ArtifactStore,
) -> anyhow::Result<(Engine, mpsc::Receiver<AttemptMessage>)> {
    let slots = Arc::new(store.clone());
    engine_with(settings, store, slots, artifacts, |settings| settings)
}

/// The same with slots and settings of one's own.
pub(super) fn engine_with(
    settings: &Settings,
    store: &Store,
    slots: Arc<dyn Slots>,
    artifacts: ArtifactStore,
    adjust: impl FnOnce(EngineSettings) -> EngineSettings,
) -> anyhow::Result<(Engine, mpsc::Receiver<AttemptMessage>)> {
    let (sender, messages) = mpsc::channel(MESSAGE_BACKLOG);
    let executor = LocalExecutor::new(&settings.state, sender)
        .context("cannot find this program's own path")?
        .with_log_limit(settings.log_limit);
    let limits = Limits { cpus: settings.cores, ..Limits::of_machine() };
    let usual = EngineSettings::new(owner::this_process(), settings.state.clone(), settings.artifacts.clone());
    let engine_settings = adjust(EngineSettings { limits, ..usual });
    let store = Arc::new(store.clone());
    Ok((Engine::new(store.clone(), store, slots, Arc::new(executor), artifacts, engine_settings), messages))
}
