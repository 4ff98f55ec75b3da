//! Manifests named on the command line, made into plans.

use std::path::Path;

use super::{Exit, output};
use crate::manifest::Rejected;
use crate::plan::{self, Overrides, Plan};
use crate::step::StepRegistry;

/// Ends a command whose manifest was refused: with `--json` by a document, else by the report of the error.
pub(super) fn refuse(rejected: Rejected, as_json: bool) -> anyhow::Result<Exit> {
    if !as_json {
        return Err(rejected.into());
    }
    output::json(&serde_json::json!({"errors": rejected.to_json()}))?;
    Ok(Exit::Usage)
}

/// The plan of a manifest under `--set` settings.
///
/// # Errors
/// Everything that is wrong with the manifest and the settings.
pub(super) fn plan(file: &Path, settings: &[String]) -> Result<Plan, Rejected> {
    let mut overrides = Overrides::from_settings(settings.iter().map(String::as_str))?;
    if let Ok(folder) = std::env::current_dir() {
        overrides = overrides.with_paths_from(folder);
    }
    plan::load(file, &StepRegistry::builtin(), &overrides)
}
