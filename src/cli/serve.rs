//! `phaseline serve`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use super::{Exit, Settings, UsageError, database, output};
use crate::api;
use crate::artifact::ArtifactStore;
use crate::serve::{Deployment, Deployments, Guard, LiveModels, LogSettings, ServeError, ServeSettings};
use crate::store::{Store, StoreUrl};

/// How often to look for newly deployed versions.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// How long the probe waits for an answer.
const LONGEST_PROBE: Duration = Duration::from_secs(2);

/// Where to listen.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address and port to listen on.
    #[arg(long, value_name = "ADDRESS", env = "PHASELINE_SERVE_LISTEN", default_value = "127.0.0.1:7655")]
    listen: SocketAddr,
    /// A token that each request must carry as `Authorization: Bearer …`; give it in the environment, not on the
    /// command line, which every user of the machine can read.
    #[arg(long, value_name = "TOKEN", env = "PHASELINE_SERVE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Listen on an address that others can reach although there is no token: everybody may ask.
    #[arg(long)]
    insecure_public: bool,
    /// Ask the server on this machine whether it runs, instead of starting one; for health checks of containers.
    #[arg(long)]
    probe: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.cores.clamp(1, 8) as usize)
        .enable_all()
        .build()
        .context("cannot start")?;
    if args.probe { runtime.block_on(probe(args.listen)) } else { runtime.block_on(answer(settings, args)) }
}

async fn answer(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let guard = guard(args)?;
    let models = ArtifactStore::open(&settings.artifacts).context("cannot open the artifact store")?;
    let deployments = Arc::new(StoreDeployments { url: database::url(settings)?, store: OnceCell::new() });
    let listener =
        TcpListener::bind(args.listen).await.map_err(|source| ServeError::Listen { address: args.listen, source })?;
    let address = listener.local_addr().context("cannot tell the address")?;
    // Before anything is announced, so that whoever reads the lines below can stop the server from then on.
    let stop = stop_signal()?;
    announce(address, &deployments.current().await.map_err(ServeError::Deployments)?)?;
    let serve_settings =
        ServeSettings { state_folder: settings.state.clone(), poll: POLL, log: LogSettings::default() };
    let source: Arc<dyn Deployments> = deployments.clone();
    let live = LiveModels::start(serve_settings, source, Arc::new(models)).await?;
    api::serve(listener, live.router(guard), &api::Limits::of_models(), None, stop).await?;
    live.stop().await;
    if let Some(store) = deployments.store.get() {
        store.close().await;
    }
    Ok(Exit::Succeeded)
}

fn guard(args: &Args) -> anyhow::Result<Guard> {
    let token = args.token.as_deref().filter(|token| !token.is_empty());
    if args.listen.ip().is_loopback() {
        return Ok(Guard::loopback(token));
    }
    if token.is_none() && !args.insecure_public {
        let message = format!("`{}` can be reached from other machines, and there is no token", args.listen);
        return Err(UsageError::new(message)
            .help("set PHASELINE_SERVE_TOKEN, or say --insecure-public if everybody may ask")
            .into());
    }
    Ok(Guard::public(token))
}

fn announce(address: SocketAddr, deployments: &[Deployment]) -> anyhow::Result<()> {
    output::line(format!("listening on http://{address}"))?;
    if deployments.is_empty() {
        output::line("nothing is deployed yet; a `deploy.endpoint` step of a run does that, and is noticed here")?;
    }
    for deployment in deployments {
        let Deployment { endpoint, alias, version, .. } = deployment;
        output::line(format!("  POST /endpoints/{endpoint}/predict    version {version} ({alias})"))?;
    }
    Ok(())
}

/// Ready when the process is asked to end.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn probe(listen: SocketAddr) -> anyhow::Result<Exit> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let url = format!("http://{}/healthz", SocketAddr::new(ip, listen.port()));
    let client = reqwest::Client::builder().no_proxy().timeout(LONGEST_PROBE).build().context("cannot ask")?;
    let answer = client.get(&url).send().await.context("the server does not answer")?;
    Ok(if answer.status().is_success() { Exit::Succeeded } else { Exit::Failed })
}

/// What the store says is deployed.
pub(super) struct StoreDeployments {
    url: StoreUrl,
    store: OnceCell<Store>,
}

impl StoreDeployments {
    /// What a store says that is open already.
    pub(super) fn of(store: &Store) -> StoreDeployments {
        StoreDeployments { url: store.url().clone(), store: OnceCell::new_with(Some(store.clone())) }
    }
}

#[async_trait]
impl Deployments for StoreDeployments {
    async fn current(&self) -> Result<Vec<Deployment>, Box<dyn std::error::Error + Send + Sync>> {
        // Before the first run there is no database, and a server must not be the one that makes it.
        if let StoreUrl::Sqlite(path) = &self.url
            && !path.exists()
        {
            return Ok(Vec::new());
        }
        let store = self.store.get_or_try_init(|| Store::open(&self.url)).await?;
        let deployment = |endpoint: crate::store::queries::Endpoint| Deployment {
            endpoint: endpoint.name,
            alias: endpoint.alias,
            version: endpoint.version,
            bundle: endpoint.bundle,
        };
        Ok(store.endpoints().await?.into_iter().map(deployment).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(listen: &str, token: Option<&str>, insecure_public: bool) -> Args {
        Args { listen: listen.parse().unwrap(), token: token.map(str::to_owned), insecure_public, probe: false }
    }

    #[test]
    fn an_address_that_others_can_reach_needs_a_token_or_an_explicit_word() {
        for (listen, token, insecure, is_allowed) in [
            ("127.0.0.1:1", None, false, true),
            ("[::1]:1", None, false, true),
            ("0.0.0.0:1", None, false, false),
            ("0.0.0.0:1", Some(""), false, false),
            ("0.0.0.0:1", Some("secret"), false, true),
            ("10.0.0.7:1", None, true, true),
        ] {
            assert_eq!(guard(&args(listen, token, insecure)).is_ok(), is_allowed, "{listen}");
        }
    }
}
