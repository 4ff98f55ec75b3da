//! What can go wrong with a table.

use std::io;
use std::path::PathBuf;

/// A table that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file could not be opened or created.
    #[error("cannot open the table `{path}`", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file is not Parquet, or it is damaged.
    #[error("the table `{path}` could not be read or written", path = path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Parquet's answer.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A batch could not be decoded.
    #[error("a batch of the table could not be decoded")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A column that was asked for is not there.
    #[error("the table has no column `{column}`")]
    NoColumn {
        /// The column that was asked for.
        column: String,
        /// The columns that are there.
        available: Vec<String>,
    },
}
