//! What can go wrong with the database.

use std::path::PathBuf;

use crate::engine::EngineError;

/// A failure of the database or of what is stored in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder of the SQLite file cannot be used.
    #[error("cannot create the folder `{path}` for the database", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {url}")]
    Open {
        /// Where it is, without password.
        url: String,
        /// The answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database does not answer, and has not for a while.
    #[error("cannot {doing}: the database {url} does not answer; nothing is lost, and the run can be resumed")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// Where it is, without password.
        url: String,
        /// The last answer.
        #[source]
        source: sqlx::Error,
    },
    /// There is no room for what was to be written.
    #[error("cannot {doing}: the disk of the database {url} is full; nothing is lost: make room and resume the run")]
    DiskFull {
        /// What was being done.
        doing: &'static str,
        /// Where it is, without password.
        url: String,
        /// The answer.
        #[source]
        source: sqlx::Error,
    },
    /// The tables could not be brought up to date.
    #[error("cannot bring the tables of the database up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The database was used by a newer program.
    #[error(
        "the database has tables of a newer version of phaseline ({found}, this program knows {known}); use that one"
    )]
    TooNew {
        /// The version of the tables.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The database refused.
    #[error("cannot {doing} in the database")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// The answer.
        #[source]
        source: sqlx::Error,
    },
    /// A stored value does not make sense.
    #[error("the stored {what} does not make sense: {reason}")]
    Corrupt {
        /// What was read.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// What was asked for by name is not there, or the name fits several.
    #[error("{message}")]
    NotFound {
        /// What was looked for and not found.
        message: String,
        /// What is there instead.
        help: Option<String>,
    },
    /// A query that cannot be run.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// What to write instead.
        help: Option<String>,
    },
    /// A promise of the engine's port was broken.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl StoreError {
    /// The error as the engine's port tells it.
    pub(super) fn into_engine(self, doing: &'static str) -> EngineError {
        match self {
            StoreError::Engine(error) => error,
            // The engine's error says what was being done.
            StoreError::Sql { source, .. } => EngineError::Database { doing, source: Box::new(source) },
            other => EngineError::Database { doing, source: Box::new(other) },
        }
    }
}

/// The failure of a query; connections that cannot be had are told apart by [`super::Store::read`].
impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> StoreError {
        StoreError::Sql { doing: "read", source }
    }
}
