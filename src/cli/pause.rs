//! `phaseline pause`, and letting go on what it holds back.

use super::client::{Client, ask, named};
use super::{Exit, Settings, output, request};
use crate::control::Target;

/// What is held back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run (its id, the beginning of it, or `latest`), a backfill, PIPELINE, or PIPELINE.TRIGGER.
    target: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    ask(settings, async |client| {
        let target = client.target(&args.target).await?;
        hold(client, settings, "pause", &target, args.reason.as_deref(), args.json).await
    })
}

/// Holds something back or lets it go on, and tells so.
pub(super) async fn hold(
    client: &Client,
    settings: &Settings,
    word: &str,
    target: &Target,
    reason: Option<&str>,
    as_json: bool,
) -> anyhow::Result<Exit> {
    if let Some(asked) = client.hold(word, target, reason).await? {
        return request::tell(client, settings, &asked, as_json).await;
    }
    let name = named(target);
    let what = match (target, word) {
        (Target::Pipeline(_), "pause") => "is paused: its triggers make no more runs",
        (Target::Pipeline(_), _) => "goes on: its triggers make runs again",
        (Target::Trigger { .. }, "pause") => "is paused: only a hand fires it",
        (Target::Trigger { .. }, _) => "fires again",
        (_, "pause") => "is paused: it hands out no more runs",
        (_, _) => "goes on",
    };
    if as_json {
        output::json(&serde_json::json!({"target": name, "is_paused": word == "pause"}))?;
    } else {
        output::line(format!("{name} {what}"))?;
    }
    Ok(Exit::Succeeded)
}
