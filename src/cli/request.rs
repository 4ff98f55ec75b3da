//! `phaseline cancel`, and how it is told what came of something that was asked of a run.

use serde_json::json;

use super::client::{Asked, Client, Hands, ask};
use super::{Exit, Settings, output};
use crate::id::BackfillId;

/// Which run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run (its id, the beginning of it, or `latest`), or a backfill, which then makes no more runs.
    run: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn cancel(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    ask(settings, async |client| {
        if let Ok(backfill) = args.run.parse::<BackfillId>() {
            client.cancel_backfill(backfill).await?;
            if args.json {
                output::json(&json!({"backfill": backfill, "state": "cancelled"}))?;
            } else {
                output::line(format!("{backfill} makes no more runs; those that it has made go on"))?;
            }
            return Ok(Exit::Succeeded);
        }
        let run = client.find_run(&args.run).await?;
        let asked = client.cancel(run, args.reason.as_deref()).await?;
        tell(client, settings, &asked, args.json).await
    })
}

/// Waits for what comes of a request, if somebody is there to carry it out, and tells it.
pub(super) async fn tell(client: &Client, settings: &Settings, asked: &Asked, as_json: bool) -> anyhow::Result<Exit> {
    let (run, hint) = (asked.run, settings.state_hint());
    let hands = client.hands(run).await?;
    let outcome = if hands == Hands::Busy { client.outcome(asked).await? } else { None };
    let later = match hands {
        Hands::Busy => format!("it was asked for and is not done yet; `phaseline show {run}` shows the run"),
        Hands::NoDaemon => format!(
            "no daemon is there: it counts when somebody drives {run} on, by `phaseline{hint} daemon` or `phaseline{hint} resume {run}`"
        ),
        Hands::Nobody => {
            format!("nobody drives {run} now: it counts when somebody drives it on, by `phaseline{hint} resume {run}`")
        }
    };
    if as_json {
        let note = outcome.is_none().then_some(later);
        output::json(&json!({"run": run, "request": asked.request, "outcome": outcome, "note": note}))?;
    } else {
        output::line(outcome.unwrap_or(later))?;
    }
    Ok(Exit::Succeeded)
}
