//! Puts the parts together from the settings: database, artifacts, executor, engine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Settings;
use crate::artifact::ArtifactStore;
use crate::engine::{Engine, EngineSettings, Limits};
use crate::executor::{AttemptMessage, LocalExecutor, owner};
use crate::store::Store;

/// Progress messages that may wait for the display; more than it can show in a second.
const MESSAGE_BACKLOG: usize = 256;

/// How long a run that nobody drives any more is kept from others.
const LEASE: Duration = Duration::from_secs(15);

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
    environment: Value,
) -> anyhow::Result<(Engine, mpsc::Receiver<AttemptMessage>)> {
    daemon_engine(settings, store, artifacts, environment, LEASE)
}

/// The same with leases of another time.
pub(super) fn daemon_engine(
    settings: &Settings,
    store: &Store,
    artifacts: ArtifactStore,
    environment: Value,
    lease_for: Duration,
) -> anyhow::Result<(Engine, mpsc::Receiver<AttemptMessage>)> {
    let (sender, messages) = mpsc::channel(MESSAGE_BACKLOG);
    let executor = LocalExecutor::new(&settings.state, sender).context("cannot find this program's own path")?;
    let limits = Limits { cpus: settings.cores, ..Limits::of_machine() };
    let engine_settings = EngineSettings {
        limits,
        environment,
        lease_for,
        ..EngineSettings::new(owner::this_process(), settings.state.clone(), settings.artifacts.clone())
    };
    let store = Arc::new(store.clone());
    Ok((Engine::new(store.clone(), store.clone(), store, Arc::new(executor), artifacts, engine_settings), messages))
}
