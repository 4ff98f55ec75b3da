//! `phaseline resume RUN`.

use anyhow::Context;

use super::run::{Driver, Format};
use super::{Exit, Settings, UsageError, parts};
use crate::engine::{DriveError, EngineError, RunLog};

/// Which run goes on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its id, the beginning of it, or `latest`.
    run: String,
    /// End with one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let id = super::database::ask(settings, async |store| store.find_run(&args.run).await)?;
    let format = if args.json { Format::Json } else { Format::Text };
    parts::runtime()?.block_on(async {
        let store = parts::store(settings).await?;
        // Nobody has to wait for the lease of a process of this machine that is gone.
        store.end_lease_of(id, crate::executor::owner::is_gone).await?;
        let plan = store.run(id).await?.plan;
        let artifacts = parts::artifacts(settings)?;
        let environment = crate::control::environment(&plan.base_folder);
        let (engine, messages) = parts::engine(settings, &store, artifacts.clone(), environment)?;
        let mut driver = Driver { engine, messages, artifacts };
        let work = driver.drive(&plan, settings, format, |engine, cancel| engine.resume(id, "cli", cancel));
        let ended = Box::pin(work).await;
        store.close().await;
        if let Err(error) = &ended
            && let Some(DriveError::Engine(EngineError::Held { .. })) = error.downcast_ref()
        {
            let help = "wait for that process, or end it; a process that died loses the run within 15 seconds";
            return Err(UsageError::new(error.to_string()).help(help).into());
        }
        ended.with_context(|| super::run::interrupted(settings, id))
    })
}
