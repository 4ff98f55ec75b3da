//! The daemon put together: engine, loops, and one listener for everything that is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::settings::{self, Resolved};
use crate::api::{self, AllowedHosts, ApiState, Limits, Tls};
use crate::cli::{Exit, Settings, UsageError, output, parts, serve};
use crate::daemon::notify::Notifier;
use crate::daemon::{Daemon, DaemonError, DaemonSettings, Health, Retention, RoomySlots};
use crate::engine::{Bell, EngineSettings};
use crate::executor::owner;
use crate::serve::{LiveModels, LogSettings, ModelSource, ServeSettings};

/// How the daemon works.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    settings: settings::Given,
}

/// Runs until a signal asks for the end.
pub(in crate::cli) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    let resolved = args.settings.resolve(settings.daemon.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.cores.clamp(2, 8) as usize)
        .enable_all()
        .build()
        .context("cannot start")?;
    let ended = runtime.block_on(work(settings, resolved));
    // Workers go on, and nobody waits for those who watch them here.
    runtime.shutdown_background();
    ended
}

async fn work(settings: &Settings, resolved: Resolved) -> anyhow::Result<Exit> {
    let listener =
        TcpListener::bind(resolved.listen).await.with_context(|| format!("cannot listen on {}", resolved.listen))?;
    let address = listener.local_addr().context("cannot tell the address")?;
    let tls = resolved.tls.as_ref().map(|(cert, key)| Tls::load(cert, key)).transpose()?;
    let store = parts::store(settings).await?;
    let artifacts = parts::artifacts(settings)?;
    let (bell, health) = (Bell::new(), Arc::new(Health::default()));
    let slots = Arc::new(RoomySlots::new(Arc::new(store.clone()), Arc::clone(&health)));
    let (engine, mut messages) = parts::engine_with(settings, &store, slots, artifacts.clone(), |usual| {
        EngineSettings { lease_for: resolved.lease_for, bell: bell.clone(), ..usual }
    })?;
    // Progress is for those who watch a run in the foreground.
    tokio::spawn(async move { while messages.recv().await.is_some() {} });
    let scheme = if tls.is_some() { "https" } else { "http" };
    let daemon_settings = DaemonSettings {
        owner: owner::this_process(),
        host: owner::host(),
        state_folder: settings.state.clone(),
        artifacts: Some(PathBuf::from(&settings.artifacts)).filter(|path| path.is_absolute()),
        pipelines: resolved.pipelines.clone(),
        address: format!("{scheme}://{address}"),
        lease_for: resolved.lease_for,
        most_runs: resolved.most_runs,
        disk_floor_bytes: resolved.disk_floor_bytes,
        linger: resolved.linger,
    };
    let daemon = Daemon::start(daemon_settings, &store, Arc::new(engine), bell.clone(), Arc::clone(&health))
        .await
        .map_err(explained)?;
    api::ensure_local_token(&store, &settings.state, &owner::host()).await?;
    let retention = Retention {
        store: store.clone(),
        artifacts: artifacts.clone(),
        state: settings.state.clone(),
        settings: settings.retention.clone(),
    };
    let mut beside = tokio::task::JoinSet::new();
    beside.spawn(retention.run(daemon.draining()));
    beside.spawn(Notifier::new(store.clone(), settings.notify.clone()).run(daemon.ended()));
    let limits = Limits::default();
    let hosts = AllowedHosts::new(address, resolved.hosts);
    let models: Arc<dyn ModelSource> = Arc::new(artifacts.clone());
    let live =
        LiveModels::start(live_settings(settings), Arc::new(serve::StoreDeployments::of(&store)), models).await?;
    let (state_folder, draining) = (settings.state.clone(), daemon.draining());
    let state = ApiState::new(store.clone(), Arc::new(artifacts), state_folder, limits.clone(), hosts, draining);
    let router = api::router(state.with_troubles(health.troubles()).with_bell(bell), Some(live.routes()));
    announce(&format!("{scheme}://{address}"), &daemon, resolved.pipelines.as_deref())?;
    let stop = until(daemon.ended());
    let answering = tokio::spawn(async move { api::serve(listener, router, &limits, tls, stop).await });
    daemon.run().await;
    let answered = answering.await.context("the server panicked")?;
    live.stop().await;
    // What they were about to do is done by the next daemon: both may end at any point.
    beside.shutdown().await;
    store.close().await;
    answered?;
    Ok(Exit::Succeeded)
}

fn live_settings(settings: &Settings) -> ServeSettings {
    ServeSettings { state_folder: settings.state.clone(), poll: serve::POLL, log: LogSettings::default() }
}

fn announce(address: &str, daemon: &Daemon, folder: Option<&Path>) -> anyhow::Result<()> {
    output::line(format!("listening on {address}"))?;
    match (daemon.versions(), folder) {
        (Some(versions), Some(folder)) => {
            let count = versions.borrow().len();
            let pipelines = if count == 1 { "pipeline" } else { "pipelines" };
            output::line(format!("{count} {pipelines} from `{}`", folder.display()))?;
        }
        _ => output::line("no folder of pipelines; `--pipelines DIR` names one")?,
    }
    Ok(())
}

async fn until(mut ended: watch::Receiver<bool>) {
    // An error means that the daemon is gone, and with it the server.
    drop(ended.wait_for(|ended| *ended).await);
}

fn explained(error: DaemonError) -> anyhow::Error {
    match &error {
        DaemonError::StateInUse { .. } => UsageError::new(error.to_string())
            .help("end that one first, name another folder by --state, or let both use Postgres by --database-url")
            .into(),
        _ => error.into(),
    }
}
