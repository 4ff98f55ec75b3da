//! `phaseline gc`: frees what nobody needs, after showing what that is.

use std::fmt::Write;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::database::{ask, existing_url};
use super::local::Local;
use super::{Exit, Settings, UsageError, audit, output, parts};
use crate::artifact::{Digest, Mode};
use crate::control::By;
use crate::control::gc::{Candidate, Decision, Freed, Kept, Policy, RunFiles, apply, free_run_files, look};
use crate::manifest;
use crate::store::{Pin, Store};

/// So long nobody may have done anything without the clock being doubted.
const LONG: TimeDelta = TimeDelta::days(30);

/// What may go.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<PinCommand>,
    /// Free artifacts that no run has made, reused or read within this time, such as `30d` [default: 30d].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    older_than: Option<Duration>,
    /// Free those used least recently until this much is left, such as `50GiB`.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Keep everything of the last N successful runs of each pipeline.
    #[arg(long, value_name = "N", default_value_t = Policy::default().keep_last)]
    keep_last: u32,
    /// Free nothing that was made within this time.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1d")]
    grace: Duration,
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
    Pins,
}

fn duration(text: &str) -> Result<Duration, String> {
    manifest::duration(text).ok_or_else(|| "give a time such as `12h` or `30d`".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    manifest::bytes(text).ok_or_else(|| "give a size such as `500MiB` or `50GiB`".to_owned())
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    if let Some(command) = &args.command {
        return pin(settings, command);
    }
    // A size alone frees by size; an age alone by age; both by both.
    let older_than = match (args.older_than, args.max_size) {
        (None, Some(_)) => None,
        (age, _) => age.or(Policy::default().older_than),
    };
    let policy = Policy { older_than, max_bytes: args.max_size, keep_last: args.keep_last, grace: args.grace };
    let mode = if args.apply { Mode::Apply } else { Mode::DryRun };
    existing_url(settings)?;
    let artifacts = parts::artifacts(settings)?;
    let (decision, files, leftovers, freed) = parts::runtime()?.block_on(async {
        let local = Local::open(settings, false).await?;
        let work = async {
            if !args.trust_clock && mode == Mode::Apply {
                check_clock(&local.store).await?;
            }
            let now = Utc::now();
            let decision = look(&local.store, &policy, now).await?;
            let age = policy.older_than.or(Policy::default().older_than).unwrap_or(Duration::MAX);
            let files = free_run_files(&local.store, &settings.state, age, now, mode).await?;
            let leftovers = artifacts.free_leftovers(decision.before.into(), mode)?;
            let freed = match mode {
                Mode::Apply => Some(apply(&local.store, &artifacts, &decision).await?),
                Mode::DryRun => None,
            };
            anyhow::Ok((decision, files, leftovers, freed))
        };
        let done = match mode {
            Mode::Apply => local.noted("gc", "artifacts and files of runs", work).await,
            Mode::DryRun => work.await,
        };
        local.store.close().await;
        done
    })?;
    if args.json {
        output::json(&document(&decision, files, leftovers, freed))?;
    } else {
        output::write(text(&decision, files, leftovers, freed).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

/// Everything is old by a clock that was set ahead.
async fn check_clock(store: &Store) -> anyhow::Result<()> {
    let Some(leap) = store.clock_leap().await?.filter(|leap| leap.to - leap.from > LONG) else { return Ok(()) };
    Err(UsageError::new(format!("nothing is freed, since {leap}"))
        .help("look whether the clock is right, and give --trust-clock if it is")
        .into())
}

fn row(candidate: &Candidate, because: &str) -> Vec<String> {
    vec![
        candidate.digest.short(),
        candidate.kind.to_string(),
        manifest::size(candidate.bytes),
        candidate.used_at.chars().take(16).collect(),
        because.to_owned(),
    ]
}

fn text(decision: &Decision, files: RunFiles, leftovers: u64, freed: Option<Freed>) -> String {
    let mut rows: Vec<Vec<String>> = decision.free.iter().map(|candidate| row(candidate, "may go")).collect();
    rows.extend(decision.keep.iter().map(|(candidate, kept)| row(candidate, &kept.to_string())));
    let mut text = output::table(&["artifact", "kind", "size", "last used", "because"], &rows);
    let verb = if freed.is_some() { "freed" } else { "would free" };
    writeln!(
        text,
        "\n{verb} {} artifacts ({}), logs of {} runs, checkpoints of {} runs ({}), leftovers ({}); {} artifacts stay ({})",
        freed.map_or(decision.free.len() as u64, |freed| freed.artifacts),
        manifest::size(freed.map_or(decision.free_bytes(), |freed| freed.bytes)),
        files.logs,
        files.checkpoints,
        manifest::size(files.bytes),
        manifest::size(leftovers),
        decision.keep.len(),
        manifest::size(decision.keep_bytes()),
    )
    .expect("a string takes everything");
    match freed {
        None => text.push_str("nothing was changed: `phaseline gc --apply` does it\n"),
        Some(freed) if freed.spared > 0 => {
            writeln!(text, "{} artifacts came to be needed meanwhile and stay", freed.spared)
                .expect("a string takes everything");
        }
        Some(_) => {}
    }
    text
}

fn document(decision: &Decision, files: RunFiles, leftovers: u64, freed: Option<Freed>) -> Value {
    let one = |candidate: &Candidate| {
        json!({
            "digest": candidate.digest.to_string(),
            "kind": candidate.kind.as_str(),
            "bytes": candidate.bytes,
            "used_at": candidate.used_at,
        })
    };
    let keep = |(candidate, kept): &(Candidate, Kept)| {
        let mut document = one(candidate);
        document["because"] = kept.to_string().into();
        document
    };
    json!({
        "applied": freed.is_some(),
        "free": decision.free.iter().map(one).collect::<Vec<_>>(),
        "keep": decision.keep.iter().map(keep).collect::<Vec<_>>(),
        "free_bytes": decision.free_bytes(),
        "keep_bytes": decision.keep_bytes(),
        "run_files": files,
        "leftover_bytes": leftovers,
        "freed": freed,
    })
}

fn pin(settings: &Settings, command: &PinCommand) -> anyhow::Result<Exit> {
    existing_url(settings)?;
    match command {
        PinCommand::Pin { digest, reason } => {
            if reason.trim().is_empty() {
                return Err(UsageError::new("a pin needs a reason").into());
            }
            let digest: Digest = audit::local(settings, "gc pin", Some(digest), async |store| {
                let found = store.artifact(digest).await?.artifact.digest;
                store.pin(found, reason, &By::local().who).await?;
                Ok(found)
            })?;
            output::line(format!("artifact {} is pinned", digest.short()))?;
        }
        PinCommand::Unpin { digest } => {
            let (digest, was_pinned) = audit::local(settings, "gc unpin", Some(digest), async |store| {
                let found = store.artifact(digest).await?.artifact.digest;
                Ok((found, store.unpin(found).await?))
            })?;
            let said = if was_pinned { "is pinned no more" } else { "was not pinned" };
            output::line(format!("artifact {} {said}", digest.short()))?;
        }
        PinCommand::Pins => {
            let pins: Vec<Pin> = ask(settings, async |store| store.pins().await)?;
            let rows: Vec<Vec<String>> = pins
                .into_iter()
                .map(|pin| vec![pin.digest.short(), pin.reason, pin.pinned_by, pin.pinned_at])
                .collect();
            output::write(output::table(&["artifact", "reason", "by", "at"], &rows).as_bytes())?;
        }
    }
    Ok(Exit::Succeeded)
}
