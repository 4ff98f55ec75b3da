//! One version of a pipeline's manifest, from a file or from what a daemon has loaded.

use std::path::Path;
use std::sync::Arc;

use super::ControlError;
use crate::manifest::{self, Manifest, Rejected, Source, suggest};
use crate::plan::{Overrides, Plan};
use crate::step::StepRegistry;
use crate::store::Store;

/// The text of a manifest and where it lies; relative paths in it start there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The path of the manifest as it was given.
    pub path: String,
    /// The text.
    pub text: String,
}

impl Version {
    /// The manifest in a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Version, Rejected> {
        let text = Source::read(path)?.text.clone();
        // Whoever drives the run may do so in another folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Version { path: path.to_string_lossy().into_owned(), text })
    }

    /// The last good version of a pipeline that a daemon has loaded.
    ///
    /// # Errors
    /// [`super::ErrorKind::NotFound`] with the name that was probably meant.
    pub async fn of_pipeline(store: &Store, name: &str) -> Result<Version, ControlError> {
        if let Some((path, text)) = store.manifest_of(name).await? {
            return Ok(Version { path, text });
        }
        Err(unknown_pipeline(store, name).await?)
    }

    /// What is written.
    ///
    /// # Errors
    /// Nothing can be read at all.
    pub fn manifest(&self) -> Result<Manifest, Rejected> {
        let folder = Path::new(&self.path).parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map_or_else(|| ".".into(), Path::to_owned);
        manifest::read_with_mistakes(Arc::new(Source { name: self.path.clone(), folder, text: self.text.clone() }))
    }

    /// The plan under the given values of params.
    ///
    /// # Errors
    /// Everything that is wrong with the manifest and the values.
    pub fn plan(&self, overrides: &Overrides) -> Result<Plan, Rejected> {
        Plan::build(&self.manifest()?, &StepRegistry::builtin(), overrides)
    }
}

/// The refusal of a name that no pipeline has.
pub(super) async fn unknown_pipeline(store: &Store, name: &str) -> Result<ControlError, ControlError> {
    let known = store.pipeline_names().await?;
    let help = suggest(name, known.iter().map(String::as_str))
        .unwrap_or_else(|| "a daemon loads pipelines from the folder that its `--pipelines` names".to_owned());
    Ok(ControlError::not_found("no_such_pipeline", format!("no daemon has loaded a pipeline `{name}`")).help(help))
}
