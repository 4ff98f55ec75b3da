//! `phaseline import-suite FILE`: an expectation suite of Great Expectations as a block of YAML.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use super::{Exit, UsageError, output};
use crate::step::understanding::validate::gx::read_suite;
use crate::step::understanding::validate::validate_block;

/// Which suite.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The suite as Great Expectations saved it: a JSON file with a list `expectations`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The step whose table is checked.
    #[arg(long, value_name = "STEP", default_value = "customers")]
    table: String,
    /// Print `{"name", "expect", "unsupported": [{"place", "type", "reason"}]}` instead.
    #[arg(long)]
    json: bool,
    /// End with exit code 2 if an expectation cannot be said in our words.
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read `{}`", args.file.display()))?;
    let suite = read_suite(&text).map_err(|error| {
        UsageError::new(format!("`{}`: {error}", args.file.display()))
            .help("name a suite that Great Expectations saved as JSON")
    })?;
    if args.json {
        let unsupported: Vec<_> = suite
            .unsupported
            .iter()
            .map(|one| json!({"place": one.place, "type": one.gx_type, "reason": one.reason}))
            .collect();
        output::json(&json!({"name": suite.name, "expect": suite.expectations, "unsupported": unsupported}))?;
    } else {
        let total = suite.expectations.len() + suite.unsupported.len();
        let mut remarks =
            vec![format!("From the suite `{}`: {} of {total} expectations.", suite.name, suite.expectations.len())];
        remarks.extend(suite.unsupported.iter().map(|one| format!("Not imported: {one}.")));
        output::write(validate_block(&args.table, &suite.expectations, &remarks).as_bytes())?;
    }
    Ok(if args.strict && !suite.unsupported.is_empty() { Exit::Usage } else { Exit::Succeeded })
}
