//! Why something that was asked for is not done.

use serde_json::{Value, json};

use crate::engine::{EngineError, UnknownStep};
use crate::manifest::{Colour, Rejected};
use crate::store::StoreError;

/// A request that is refused or that failed, in the words that every way in shows.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ControlError {
    /// What kind of answer it is.
    pub kind: ErrorKind,
    /// The stable code, such as `no_such_run`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
    /// More of it, for programs; null if there is none. A refused manifest has `errors` and the `report` for people.
    pub details: Box<Value>,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of answer an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was named is not there.
    NotFound,
    /// It does not fit the state that things are in.
    Conflict,
    /// It makes no sense in any state.
    Invalid,
    /// The machine or the database did not do it.
    Failed,
}

impl ControlError {
    /// An error without help and details.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> ControlError {
        ControlError { kind, code, message: message.into(), help: None, details: Box::default(), source: None }
    }

    /// What was named is not there.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> ControlError {
        ControlError::new(ErrorKind::NotFound, code, message)
    }

    /// It does not fit the state that things are in.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> ControlError {
        ControlError::new(ErrorKind::Conflict, code, message)
    }

    /// It makes no sense in any state.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> ControlError {
        ControlError::new(ErrorKind::Invalid, code, message)
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> ControlError {
        ControlError { help: Some(help.into()), ..self }
    }

    /// The same error with a remedy, if there is one.
    #[must_use]
    pub fn maybe_help(self, help: Option<String>) -> ControlError {
        ControlError { help, ..self }
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> ControlError {
        match error {
            StoreError::NotFound { message, help } => ControlError::not_found("not_found", message).maybe_help(help),
            StoreError::Refused { message, help } => ControlError::invalid("refused", message).maybe_help(help),
            StoreError::Engine(error) => error.into(),
            other => failed(&other, &other),
        }
    }
}

impl From<EngineError> for ControlError {
    fn from(error: EngineError) -> ControlError {
        match error {
            EngineError::NoRun(_) => ControlError::not_found("no_such_run", error.to_string()),
            EngineError::Held { .. } | EngineError::LeaseLost { .. } => {
                ControlError::conflict("held", error.to_string())
            }
            EngineError::Corrupt { .. } => ControlError::new(ErrorKind::Failed, "corrupt", error.to_string()),
            EngineError::Database { ref source, .. } => match source.downcast_ref::<StoreError>() {
                Some(cause) => failed(&error, cause),
                None => ControlError::new(ErrorKind::Failed, "database", error.to_string()),
            },
        }
    }
}

/// The database did not do it: `told` is what is said, `cause` tells why.
fn failed(told: &(dyn std::error::Error + 'static), cause: &StoreError) -> ControlError {
    let code = match cause {
        StoreError::DiskFull { .. } => "disk_full",
        StoreError::Unreachable { .. } | StoreError::Open { .. } => "database_away",
        _ => "database",
    };
    let source = told.source().map(|source| source.to_string().into());
    ControlError { source, ..ControlError::new(ErrorKind::Failed, code, told.to_string()) }
}

impl From<UnknownStep> for ControlError {
    fn from(error: UnknownStep) -> ControlError {
        let help = error.nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"));
        let message = format!("there is no step `{}` in pipeline `{}`", error.name, error.pipeline);
        ControlError::invalid("unknown_step", message).maybe_help(help)
    }
}

impl From<Rejected> for ControlError {
    fn from(rejected: Rejected) -> ControlError {
        let mistakes = rejected.mistakes();
        let message = match mistakes.as_slice() {
            [only] => only.message.clone(),
            several => format!("{} mistakes, the first: {}", several.len(), several[0].message),
        };
        let help = mistakes.first().and_then(|mistake| mistake.help.clone());
        let code = mistakes.first().map_or("manifest", |mistake| mistake.code);
        let details = json!({"errors": rejected.to_json(), "report": rejected.render(Colour::Never)});
        let error =
            ControlError { details: Box::new(details), ..ControlError::invalid(code, message).maybe_help(help) };
        ControlError { source: Some(Box::new(rejected)), ..error }
    }
}
