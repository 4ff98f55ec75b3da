//! Following a run that somebody else drives, to its end.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::client::Client;
use super::exit::Failure;
use super::{Exit, output, show};
use crate::id::RunId;
use crate::store::QUARANTINED;
use crate::store::queries::RunSummary;

const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How long whoever follows a run does without an answer.
const PATIENCE: Duration = Duration::from_mins(2);

/// Tells how the run goes on, and at its end what `phaseline show` tells. One that waits for somebody is not waited for.
pub(super) async fn follow(client: &Client, run: RunId, as_json: bool, is_new: bool) -> anyhow::Result<Exit> {
    note(&format!("following {run}; Ctrl-C leaves it running, `phaseline cancel {run}` ends it"));
    let mut told = String::new();
    let mut lost = None;
    let exit = loop {
        let summary = match client.summary(run).await {
            Ok(summary) => summary,
            // A daemon that is replaced by a newer one, or whose database is away, comes back; the run goes on meanwhile.
            Err(error) if error.is::<Failure>() => {
                if lost.is_none() {
                    note(&format!("{error}; {run} is looked for again"));
                }
                if lost.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err(error);
                }
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        lost = None;
        let now = format!("{} {}/{} steps", summary.state, summary.done, summary.steps);
        if now != told {
            note(&now);
            told = now;
        }
        if let Some(exit) = end(&summary) {
            break exit;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    tell(client, run, as_json, is_new).await?;
    Ok(exit)
}

/// Shows the run as it is now.
pub(super) async fn tell(client: &Client, run: RunId, as_json: bool, is_new: bool) -> anyhow::Result<()> {
    let detail = client.detail(run).await?;
    if as_json {
        let mut document = serde_json::to_value(&detail)?;
        document["is_new"] = json!(is_new);
        return output::json(&document);
    }
    output::write(show::text(&detail).as_bytes())?;
    if let Some(because) = &detail.summary.parked {
        note(&format!("it waits: {because}"));
        if detail.summary.state == "awaiting_approval" {
            note("`phaseline approvals` lists what is asked; approve, reject or waive by those commands");
        }
    }
    Ok(())
}

/// How a run ended, or that it goes on only when somebody does something.
fn end(run: &RunSummary) -> Option<Exit> {
    match run.state.as_str() {
        "succeeded" => Some(Exit::Succeeded),
        "failed" => Some(Exit::Failed),
        "rejected" => Some(Exit::Rejected),
        "cancelled" => Some(Exit::Cancelled),
        "awaiting_approval" | "paused" if run.parked.is_some() => Some(Exit::Parked),
        _ if run.parked.as_ref().is_some_and(|why| why.starts_with(QUARANTINED)) => Some(Exit::Failed),
        _ => None,
    }
}

/// What is for people goes beside the output.
#[expect(clippy::print_stderr, reason = "standard output has the document and nothing else")]
pub(super) fn note(text: &str) {
    eprintln!("{text}");
}
