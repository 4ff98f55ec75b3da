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
    let overrides = Overrides::from_settings(settings.iter().map(String::as_str))?;
    plan::load(file, &StepRegistry::builtin(), &overrides)
}
