//! `phaseline gc`: frees what nobody needs, after showing what that is.

use std::fmt::Write;

use chrono::Utc;
use serde_json::json;

use super::client::{Client, ask};
use super::database::{short, time};
use super::local::{answered, refused};
use super::{Exit, Settings, output, parts};
use crate::artifact::Mode;
use crate::control::By;
use crate::control::gc::{self, Asked, Listed, Report, Unpinned, collect};
use crate::store::queries::{PageRequest, PinSummary};
use crate::units;

/// What may go.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<PinCommand>,
    /// Free artifacts that no run has made, reused or read within this time, such as `30d` [default: 30d].
    #[arg(long, value_name = "TIME")]
    older_than: Option<String>,
    /// Free those used least recently until this much is left, such as `50GiB`.
    #[arg(long, value_name = "SIZE")]
    max_size: Option<String>,
    /// Keep everything of the last N successful runs of each pipeline [default: 3].
    #[arg(long, value_name = "N")]
    keep_last: Option<u32>,
    /// Free nothing that was made within this time [default: 1d].
    #[arg(long, value_name = "TIME")]
    grace: Option<String>,
    /// Believe the clock although nothing was done for long.
    #[arg(long)]
    trust_clock: bool,
    /// Do it; without this, only show what would go.
    #[arg(long)]
    apply: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum PinCommand {
    /// Never free an artifact.
    Pin {
        /// Its digest, or the beginning of one.
        digest: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Take a pin back.
    Unpin {
        /// The digest, or the beginning of one.
        digest: String,
    },
    /// List pins.
    Pins {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    if let Some(command) = &args.command {
        return match command {
            PinCommand::Pin { digest, reason } => pin(settings, digest, reason),
            PinCommand::Unpin { digest } => unpin(settings, digest),
            PinCommand::Pins { json } => pins(settings, *json),
        };
    }
    let asked = Asked {
        older_than: args.older_than,
        max_size: args.max_size,
        keep_last: args.keep_last,
        grace: args.grace,
        trust_clock: args.trust_clock,
        apply: args.apply,
    };
    let collection = asked.resolve().map_err(refused)?;
    let report: Report = ask(settings, async |client| match client {
        Client::Local(local) => {
            let artifacts = parts::artifacts(settings)?;
            let work = Box::pin(collect(&local.store, &artifacts, &local.state, &collection, Utc::now()));
            match collection.mode {
                Mode::Apply => local.audited("gc", "artifacts and files of runs", work).await,
                Mode::DryRun => work.await.map_err(refused),
            }
        }
        Client::Remote(remote) => remote.post_and_wait(&["gc"], &json!(asked)).await,
    })?;
    if args.json {
        output::json(&report)?;
    } else {
        output::write(text(&report).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(report: &Report) -> String {
    let row = |artifact: &Listed| {
        vec![
            short(&artifact.digest).to_owned(),
            artifact.kind.clone(),
            units::size(artifact.bytes),
            artifact.used_at.chars().take(16).collect(),
            artifact.because.clone().unwrap_or_else(|| "may go".to_owned()),
        ]
    };
    let rows: Vec<Vec<String>> = report.free.iter().chain(&report.keep).map(row).collect();
    let mut text = output::table(&["artifact", "kind", "size", "last used", "because"], &rows);
    let verb = if report.freed.is_some() { "freed" } else { "would free" };
    writeln!(
        text,
        "\n{verb} {} artifacts ({}), logs of {} runs, checkpoints of {} runs ({}), leftovers ({}); {} artifacts stay ({})",
        report.freed.map_or(report.free.len() as u64, |freed| freed.artifacts),
        units::size(report.freed.map_or(report.free_bytes, |freed| freed.bytes)),
        report.run_files.logs,
        report.run_files.checkpoints,
        units::size(report.run_files.bytes),
        units::size(report.leftover_bytes),
        report.keep.len(),
        units::size(report.keep_bytes),
    )
    .expect("a string takes everything");
    match report.freed {
        None => text.push_str("nothing was changed: `phaseline gc --apply` does it\n"),
        Some(freed) if freed.spared > 0 => {
            writeln!(text, "{} artifacts came to be needed meanwhile and stay", freed.spared)
                .expect("a string takes everything");
        }
        Some(_) => {}
    }
    text
}

fn pin(settings: &Settings, digest: &str, reason: &str) -> anyhow::Result<Exit> {
    let pin: PinSummary = ask(settings, async |client| match client {
        Client::Local(local) => {
            let by = By::local();
            local.audited("gc pin", digest, gc::pin(&local.store, digest, reason, &by)).await
        }
        Client::Remote(remote) => {
            let body = json!({"digest": digest, "reason": reason});
            Ok(remote.post(&["pins"], &body, None).await?.document)
        }
    })?;
    output::line(format!("artifact {} is pinned", short(&pin.digest)))?;
    Ok(Exit::Succeeded)
}

fn unpin(settings: &Settings, digest: &str) -> anyhow::Result<Exit> {
    let Unpinned { digest, was_pinned } = ask(settings, async |client| match client {
        Client::Local(local) => local.audited("gc unpin", digest, gc::unpin(&local.store, digest)).await,
        Client::Remote(remote) => remote.delete(&["pins", digest]).await,
    })?;
    let said = if was_pinned { "is pinned no more" } else { "was not pinned" };
    output::line(format!("artifact {} {said}", short(&digest)))?;
    Ok(Exit::Succeeded)
}

fn pins(settings: &Settings, as_json: bool) -> anyhow::Result<Exit> {
    let pins: Vec<PinSummary> = ask(settings, async |client| match client {
        Client::Local(local) => {
            let everything = PageRequest { after: None, limit: u32::MAX };
            Ok(answered(local.store.pins_page(&everything).await)?.items)
        }
        Client::Remote(remote) => remote.list(&["pins"], &[], usize::MAX).await,
    })?;
    if as_json {
        output::json(&pins)?;
        return Ok(Exit::Succeeded);
    }
    let rows: Vec<Vec<String>> = pins
        .into_iter()
        .map(|pin| vec![short(&pin.digest).to_owned(), pin.reason, pin.pinned_by, time(&pin.pinned_at)])
        .collect();
    output::write(output::table(&["artifact", "reason", "by", "at (UTC)"], &rows).as_bytes())?;
    Ok(Exit::Succeeded)
}
