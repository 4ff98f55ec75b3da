//! `phaseline pipelines`.

use super::client::ask;
use super::follow::note;
use super::{Exit, Settings, output};
use crate::store::queries::PipelineSummary;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let (pipelines, problems) =
        ask(settings, async |client| Ok((client.pipelines().await?, client.manifest_problems().await?)))?;
    if args.json {
        output::json(&pipelines)?;
    } else if pipelines.is_empty() {
        output::line("no pipelines; `phaseline daemon --pipelines DIR` loads those in a folder")?;
    } else {
        output::write(text(&pipelines).as_bytes())?;
    }
    for problem in &problems {
        note(&format!("no pipeline is loaded from `{}`:\n{}", problem.manifest_path, problem.report.trim_end()));
    }
    Ok(Exit::Succeeded)
}

fn text(pipelines: &[PipelineSummary]) -> String {
    let rows: Vec<Vec<String>> = pipelines
        .iter()
        .map(|pipeline| {
            vec![
                pipeline.pipeline.clone(),
                pipeline.owner.clone().unwrap_or_else(|| "-".to_owned()),
                state(pipeline),
                pipeline.triggers.to_string(),
                pipeline.open_runs.to_string(),
                pipeline.latest_state.clone().unwrap_or_else(|| "-".to_owned()),
                pipeline.manifest_path.clone(),
            ]
        })
        .collect();
    let table =
        output::table(&["pipeline", "owner", "state", "triggers", "open runs", "latest run", "manifest"], &rows);
    let broken = pipelines.iter().filter(|pipeline| pipeline.retired_at.is_none());
    let reports: Vec<String> = broken
        .filter_map(|pipeline| {
            let report = pipeline.broken.as_ref()?.trim_end();
            Some(format!(
                "\n`{}` keeps its last good version, since its file is broken:\n{report}\n",
                pipeline.pipeline
            ))
        })
        .collect();
    table + &reports.concat()
}

fn state(pipeline: &PipelineSummary) -> String {
    match (&pipeline.retired_at, &pipeline.broken, &pipeline.paused_by) {
        (Some(_), _, _) => "retired: its file is gone".to_owned(),
        (None, Some(_), _) => "its newest manifest is refused".to_owned(),
        (None, None, Some(by)) => format!("paused by {by}"),
        (None, None, None) => "good".to_owned(),
    }
}
