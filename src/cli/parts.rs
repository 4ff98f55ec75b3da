//! Puts the parts together from the settings: database, artifacts, executor, engine.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Settings, owner};
use crate::artifact::ArtifactStore;
use crate::engine::{Engine, EngineSettings, Limits};
use crate::executor::{AttemptMessage, LocalExecutor};
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
    environment: Value,
) -> anyhow::Result<(Engine, mpsc::Receiver<AttemptMessage>)> {
    let (sender, messages) = mpsc::channel(MESSAGE_BACKLOG);
    let executor = LocalExecutor::new(&settings.state, sender).context("cannot find this program's own path")?;
    let limits = Limits { cpus: settings.cores, ..Limits::of_machine() };
    let engine_settings = EngineSettings {
        limits,
        environment,
        ..EngineSettings::new(owner::this_process(), settings.state.clone(), settings.artifacts.clone())
    };
    let store = Arc::new(store.clone());
    Ok((Engine::new(store.clone(), store, Arc::new(executor), artifacts, engine_settings), messages))
}

/// The name of this machine.
pub(super) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// What somebody needs to know to reproduce a run of a manifest in `folder`.
pub(super) fn environment(folder: &Path) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "host": host(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "device": "cpu",
        "git_commit": git_commit(folder),
    })
}

/// The commit of the repository that holds `folder`, with `+changes` if files differ from it; null outside of one.
fn git_commit(folder: &Path) -> Option<String> {
    let folder = std::path::absolute(folder).ok()?;
    if !folder.ancestors().any(|ancestor| ancestor.join(".git").exists()) {
        return None;
    }
    let describe = ["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"];
    let output = Command::new("git").arg("-C").arg(&folder).args(describe).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
