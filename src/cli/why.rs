//! `phaseline why`.

use std::fmt::Write;

use super::client::ask;
use super::database::time;
use super::{Exit, Settings, output};
use crate::control::Why;

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
    let told = ask(settings, async |client| {
        let run = client.find_run(&args.run).await?;
        client.why(run, &args.step).await
    })?;
    if args.json {
        output::json(&told)?;
    } else {
        output::write(text(&told).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(told: &Why) -> String {
    let driver = told.driver.as_ref().map(|driver| format!("; {driver} drives the run")).unwrap_or_default();
    let mut text = format!("{} of {} is {}{driver}\n", told.step, told.run, told.state);
    for reason in &told.reasons {
        let since = reason.since.as_ref().map(|since| format!(", since {}", time(since))).unwrap_or_default();
        let until = reason.until.as_ref().map(|until| format!(", until {}", time(until))).unwrap_or_default();
        writeln!(text, "  {}{since}{until}", reason.message).expect("a string takes everything");
        for holder in &reason.holders {
            writeln!(text, "    held by {} of {} on {}", holder.step, holder.run_id, holder.host)
                .expect("a string takes everything");
        }
        if let Some(help) = &reason.help {
            writeln!(text, "    help: {help}").expect("a string takes everything");
        }
    }
    text
}
