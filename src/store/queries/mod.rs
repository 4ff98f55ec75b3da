//! What the command line and the server ask, one file for each subject.

mod artifacts;
mod counts;
mod decisions;
mod diff;
mod ended_runs;
mod endpoints;
mod lineage;
mod manifests;
mod measured;
mod models;
mod operations;
mod page;
mod pins;
mod pipelines;
mod pools;
mod progress;
mod runs;
mod show;
mod sql;
mod waits;

pub(super) use artifacts::reference;
pub use artifacts::{ArtifactDetail, ArtifactSummary};
pub use counts::Counts;
pub use decisions::AskedDecision;
pub use diff::{Difference, MetricDifference, RunDiff};
pub use ended_runs::EndedRun;
pub use endpoints::Endpoint;
pub use lineage::{Direction, LineageGraph, LineageNode};
pub use measured::{AttemptSummary, MetricFilter, MetricValue};
pub use models::{ModelSummary, ModelVersion};
pub use operations::{ApprovalSummary, AuditEntry, BackfillItem, BackfillSummary, DaemonSummary, TokenSummary};
pub use page::{Page, PageRequest};
pub use pins::PinSummary;
pub use pipelines::{ManifestProblemSummary, PipelineSummary, TriggerSummary};
pub use pools::{PoolDetail, PoolHolder, PoolSummary, PoolWaiter};
pub use progress::{LoggedEvent, Progress, RunFacts, RunLease};
pub use runs::{RunFilter, RunSummary, run_among};
pub use show::{AttemptError, GateDetail, MeasuredValue, OutputDetail, RunDetail, StepDetail};
pub use sql::QueryResult;
pub use waits::StepWait;

use super::StoreError;

fn not_found(message: String, help: impl Into<Option<String>>) -> StoreError {
    StoreError::NotFound { message, help: help.into() }
}

/// A stored text that should read as `T`.
pub(super) fn parsed<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| StoreError::Corrupt { what, reason: error.to_string() })
}

/// A stored JSON text.
fn json(what: &'static str, text: &str) -> Result<serde_json::Value, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt { what, reason: error.to_string() })
}
