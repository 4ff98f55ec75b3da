//! `phaseline logs RUN STEP`.

use std::fs::File;
use std::io;

use anyhow::Context;

use super::database::ask;
use super::{Exit, Settings, UsageError, output};
use crate::id::{AttemptId, RunId};
use crate::worker::AttemptFolder;

/// Which log.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run id, the beginning of one, or `latest`.
    run: String,
    /// The step, whose latest attempt is meant.
    step: String,
    /// Another attempt: its id, as `phaseline sql "select * from lineage_attempts"` lists it.
    #[arg(long, value_name = "ID")]
    attempt: Option<AttemptId>,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let (detail, latest) = ask(settings, async |store| {
        let run = store.find_run(&args.run).await?;
        Ok((store.run_detail(run).await?, store.latest_attempt(run, &args.step).await?))
    })?;
    let run = detail.summary.run;
    let Some(step) = detail.steps.iter().find(|step| step.step == args.step) else {
        let names: Vec<&str> = detail.steps.iter().map(|step| step.step.as_str()).collect();
        let message = format!("{run} has no step `{}`", args.step);
        return Err(UsageError::new(message).help(format!("its steps are {}", names.join(", "))).into());
    };
    let (run, attempt): (RunId, AttemptId) = match (args.attempt, latest, &step.attempt, &step.reused_from) {
        (Some(attempt), ..) => (run, attempt),
        (None, Some(attempt), ..) => (run, attempt.parse()?),
        // The result was made by an attempt of another run: its log is the one that tells how.
        (None, None, Some(attempt), Some(run)) => (run.parse()?, attempt.parse()?),
        _ => {
            let message = format!("step `{}` of {run} has not been tried: it is {}", step.step, step.state);
            return Err(UsageError::new(message).into());
        }
    };
    let path = AttemptFolder::new(&settings.state, run, attempt).log();
    let mut log = match File::open(&path) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("the log of {attempt} is not at `{}`", path.display());
            return Err(UsageError::new(message).help("logs are on the machine that ran the attempt").into());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    };
    output::copy(&mut log)?;
    Ok(Exit::Succeeded)
}
