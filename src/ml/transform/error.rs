//! Why a feature pipeline cannot be fitted or applied.

use arrow::error::ArrowError;

use crate::table::TableError;

/// A failure of a feature pipeline.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// The data or the manifest does not allow it.
    #[error("{message}")]
    Input {
        /// Stable, such as `column_missing`.
        code: &'static str,
        /// What is wrong, with the column and the value.
        message: String,
        /// The remedy, if there is one.
        help: Option<String>,
    },
    /// A table could not be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Arrow refused an operation that should always work.
    #[error("a column operation failed")]
    Arrow(#[from] ArrowError),
    /// The folder of a fitted pipeline does not hold what this version of the program can read.
    #[error("cannot read the fitted pipeline: {reason}")]
    Unreadable {
        /// What stands in the way.
        reason: String,
    },
}

impl TransformError {
    /// A failure that the data or the manifest causes.
    pub fn input(code: &'static str, message: impl Into<String>) -> TransformError {
        TransformError::Input { code, message: message.into(), help: None }
    }

    /// The same failure with a remedy.
    #[must_use]
    pub fn help(self, remedy: impl Into<String>) -> TransformError {
        match self {
            TransformError::Input { code, message, .. } => {
                TransformError::Input { code, message, help: Some(remedy.into()) }
            }
            other => other,
        }
    }

    /// The remedy, if there is one.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            TransformError::Input { help, .. } => help.as_deref(),
            _ => None,
        }
    }
}
