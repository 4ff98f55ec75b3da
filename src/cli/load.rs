//! Manifests named on the command line, made into plans.

use std::path::Path;

use crate::manifest::Rejected;
use crate::plan::{self, Overrides, Plan};
use crate::step::StepRegistry;

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
