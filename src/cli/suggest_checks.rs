//! `phaseline suggest-checks`: the checks that a profile suggests, as a block of YAML.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Exit, Settings, UsageError, output, step_output};
use crate::artifact::ArtifactKind;
use crate::step::understanding::profile::suggest;
use crate::step::understanding::validate::validate_block;

/// Which profile.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The report of a `profile.table` step: a JSON file; with STEP, a run: its id, the beginning of it, or `latest`.
    #[arg(value_name = "FILE|RUN")]
    source: String,
    /// The `profile.table` step of the run.
    #[arg(value_name = "STEP")]
    step: Option<String>,
    /// The step whose table is checked.
    #[arg(long, value_name = "STEP", default_value = "customers")]
    table: String,
    /// Print `[{"expectation", "reason"}]` instead.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let path = match &args.step {
        Some(step) => step_output::path(settings, &args.source, step, Some("report"), ArtifactKind::Report)?,
        None => PathBuf::from(&args.source),
    };
    let file = args.step.as_ref().map_or_else(|| args.source.clone(), |step| format!("{} {step}", args.source));
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let wrong = |reason: String| {
        UsageError::new(format!("`{file}`: {reason}"))
            .help("name a run and its `profile.table` step, or the file of that step's output `report`")
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
