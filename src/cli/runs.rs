//! `phaseline runs`.

use super::client::ask;
use super::database::time;
use super::{Exit, Settings, output};
use crate::store::queries::RunSummary;

/// Which runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only runs of this pipeline.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// How many, newest first.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let runs = ask(settings, async |client| client.runs(args.pipeline.as_deref(), args.limit).await)?;
    if args.json {
        output::json(&runs)?;
    } else if runs.is_empty() {
        output::line("no runs")?;
    } else {
        output::write(text(&runs).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(runs: &[RunSummary]) -> String {
    let is_any_parked = runs.iter().any(|run| run.parked.is_some());
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let mut row = vec![
                run.run.to_string(),
                run.pipeline.clone(),
                run.state.clone(),
                format!("{}/{}", run.done, run.steps),
                run.reused.to_string(),
                time(&run.created_at),
                run.seconds.map_or_else(|| "-".to_owned(), output::seconds),
            ];
            if is_any_parked {
                row.push(run.parked.clone().unwrap_or_default());
            }
            row
        })
        .collect();
    let mut header = vec!["run", "pipeline", "state", "done", "reused", "asked for (UTC)", "took"];
    if is_any_parked {
        header.push("parked");
    }
    output::table(&header, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RunId;

    fn rejected() -> RunSummary {
        RunSummary {
            run: RunId::from_u128(0x0193_8000),
            pipeline: "churn".to_owned(),
            state: "rejected".to_owned(),
            manifest_path: "churn.yaml".to_owned(),
            requested_by: "cli".to_owned(),
            created_at: "2026-03-02T08:00:00.123456Z".to_owned(),
            finished_at: None,
            seconds: Some(75.2),
            steps: 12,
            done: 9,
            reused: 4,
            failed: 0,
            priority: 0,
            parked: None,
            fired_by: None,
            rerun_of: None,
            backfill: None,
        }
    }

    #[test]
    fn runs_are_listed_in_columns() {
        let run = rejected();
        let interrupted = RunSummary { state: "interrupted".to_owned(), seconds: None, ..run.clone() };
        insta::assert_snapshot!(text(&[run, interrupted]), @r"
        run                                   pipeline  state        done  reused  asked for (UTC)      took
        run_00000000000000000000000001938000  churn     rejected     9/12       4  2026-03-02 08:00:00  1m15s
        run_00000000000000000000000001938000  churn     interrupted  9/12       4  2026-03-02 08:00:00  -
        ");
    }

    #[test]
    fn a_run_that_waits_for_somebody_says_for_what() {
        let parked = RunSummary {
            state: "awaiting_approval".to_owned(),
            parked: Some("waits for approval of gate `fair`".to_owned()),
            ..rejected()
        };
        let listed = text(&[rejected(), parked]);
        let lines: Vec<&str> = listed.lines().collect();
        assert!(lines[0].ends_with("took   parked"), "{listed}");
        assert!(lines[1].ends_with("1m15s"), "{listed}");
        assert!(lines[2].contains("awaiting_approval"), "{listed}");
        assert!(lines[2].ends_with("1m15s  waits for approval of gate `fair`"), "{listed}");
    }
}
