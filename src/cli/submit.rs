//! `phaseline submit`: a run that whoever is there drives.

use std::path::Path;

use chrono::Utc;
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, begin};
use super::follow::{follow, note, tell};
use super::run::{Format, Steps};
use super::{Exit, Settings, UsageError, output, resume};
use crate::control::{self, By, Params, Submission, Version};
use crate::engine::Origin;
use crate::id::{RunId, is_name};

/// What to run, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A pipeline that a daemon has loaded, or the file of a manifest.
    pipeline: String,
    #[command(flatten)]
    steps: Steps,
    /// Runs with a higher number get slots first.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// The same key for the same pipeline means the same run, however often it is submitted.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait for the end of the run, and exit as `phaseline run` does. Without a daemon it is driven here.
    #[arg(long)]
    wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A run that was recorded.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Recorded {
    run: RunId,
    is_new: bool,
}

impl Recorded {
    /// The same run, which is not new if the answer was given before.
    pub(super) fn or_repeated(self, is_repeated: bool) -> Recorded {
        Recorded { is_new: self.is_new && !is_repeated, ..self }
    }
}

impl From<control::Submitted> for Recorded {
    fn from(submitted: control::Submitted) -> Recorded {
        Recorded { run: submitted.run, is_new: submitted.is_new }
    }
}

pub(super) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    let (wait, as_json) = (args.wait, args.json);
    begin(settings, async |client| {
        let recorded = record(client, args).await?;
        go_on(client, settings, recorded, wait, as_json).await
    })
}

async fn record(client: &Client, args: Args) -> anyhow::Result<Recorded> {
    let is_pipeline = is_name(&args.pipeline);
    let local = match client {
        Client::Local(local) => local,
        Client::Remote(remote) if is_pipeline => {
            let Steps { set, from, only, refresh } = args.steps;
            let body = json!({"set": set, "from": from, "only": only, "refresh": refresh, "priority": args.priority});
            let path = ["pipelines", &args.pipeline, "runs"];
            let answer = remote.post::<Recorded>(&path, &body, args.idempotency_key.as_deref()).await?;
            return Ok(answer.document.or_repeated(answer.is_repeated));
        }
        Client::Remote(remote) => {
            let message = format!("`{}` is no name of a pipeline, and {} takes no files", args.pipeline, remote.url());
            return Err(UsageError::new(message)
                .help("put the manifest into the folder that its `--pipelines` names, and submit it by its name")
                .into());
        }
    };
    let work = async {
        let version = if is_pipeline {
            Version::of_pipeline(&local.store, &args.pipeline).await?
        } else {
            Version::read(Path::new(&args.pipeline))?
        };
        let (set, options) = args.steps.into_options();
        let submission = Submission {
            version,
            params: Params::Settings(set, std::env::current_dir().ok().filter(|_| !is_pipeline)),
            options,
            origin: Origin { priority: args.priority, ..Origin::default() },
            idempotency_key: args.idempotency_key,
        };
        control::submit(&local.store, submission, &By::local(), Utc::now()).await
    };
    Ok(local.audited("submit", &args.pipeline, work).await?.into())
}

/// Tells that a run is recorded, or waits for its end.
pub(super) async fn go_on(
    client: &Client,
    settings: &Settings,
    recorded: Recorded,
    wait: bool,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let Recorded { run, is_new } = recorded;
    let is_alone = match client {
        Client::Local(local) => !super::local::answered(local.has_daemon().await)?,
        Client::Remote(_) => false,
    };
    if wait {
        let has_ended = client.summary(run).await?.finished_at.is_some();
        return match client {
            Client::Local(local) if is_alone && !has_ended => {
                let format = if as_json { Format::Nothing } else { Format::Text };
                let exit = resume::drive(settings, &local.store, run, format).await?;
                if as_json {
                    tell(client, run, true, is_new).await?;
                }
                Ok(exit)
            }
            _ => follow(client, run, as_json, is_new).await,
        };
    }
    if as_json {
        output::json(&json!({"run": run, "is_new": is_new}))?;
    } else {
        output::line(run.to_string())?;
    }
    if !is_new {
        note("it was submitted before, with the same key");
    } else if is_alone {
        let hint = settings.state_hint();
        note(&format!(
            "no daemon works on this state: `phaseline{hint} daemon` starts one, `phaseline{hint} resume {run}` drives the run here"
        ));
    }
    Ok(Exit::Succeeded)
}
