//! `phaseline logs RUN STEP`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use super::client::{Client, ask};
use super::local::{Local, answered};
use super::{Exit, Settings, UsageError, output};
use crate::id::{AttemptId, RunId};
use crate::store::queries::{AttemptSummary, PageRequest};
use crate::worker::AttemptFolder;

const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Attempts at a step that are looked through for one of a number.
const ATTEMPTS: u32 = 10_000;
/// Bytes that are read at once.
const PART: u64 = 1024 * 1024;

/// Which log.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run id, the beginning of one, or `latest`.
    run: String,
    /// The step, whose latest attempt is meant.
    step: String,
    /// Another attempt: its number, from 1, or its id.
    #[arg(long, value_name = "N")]
    attempt: Option<String>,
    /// Go on until the attempt has ended.
    #[arg(short, long)]
    follow: bool,
}

/// A part of a log.
#[derive(Deserialize)]
struct Part {
    text: String,
    next: u64,
    size: u64,
    is_end: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    ask(settings, async |client| {
        let run = client.find_run(&args.run).await?;
        let wanted = match &args.attempt {
            Some(text) => Some(attempt(client, run, &args.step, text).await?),
            None => None,
        };
        match client {
            Client::Local(local) => here(local, run, args, wanted).await,
            Client::Remote(remote) => {
                let (run, attempt) = (run.to_string(), wanted.map(|attempt| attempt.to_string()));
                let mut offset = 0;
                loop {
                    let from = offset.to_string();
                    let mut query = vec![("offset", from.as_str())];
                    query.extend(attempt.as_deref().map(|attempt| ("attempt", attempt)));
                    let part: Part = remote.get(&["runs", &run, "steps", &args.step, "logs"], &query).await?;
                    output::write(part.text.as_bytes())?;
                    offset = part.next;
                    let is_read = part.next >= part.size;
                    if part.is_end || is_read && !args.follow {
                        return Ok(Exit::Succeeded);
                    }
                    if is_read {
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                }
            }
        }
    })
}

/// The attempt that a number or an id means.
async fn attempt(client: &Client, run: RunId, step: &str, text: &str) -> anyhow::Result<AttemptId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let refused = |help: String| UsageError::new(format!("step `{step}` of {run} has no attempt `{text}`")).help(help);
    let number: i64 = text.parse().map_err(|_| refused("write its number, from 1, or its id".to_owned()))?;
    let attempts: Vec<AttemptSummary> = match client {
        Client::Local(local) => {
            let request = PageRequest { after: None, limit: ATTEMPTS };
            answered(local.store.attempts_page(run, Some(step), &request).await)?.items
        }
        Client::Remote(remote) => {
            remote.list(&["runs", &run.to_string(), "steps", step, "attempts"], &[], ATTEMPTS as usize).await?
        }
    };
    match attempts.iter().find(|attempt| attempt.number == number) {
        Some(attempt) => Ok(attempt.attempt_id.parse()?),
        None => Err(refused(format!("it has {}", attempts.len())).into()),
    }
}

/// Prints a log that lies on this machine.
async fn here(local: &Local, run: RunId, args: &Args, wanted: Option<AttemptId>) -> anyhow::Result<Exit> {
    let detail = answered(local.store.run_detail(run).await)?;
    let latest = answered(local.store.latest_attempt(run, &args.step).await)?;
    let Some(step) = detail.steps.iter().find(|step| step.step == args.step) else {
        let names: Vec<&str> = detail.steps.iter().map(|step| step.step.as_str()).collect();
        let message = format!("{run} has no step `{}`", args.step);
        return Err(UsageError::new(message).help(format!("its steps are {}", names.join(", "))).into());
    };
    let (run, attempt): (RunId, AttemptId) = match (wanted, latest, &step.attempt, &step.reused_from) {
        (Some(attempt), ..) => (run, attempt),
        (None, Some(attempt), ..) => (run, attempt.parse()?),
        // The result was made by an attempt of another run: its log is the one that tells how.
        (None, None, Some(attempt), Some(run)) => (run.parse()?, attempt.parse()?),
        _ => {
            let message = format!("step `{}` of {run} has not been tried: it is {}", step.step, step.state);
            return Err(UsageError::new(message).into());
        }
    };
    let path = AttemptFolder::new(&local.state, run, attempt).log();
    let mut log = match File::open(&path) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("the log of {attempt} is not at `{}`", path.display());
            return Err(UsageError::new(message).help("logs are on the machine that ran the attempt").into());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    };
    if !args.follow {
        output::copy(&mut log)?;
        return Ok(Exit::Succeeded);
    }
    let mut offset = 0;
    loop {
        // Asked before the log is read: what ended by then has written everything.
        let found = answered(local.store.attempt(run, &attempt.to_string()).await)?;
        let has_ended = found.is_none_or(|attempt| attempt.finished_at.is_some());
        log.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        (&mut log).take(PART).read_to_end(&mut bytes)?;
        output::write(&bytes)?;
        offset += bytes.len() as u64;
        if bytes.is_empty() {
            if has_ended {
                return Ok(Exit::Succeeded);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
