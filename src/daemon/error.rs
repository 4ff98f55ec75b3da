//! Why a daemon cannot start or go on.

use std::io;
use std::path::PathBuf;

use crate::store::StoreError;

/// A failure of the daemon as a whole, not of one run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another daemon uses the same SQLite state.
    #[error("another daemon uses the state in `{folder}`{}", holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), folder = folder.display())]
    StateInUse {
        /// The state folder.
        folder: PathBuf,
        /// The process that does.
        holder: Option<u32>,
    },
    /// The folder of pipelines cannot be used.
    #[error("cannot read the pipelines in `{folder}`", folder = folder.display())]
    Pipelines {
        /// The folder.
        folder: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The system refused something.
    #[error("the daemon cannot {doing}")]
    System {
        /// What it was about to do.
        doing: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The database did not do what was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}
