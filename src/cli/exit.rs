//! Exit codes, and how an error is shown before one.

use std::process::ExitCode;

use crate::manifest::Rejected;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Succeeded,
    /// A step failed, or the machine did.
    Failed,
    /// The manifest or the command is wrong.
    Usage,
    /// A gate rejected the run.
    Rejected,
    /// The run waits for somebody: an approval, or the end of a pause.
    Parked,
    /// Somebody cancelled.
    Cancelled,
}

impl Exit {
    /// The number that a shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Succeeded => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Rejected => 3,
            Exit::Parked => 4,
            Exit::Cancelled => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// A mistake in the command, with a remedy: ends the program with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
}

impl UsageError {
    /// A mistake without a remedy that would help.
    pub fn new(message: impl Into<String>) -> UsageError {
        UsageError { message: message.into(), help: None }
    }

    /// The same mistake with a remedy.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> UsageError {
        UsageError { help: Some(help.into()), ..self }
    }
}

/// A failure of a machine, with a remedy: ends the program with exit code 1.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// What does not work.
    pub(super) message: String,
    /// What to do about it.
    pub(super) help: String,
    /// What lies beneath.
    #[source]
    pub(super) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The report of a daemon that refuses a manifest or the values of its params: ends the program with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RefusedManifest(pub(super) String);

/// Shows an error with its causes and remedy on standard error.
#[expect(clippy::print_stderr, reason = "this is where errors reach the user")]
pub(super) fn report(error: &anyhow::Error) -> Exit {
    let broken_pipe = error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    });
    if broken_pipe {
        // `phaseline runs | head` is no failure.
        return Exit::Succeeded;
    }
    if let Some(rejected) = error.downcast_ref::<Rejected>() {
        super::output::report(rejected);
        return Exit::Usage;
    }
    if let Some(RefusedManifest(report)) = error.downcast_ref() {
        eprintln!("{report}\n");
        return Exit::Usage;
    }
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    match error.downcast_ref::<UsageError>() {
        Some(usage) => {
            if let Some(help) = &usage.help {
                eprintln!("  help: {help}");
            }
            Exit::Usage
        }
        None => {
            if let Some(failure) = error.downcast_ref::<Failure>() {
                eprintln!("  help: {}", failure.help);
            }
            Exit::Failed
        }
    }
}
