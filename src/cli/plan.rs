//! `phaseline plan FILE`: the steps of a pipeline in their order.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Exit, load, output};
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

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let plan = match load::plan(&args.file, &args.settings) {
        Ok(plan) => plan,
        Err(rejected) if args.json => {
            output::json(&json!({"errors": rejected.to_json()}))?;
            return Ok(Exit::Usage);
        }
        Err(rejected) => return Err(rejected.into()),
    };
    if args.dot {
        output::write(plan.dot().as_bytes())?;
    } else if args.json {
        output::json(&document(&plan))?;
    } else {
        output::write(listing(&plan).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

/// The steps in order, then the gates.
fn listing(plan: &Plan) -> String {
    let rows: Vec<Vec<String>> = plan
        .steps
        .values()
        .map(|step| vec![step.phase.to_string(), step.name.to_string(), step.kind.clone(), inputs(step)])
        .collect();
    let mut text = output::table(&["phase", "step", "kind", "inputs"], &rows);
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

fn document(plan: &Plan) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .values()
        .map(|step| {
            json!({
                "step": step.name,
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
