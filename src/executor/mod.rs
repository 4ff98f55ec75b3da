//! Where an attempt runs: a local child process now, a cluster's queue later.
//!
//! Main type: [`Executor`]. An executor knows attempts by their ids only; whether a result counts is the engine's
//! business.

mod ending;
mod gpus;
mod leftovers;
mod local;
mod memory;
pub mod owner;

use std::time::Duration;

use async_trait::async_trait;

use crate::id::{AttemptId, RunId};
use crate::worker::{Report, WorkOrder};

pub use gpus::{Gpu, GpuProbe, has_gpu_driver};
pub use leftovers::processes_of_attempts;
pub use local::{AttemptMessage, LocalExecutor};
pub use memory::memory_bytes;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// It left a report.
    Reported(Box<Report>),
    /// Its process is gone and there is no report: the attempt is lost.
    Vanished {
        /// What is known: the signal, or that the process is not there any more.
        why: String,
    },
}

/// What is known of an attempt that an earlier process submitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It runs; [`Executor::wait`] adopts it.
    Running {
        /// How long it has run, if that can be told by a clock that nobody sets.
        age: Option<Duration>,
    },
    /// It has ended.
    Ended(Ended),
    /// It never started, and since its claim is taken now it never will.
    NeverStarted,
}

/// Why an attempt could not be started or observed.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The attempt's folder could not be written or read.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// Starts attempts and tells how they ended.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Starts an attempt. When this returns, [`Executor::find`] knows it, even after a crash of this process.
    async fn submit(&self, order: &WorkOrder) -> Result<(), ExecutorError>;

    /// Waits for the end of an attempt that was submitted here or found running.
    async fn wait(&self, run: RunId, attempt: AttemptId) -> Result<Ended, ExecutorError>;

    /// Looks for an attempt that an earlier process may have submitted.
    async fn find(&self, run: RunId, attempt: AttemptId) -> Result<Found, ExecutorError>;

    /// Asks an attempt to end, and ends it with all its children after `grace`. [`Executor::wait`] tells how it ended.
    async fn cancel(&self, run: RunId, attempt: AttemptId, grace: Duration) -> Result<(), ExecutorError>;
}
