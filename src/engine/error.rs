//! Why a run cannot be driven on. It is as its log says, and can be resumed.

use super::{EngineError, IllegalEvent, UnknownStep};
use crate::executor::ExecutorError;
use crate::id::{RunId, StepName};

/// A failure to drive a run, as opposed to a run that failed.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The database failed, or the run belongs to another process now.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine derived an event that cannot happen: a bug.
    #[error("a bug in the engine")]
    Illegal(#[from] IllegalEvent),
    /// An option names a step that the plan does not have.
    #[error(transparent)]
    UnknownStep(#[from] UnknownStep),
    /// Only some steps were asked for, and a result that they need does not exist.
    #[error("step `{step}` is needed and has no result that could be reused: {why}; run it too, or leave `--only` out")]
    NotCached {
        /// The step that would have to run.
        step: StepName,
        /// Why.
        why: String,
    },
    /// It cannot be found out what became of attempts that an earlier process started.
    #[error("cannot find out what became of an earlier attempt")]
    Executor(#[from] ExecutorError),
    /// Nothing runs, nothing can start, and nothing will change: a bug.
    #[error("{run} is stuck; this is a bug in the engine")]
    Stuck {
        /// The run.
        run: RunId,
    },
}
