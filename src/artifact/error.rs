//! What can go wrong between a step and its bytes.

use std::io;
use std::path::PathBuf;

use super::ArtifactRef;

/// A failure of the artifact store.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The operating system refused a file operation.
    #[error("cannot {doing} `{path}`", path = path.display())]
    Io {
        /// What was being done, such as `write`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The bytes of a recorded artifact are gone.
    #[error("{kind} {digest} is missing from the artifact store; a run that needs it makes it again",
        kind = artifact.kind, digest = artifact.digest.short())]
    Missing {
        /// The artifact.
        artifact: ArtifactRef,
    },
    /// The bytes of a recorded artifact are not those that were stored.
    #[error("{kind} {digest} is corrupt in the artifact store ({found}); it is set aside and a run that needs it makes it again",
        kind = artifact.kind, digest = artifact.digest.short())]
    Corrupt {
        /// The artifact.
        artifact: ArtifactRef,
        /// What was found instead.
        found: String,
    },
    /// The remote store did not answer as expected.
    #[error("the artifact store at `{location}` failed")]
    Remote {
        /// The URL of the store, without credentials.
        location: String,
        /// The answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The location is neither a folder nor a URL that is understood.
    #[error("cannot use `{location}` as an artifact store: {reason}")]
    Location {
        /// The location as configured.
        location: String,
        /// Why it was refused.
        reason: String,
    },
}

impl ArtifactError {
    /// Whether the failure is of the environment (disk, network) and may pass, as opposed to lost or changed bytes.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Remote { .. })
    }
}
