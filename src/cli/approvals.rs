//! `phaseline approvals`.

use super::client::ask;
use super::database::time;
use super::{Exit, Settings, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let approvals = ask(settings, async |client| client.approvals().await)?;
    if args.json {
        output::json(&approvals)?;
        return Ok(Exit::Succeeded);
    }
    if approvals.is_empty() {
        output::line("nothing waits for a decision")?;
        return Ok(Exit::Succeeded);
    }
    let dash = || "-".to_owned();
    let rows: Vec<Vec<String>> = approvals
        .iter()
        .map(|approval| {
            vec![
                approval.run_id.clone(),
                approval.pipeline.clone(),
                format!("{} {}", approval.kind, approval.subject),
                approval.requested_at.as_deref().map_or_else(dash, time),
                approval.expires_at.as_deref().map_or_else(dash, time),
                approval.message.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let table = output::table(&["run", "pipeline", "about", "since (UTC)", "until (UTC)", "what is asked"], &rows);
    output::write(table.as_bytes())?;
    output::line("`phaseline approve RUN SUBJECT --reason TEXT` lets a run go on, `phaseline reject` ends it")?;
    Ok(Exit::Succeeded)
}
