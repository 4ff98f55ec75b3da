//! `phaseline plan FILE`: the steps of a pipeline in their order, and for each whether it would run and why.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use chrono::Utc;

use serde_json::{Value, json};

use super::{Exit, Settings, load, output, parts};
use crate::artifact::ArtifactStore;
use crate::engine::{CacheIndex, FileDigests, Forecast, MemoryLog, RunOptions, forecast};
use crate::plan::{Plan, PlannedStep};

/// Which plan, and how to show it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest.
    file: PathBuf,
    /// Give a param another value than its default.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Print the graph in the DOT language.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let plan = match load::plan(&args.file, &args.settings) {
        Ok(plan) => plan,
        Err(rejected) => return load::refuse(rejected, args.json),
    };
    if args.dot {
        output::write(plan.dot().as_bytes())?;
        return Ok(Exit::Succeeded);
    }
    let forecasts = foretell(settings, &plan)?;
    if args.json {
        output::json(&document(&plan, &forecasts))?;
    } else {
        output::write(listing(&plan, &forecasts).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

/// What each step would do, asked of the state as it is now.
fn foretell(settings: &Settings, plan: &Plan) -> anyhow::Result<Vec<Forecast>> {
    parts::runtime()?.block_on(async {
        // A plan only asks: it leaves no state behind where there is none.
        let is_new = settings.database_url.is_none() && !settings.state.exists();
        let holder = if is_new { Some(tempfile::tempdir()?) } else { None };
        let (cache, artifacts): (Arc<dyn CacheIndex>, _) = match &holder {
            Some(folder) => (Arc::new(MemoryLog::default()), ArtifactStore::open(folder.path())?),
            None => (Arc::new(parts::store(settings).await?), parts::artifacts(settings)?),
        };
        let files = match &holder {
            Some(folder) => FileDigests::kept_in(folder.path().join(FileDigests::FILE)),
            None => FileDigests::kept_in(settings.state.join(FileDigests::FILE)),
        };
        let options = RunOptions::default();
        Ok(forecast(plan, &options, cache, artifacts, Arc::new(Mutex::new(files)), Utc::now()).await?)
    })
}

/// The steps in order, then the gates.
fn listing(plan: &Plan, forecasts: &[Forecast]) -> String {
    let rows: Vec<Vec<String>> = plan
        .steps
        .values()
        .zip(forecasts)
        .map(|(step, forecast)| {
            vec![
                step.phase.to_string(),
                step.name.to_string(),
                step.kind.clone(),
                forecast.will.as_str().to_owned(),
                forecast.why.clone(),
                inputs(step),
            ]
        })
        .collect();
    let mut text = output::table(&["phase", "step", "kind", "will", "why", "inputs"], &rows);
    if !plan.gates.is_empty() {
        let rows: Vec<Vec<String>> = plan
            .gates
            .values()
            .map(|gate| vec![gate.phase.to_string(), gate.name.to_string(), gate.check.clone()])
            .collect();
        text.push('\n');
        text.push_str(&output::table(&["phase", "gate", "check"], &rows));
    }
    text
}

fn inputs(step: &PlannedStep) -> String {
    let inputs: Vec<String> = step
        .inputs
        .iter()
        .map(|(input, bindings)| {
            let sources: Vec<String> = bindings.iter().map(ToString::to_string).collect();
            format!("{input}: {}", sources.join(" + "))
        })
        .collect();
    inputs.join(", ")
}

fn document(plan: &Plan, forecasts: &[Forecast]) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .values()
        .zip(forecasts)
        .map(|(step, forecast)| {
            json!({
                "step": step.name,
                "will": forecast.will.as_str(),
                "why": forecast.why,
                "phase": step.phase,
                "kind": step.kind,
                "kind_version": step.kind_version,
                "params": step.params,
                "inputs": step.inputs.iter().map(|(input, bindings)| {
                    (input.to_string(), json!(bindings.iter().map(ToString::to_string).collect::<Vec<_>>()))
                }).collect::<serde_json::Map<_, _>>(),
                "outputs": step.outputs,
                "needs": step.needs,
                "when": step.when,
                "seed": step.seed,
            })
        })
        .collect();
    json!({"pipeline": plan.pipeline, "params": plan.params, "steps": steps, "gates": plan.gates.values().collect::<Vec<_>>()})
}
