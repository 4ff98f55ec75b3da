//! `phaseline pipelines`.

use super::client::ask;
use super::{Exit, Settings, output};
use crate::store::queries::PipelineSummary;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let pipelines = ask(settings, async |client| client.pipelines().await)?;
    if args.json {
        output::json(&pipelines)?;
    } else if pipelines.is_empty() {
        output::line("no pipelines; `phaseline daemon --pipelines DIR` loads those in a folder")?;
    } else {
        output::write(text(&pipelines).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(pipelines: &[PipelineSummary]) -> String {
    let rows: Vec<Vec<String>> = pipelines
        .iter()
        .map(|pipeline| {
            let state = match (&pipeline.broken, &pipeline.paused_by) {
                (Some(_), _) => "its newest manifest is refused".to_owned(),
                (None, Some(by)) => format!("paused by {by}"),
                (None, None) => "good".to_owned(),
            };
            vec![
                pipeline.pipeline.clone(),
                pipeline.owner.clone().unwrap_or_else(|| "-".to_owned()),
                state,
                pipeline.triggers.to_string(),
                pipeline.open_runs.to_string(),
                pipeline.latest_state.clone().unwrap_or_else(|| "-".to_owned()),
                pipeline.manifest_path.clone(),
            ]
        })
        .collect();
    output::table(&["pipeline", "owner", "state", "triggers", "open runs", "latest run", "manifest"], &rows)
}
