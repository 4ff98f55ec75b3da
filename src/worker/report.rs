//! The report: how an attempt ended, as a JSON file that is created once.

use std::io;

use serde::{Deserialize, Serialize};

use super::folder::{AttemptFolder, read_json};
use crate::id::AttemptId;
use crate::step::masking::Masker;
use crate::step::{Fault, StepError, StepOutcome};

/// Why an attempt failed, in a form that travels and is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault it is.
    pub fault: Fault,
    /// The stable code.
    pub code: String,
    /// What happened, with its chain of causes.
    pub message: String,
    /// The remedy, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What an error says, followed by its chain of causes.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    message
}

impl From<&StepError> for Failure {
    fn from(error: &StepError) -> Failure {
        Failure {
            fault: error.fault(),
            code: error.code().to_owned(),
            message: with_causes(error),
            help: error.remedy().map(str::to_owned),
        }
    }
}

/// How the step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportedEnd {
    /// With outputs.
    Succeeded(StepOutcome),
    /// With a failure.
    Failed(Failure),
}

impl ReportedEnd {
    /// The same end without secrets.
    pub(super) fn masked(self, masker: &Masker) -> ReportedEnd {
        match self {
            ReportedEnd::Succeeded(mut outcome) => {
                for metric in &mut outcome.metrics {
                    metric.name = masker.mask(&metric.name);
                    metric.slice = metric.slice.take().map(|slice| masker.mask(&slice));
                }
                outcome.warnings.iter_mut().for_each(|warning| *warning = masker.mask(warning));
                ReportedEnd::Succeeded(outcome)
            }
            ReportedEnd::Failed(failure) => ReportedEnd::Failed(Failure {
                message: masker.mask(&failure.message),
                help: failure.help.map(|help| masker.mask(&help)),
                ..failure
            }),
        }
    }
}

/// What a worker leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The attempt that it is about.
    pub attempt: AttemptId,
    /// How it ended.
    pub end: ReportedEnd,
    /// Wall-clock seconds that the step took.
    pub seconds: f64,
    /// The largest resident memory, in bytes, children included.
    pub peak_memory_bytes: u64,
}

impl Report {
    /// The report of an attempt, if it has left one.
    pub fn read(folder: &AttemptFolder) -> io::Result<Option<Report>> {
        read_json(&folder.report())
    }
}
