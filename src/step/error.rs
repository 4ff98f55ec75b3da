//! Why a step failed, and whether another attempt may help.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::artifact::ArtifactError;
use crate::table::TableError;

/// Whose fault a failure is; only the environment's are retried unless the manifest says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The user's data, manifest or command.
    Input,
    /// Network, database, disk, memory, a lost worker, a timeout.
    Environment,
    /// A mistake in Phaseline.
    Bug,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Fault::Input => "input",
            Fault::Environment => "environment",
            Fault::Bug => "bug",
        })
    }
}

/// The failure of a step: whose fault, a stable code, what happened, and where there is one the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    fault: Fault,
    code: &'static str,
    message: String,
    help: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StepError {
    /// A failure that the user's data or manifest causes. `code` is stable, such as `column_missing`.
    pub fn input(code: &'static str, message: impl Into<String>) -> StepError {
        StepError { fault: Fault::Input, code, message: message.into(), help: None, source: None }
    }

    /// A failure of the surroundings that may pass.
    pub fn environment(code: &'static str, message: impl Into<String>) -> StepError {
        StepError { fault: Fault::Environment, ..StepError::input(code, message) }
    }

    /// No room for what was to be written.
    fn disk_full(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
        StepError::environment("disk_full", "the disk is full")
            .caused_by(source)
            .help("make room on the disk of the state folder, or choose another with `--state`")
    }

    /// A broken promise of our own code.
    pub fn bug(message: impl Into<String>) -> StepError {
        StepError { fault: Fault::Bug, ..StepError::input("bug", message) }
    }

    /// The same failure with a remedy.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> StepError {
        StepError { help: Some(help.into()), ..self }
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
        StepError { source: Some(source.into()), ..self }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The remedy, if there is one.
    pub fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl From<ArtifactError> for StepError {
    fn from(error: ArtifactError) -> StepError {
        let code = match &error {
            ArtifactError::Missing { .. } => "artifact_missing",
            ArtifactError::Corrupt { .. } => "artifact_corrupt",
            _ if is_disk_full(&error) => return StepError::disk_full(error),
            _ => return StepError::environment("artifact_store", "the artifact store failed").caused_by(error),
        };
        StepError::environment(code, error.to_string())
    }
}

impl From<arrow::error::ArrowError> for StepError {
    fn from(error: arrow::error::ArrowError) -> StepError {
        StepError::bug("a table operation failed").caused_by(error)
    }
}

impl From<TableError> for StepError {
    fn from(error: TableError) -> StepError {
        match &error {
            TableError::NoColumn { column, available } => {
                let nearest = available
                    .iter()
                    .map(|name| (strsim::damerau_levenshtein(name, column), name))
                    .min()
                    .filter(|(distance, _)| *distance <= 3);
                let help = match nearest {
                    Some((_, name)) => format!("did you mean `{name}`?"),
                    None => format!("it has: {}", available.join(", ")),
                };
                StepError::input("column_missing", error.to_string()).help(help)
            }
            _ if is_disk_full(&error) => StepError::disk_full(error),
            _ => StepError::environment("table", "a table could not be read or written").caused_by(error),
        }
    }
}

impl From<io::Error> for StepError {
    fn from(error: io::Error) -> StepError {
        if is_disk_full(&error) { StepError::disk_full(error) } else { StepError::environment("io", error.to_string()) }
    }
}

/// Whether somewhere among the causes the system had no room left.
pub fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        // Parquet's writer hands on the text of its cause and not the cause.
        matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
            || cause.to_string().contains("(os error 28)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_however_deep_among_the_causes_it_is() {
        let full = || io::Error::from_raw_os_error(28);
        let artifact = ArtifactError::Io { doing: "write", path: "/state/x".into(), source: full() };
        let parquet = parquet::errors::ParquetError::External(Box::new(full()));
        let errors = [
            StepError::from(full()),
            artifact.into(),
            TableError::Parquet { path: "x".into(), source: parquet }.into(),
        ];
        for error in errors {
            assert_eq!((error.fault(), error.code()), (Fault::Environment, "disk_full"), "{error}");
            assert!(error.remedy().is_some_and(|help| help.contains("make room")));
        }
        assert_eq!(StepError::from(io::Error::other("odd")).code(), "io");
    }
}
