//! `phaseline suggest-checks FILE`: the checks that a profile suggests, as a block of YAML.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Exit, UsageError, output};
use crate::step::understanding::profile::suggest;
use crate::step::understanding::validate::validate_block;

/// Which profile.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The report of a `profile.table` step: a JSON file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The step whose table is checked.
    #[arg(long, value_name = "STEP", default_value = "customers")]
    table: String,
    /// Print `[{"expectation", "reason"}]` instead.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let file = args.file.display();
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read `{file}`"))?;
    let wrong = |reason: String| {
        UsageError::new(format!("`{file}`: {reason}"))
            .help("name the output `report` of a `profile.table` step; `phaseline artifacts` shows where it is")
    };
    let report: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
    let suggested = suggest(&report).map_err(wrong)?;
    if args.json {
        let listed: Vec<Value> =
            suggested.iter().map(|one| json!({"expectation": one.expectation, "reason": one.reason})).collect();
        output::json(&listed)?;
    } else {
        let remarks = vec![
            format!("{} checks that hold for the profiled rows. Warnings and infos say where the", suggested.len()),
            "data lay; widen or drop what may change.".to_owned(),
        ];
        let expectations: Vec<_> = suggested.into_iter().map(|one| one.expectation).collect();
        output::write(validate_block(&args.table, &expectations, &remarks).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}
