//! `phaseline check FILE...`: everything that is wrong with manifests, without running anything.

use std::path::PathBuf;

use serde_json::json;

use super::{Exit, output};
use crate::plan::{self, Overrides};
use crate::step::StepRegistry;

/// Which manifests.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Manifests to check.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the mistakes as JSON: `{"errors": [{"code", "message", "file", "line", "column", "help"}]}`.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = StepRegistry::builtin();
    let (mut fine, mut refused) = (Vec::new(), Vec::new());
    for file in &args.files {
        match plan::load(file, &registry, &Overrides::stand_ins()) {
            Ok(plan) => fine.push((file, plan)),
            Err(rejected) => refused.push(rejected),
        }
    }
    if args.json {
        let errors: Vec<_> = refused.iter().flat_map(crate::manifest::Rejected::to_json).collect();
        output::json(&json!({ "errors": errors }))?;
    } else {
        for (file, plan) in &fine {
            output::line(format!(
                "{}: {} steps, {} gates, no mistakes",
                file.display(),
                plan.steps.len(),
                plan.gates.len()
            ))?;
        }
        for rejected in &refused {
            output::report(rejected);
        }
        let count: usize = refused.iter().map(|rejected| rejected.mistakes().len()).sum();
        if count > 0 {
            let mistakes = if count == 1 { "mistake" } else { "mistakes" };
            output::line(format!("{count} {mistakes} in {} of {} files", refused.len(), args.files.len()))?;
        }
    }
    Ok(if refused.is_empty() { Exit::Succeeded } else { Exit::Usage })
}
