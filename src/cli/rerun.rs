//! `phaseline rerun`: a new run of what an earlier run was.

use std::path::Path;

use chrono::Utc;
use serde_json::json;

use super::client::{Client, ask};
use super::submit::{Recorded, go_on};
use super::{Exit, Settings, UsageError};
use crate::control::{self, By, Manifest, Params, Rerun, Version};
use crate::id::StepName;

/// Which run, and what differs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run id, the beginning of one, or `latest`.
    run: String,
    /// Run this step and everything after it anew.
    #[arg(long, value_name = "STEP")]
    from: Vec<StepName>,
    /// Run this step anew, even if its result is known.
    #[arg(long, value_name = "STEP")]
    refresh: Vec<StepName>,
    /// Set a parameter; the others stay as they were.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Another version of the manifest: a file, or `latest` for the one that a daemon has loaded last [default: the
    /// one that the run had].
    #[arg(long, value_name = "FILE")]
    manifest: Option<String>,
    /// Runs with a higher number get slots first [default: as for the earlier run].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// The same key means the same new run.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait for the end of the run, and exit as `phaseline run` does. Without a daemon it is driven here.
    #[arg(long)]
    wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    let (wait, as_json) = (args.wait, args.json);
    ask(settings, async |client| {
        let recorded = Box::pin(record(client, args)).await?;
        go_on(client, settings, recorded, wait, as_json).await
    })
}

async fn record(client: &Client, args: Args) -> anyhow::Result<Recorded> {
    let run = client.find_run(&args.run).await?;
    let is_latest = args.manifest.as_deref() == Some("latest");
    let local = match client {
        Client::Local(local) => local,
        Client::Remote(_) if args.manifest.is_some() && !is_latest => {
            let message = "a daemon elsewhere takes no files of manifests";
            return Err(UsageError::new(message)
                .help("put it into the folder that its `--pipelines` names, and say `--manifest latest`")
                .into());
        }
        Client::Remote(remote) => {
            let body = json!({"set": args.set, "from": args.from, "refresh": args.refresh, "latest": is_latest,
                "priority": args.priority});
            let path = ["runs", &run.to_string(), "rerun"];
            let answer = remote.post::<Recorded>(&path, &body, args.idempotency_key.as_deref()).await?;
            return Ok(answer.document.or_repeated(answer.is_repeated));
        }
    };
    let work = Box::pin(async {
        let manifest = match &args.manifest {
            None => Manifest::Own,
            Some(_) if is_latest => Manifest::Latest,
            Some(file) => Manifest::Given(Version::read(Path::new(file))?),
        };
        let rerun = Rerun {
            run,
            from: args.from,
            refresh: args.refresh,
            params: Params::Settings(args.set, None),
            manifest,
            priority: args.priority,
            idempotency_key: args.idempotency_key,
        };
        control::rerun(&local.store, rerun, &By::local(), Utc::now()).await
    });
    Ok(local.audited("rerun", &run.to_string(), work).await?.into())
}
