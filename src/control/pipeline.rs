//! One version of a pipeline's manifest, from a file or from what a daemon has loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ControlError;
use crate::manifest::{self, Manifest, Rejected, Source, suggest};
use crate::plan::{Overrides, Plan};
use crate::step::StepRegistry;
use crate::store::Store;

/// The text of a manifest and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The path of the manifest as it was given.
    pub path: String,
    /// The folder that relative paths in it start from.
    pub folder: PathBuf,
    /// The text.
    pub text: String,
}

impl Version {
    /// A text that lies at `path`.
    pub fn new(path: String, text: String) -> Version {
        let folder = Path::new(&path).parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // Whoever drives the run may do so in another folder.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Version { path, folder, text }
    }

    /// The manifest in a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Version, Rejected> {
        let text = Source::read(path)?.text.clone();
        Ok(Version::new(path.to_string_lossy().into_owned(), text))
    }

    /// The last good version of a pipeline that a daemon has loaded.
    ///
    /// # Errors
    /// [`super::ErrorKind::NotFound`] with the name that was probably meant.
    pub async fn of_pipeline(store: &Store, name: &str) -> Result<Version, ControlError> {
        if let Some((path, text)) = store.manifest_of(name).await? {
            return Ok(Version::new(path, text));
        }
        Err(unknown_pipeline(store, name).await?)
    }

    /// What is written.
    ///
    /// # Errors
    /// Nothing can be read at all.
    pub fn manifest(&self) -> Result<Manifest, Rejected> {
        let source = Source { name: self.path.clone(), folder: self.folder.clone(), text: self.text.clone() };
        manifest::read_with_mistakes(Arc::new(source))
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
