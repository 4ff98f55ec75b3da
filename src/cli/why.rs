//! `phaseline why`.

use super::database::{existing_url, time};
use super::{Exit, Settings, UsageError, output, parts};
use crate::control::{ErrorKind, Why, why};

/// Which step.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its id, the beginning of it, or `latest`.
    run: String,
    /// The step.
    step: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    existing_url(settings)?;
    let id = super::database::ask(settings, async |store| store.find_run(&args.run).await)?;
    let told = parts::runtime()?.block_on(async {
        let store = parts::store(settings).await?;
        let told = why(&store, id, &args.step).await;
        store.close().await;
        anyhow::Ok(told)
    })?;
    let told = match told {
        Ok(told) => told,
        Err(error) if error.kind == ErrorKind::Failed => return Err(error.into()),
        Err(error) => return Err(UsageError { message: error.message, help: error.help }.into()),
    };
    if args.json {
        output::json(&told)?;
    } else {
        output::write(text(&told).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(told: &Why) -> String {
    let mut text = format!("{} of {} is {}\n", told.step, told.run, told.state);
    for reason in &told.reasons {
        let since = reason.since.as_ref().map(|since| format!(", since {}", time(since))).unwrap_or_default();
        let until = reason.until.as_ref().map(|until| format!(", until {}", time(until))).unwrap_or_default();
        text.push_str(&format!("  {}{since}{until}\n", reason.message));
        for holder in &reason.holders {
            text.push_str(&format!("    held by {} of {} on {}\n", holder.step, holder.run_id, holder.host));
        }
        if let Some(help) = &reason.help {
            text.push_str(&format!("    help: {help}\n"));
        }
    }
    text
}
