//! `phaseline resume TARGET`.

use anyhow::Context;

use super::client::{Client, Hands, ask};
use super::follow::follow;
use super::run::{Driver, Format};
use super::{Exit, Settings, UsageError, parts, pause, request};
use crate::control::Target;
use crate::engine::{DriveError, EngineError, RunLog};
use crate::id::RunId;
use crate::store::Store;

/// What goes on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run (its id, the beginning of it, or `latest`), a backfill, PIPELINE, or PIPELINE.TRIGGER.
    target: String,
    /// Wait for the end of a run that a daemon drives.
    #[arg(long)]
    wait: bool,
    /// End with one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    ask(settings, async |client| {
        let target = client.target(&args.target).await?;
        let Target::Run(id) = target else {
            return pause::hold(client, settings, "resume", &target, None, args.json).await;
        };
        if let Client::Local(local) = client
            && client.hands(id).await? != Hands::Busy
        {
            let format = if args.json { Format::Json } else { Format::Text };
            let work = drive(settings, &local.store, id, format);
            return local.noted("resume", &id.to_string(), Box::pin(work)).await;
        }
        let summary = client.summary(id).await?;
        // Whoever drives it, or takes it on at once, needs no word for that.
        let is_under_way = matches!(summary.state.as_str(), "waiting" | "running" | "interrupted");
        let asked = if is_under_way { None } else { client.hold("resume", &target, None).await? };
        match asked {
            Some(asked) if !args.wait => request::tell(client, settings, &asked, args.json).await,
            Some(asked) => {
                client.outcome(&asked).await?;
                follow(client, id, args.json, false).await
            }
            None if args.wait => follow(client, id, args.json, false).await,
            None => {
                let message = format!("{id} is {}: somebody drives it, or will at once", summary.state);
                Err(UsageError::new(message).help("`--wait` follows it to its end").into())
            }
        }
    })
}

/// Drives a run in the foreground, under the usual display.
pub(super) async fn drive(settings: &Settings, store: &Store, id: RunId, format: Format) -> anyhow::Result<Exit> {
    // Nobody has to wait for the lease of a process of this machine that is gone.
    store.end_lease_of(id, crate::executor::owner::is_gone).await?;
    let plan = store.run(id).await?.plan;
    let artifacts = parts::artifacts(settings)?;
    let (engine, messages) = parts::engine(settings, store, artifacts.clone())?;
    let mut driver = Driver { engine, messages, artifacts };
    let work = driver.drive(&plan, settings, format, |engine, cancel| engine.resume(id, "cli", cancel));
    let ended = Box::pin(work).await;
    if let Err(error) = &ended
        && let Some(DriveError::Engine(EngineError::Held { .. })) = error.downcast_ref()
    {
        let help = "wait for that process, or end it; a process that died loses the run within 15 seconds";
        return Err(UsageError::new(error.to_string()).help(help).into());
    }
    ended.with_context(|| super::run::interrupted(settings, id))
}
