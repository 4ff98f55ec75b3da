//! The rows that events turn into. Texts are as they stand in SQL.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::artifact::{ArtifactRef, Digest};
use crate::engine::{CacheKey, KeyParts, Outcome, Subject};
use crate::id::{AttemptId, GateName, OutputName, StepName};
use crate::step::{Metric, Registration, StepOutcome};
use crate::worker::Failure;

/// Everything that some events of one run change, with the last word where several speak of the same row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Projection {
    /// Changes of the run itself.
    pub run: RunChange,
    /// When unfinished steps were made to wait again; applied before `steps`.
    pub resumed_at: Option<DateTime<Utc>>,
    /// Changes of steps.
    pub steps: BTreeMap<StepName, StepChange>,
    /// Steps that were cancelled with the attempts that they have, and when.
    pub cancelled: BTreeMap<StepName, DateTime<Utc>>,
    /// Attempts that begin.
    pub attempts: Vec<AttemptStart>,
    /// Attempts that end.
    pub ends: Vec<AttemptEnd>,
    /// What was bound to the inputs of attempts and reused steps.
    pub inputs: Vec<InputRow>,
    /// What steps made or took over.
    pub outputs: Vec<OutputRow>,
    /// Models and the bundles around them that are no outputs of a step.
    pub bundled: BTreeSet<(Digest, Digest)>,
    /// Measured values.
    pub metrics: Vec<MetricRow>,
    /// Which output columns came from which input columns.
    pub columns: Vec<ColumnRow>,
    /// Results of gates.
    pub gates: BTreeMap<GateName, GateResult>,
    /// Decisions that were asked for or taken, in order.
    pub decisions: Vec<DecisionChange>,
    /// Model versions to register.
    pub registrations: Vec<Registered>,
    /// Keys of reused steps.
    pub reused_keys: BTreeMap<StepName, (CacheKey, KeyParts)>,
}

/// What was asked or decided about a gate or step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionChange {
    /// What it is about.
    pub subject: Subject,
    /// `awaited`, `approved`, `refused`, `expired` or `waived`.
    pub state: &'static str,
    /// What whoever decides reads; only with `awaited`.
    pub message: Option<String>,
    /// When the question counts as refused, or until when the decision counts.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who decided; none if nobody has.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl DecisionChange {
    /// Whether it still opens its gate or ends its step after the run was resumed at `now`.
    pub fn counts(&self, now: DateTime<Utc>) -> bool {
        matches!(self.state, "approved" | "waived") && self.expires_at.is_none_or(|until| now < until)
    }
}

/// Changes of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunChange {
    /// The state after the events: `running` or an outcome.
    pub state: Option<&'static str>,
    /// When the first process took it on.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, and how.
    pub finished: Option<(DateTime<Utc>, Outcome)>,
    /// The digest of the sealed success criteria.
    pub criteria: Option<Digest>,
}

/// The state of a step after some events; what is `None` below `because` and above `finished_at` stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepChange {
    /// `waiting`, `running`, `succeeded`, `reused`, `failed`, `skipped` or `cancelled`.
    pub state: &'static str,
    /// Why it was skipped.
    pub because: Option<String>,
    /// How many attempts have begun.
    pub attempts: Option<u32>,
    /// The attempt that runs or that made the result.
    pub attempt: Option<AttemptId>,
    /// The cache key.
    pub key: Option<CacheKey>,
    /// Why it runs.
    pub why: Option<String>,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl StepChange {
    /// A change to `state` alone.
    pub fn to(state: &'static str) -> StepChange {
        StepChange {
            state,
            because: None,
            attempts: None,
            attempt: None,
            key: None,
            why: None,
            started_at: None,
            finished_at: None,
        }
    }
}

/// An attempt that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptStart {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its step.
    pub step: StepName,
    /// Which attempt of the step it is.
    pub number: u32,
    /// The key under which its result is recorded.
    pub key: Option<CacheKey>,
    /// What went into the key.
    pub parts: KeyParts,
    /// Why the step runs.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// An attempt that ends.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptEnd {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its step.
    pub step: StepName,
    /// `succeeded`, `failed` or `lost`.
    pub state: &'static str,
    /// Why it failed; for a lost attempt, what is known.
    pub failure: Option<Failure>,
    /// The result that its key stands for from now on.
    pub outcome: Option<StepOutcome>,
    /// Seconds of the step.
    pub seconds: Option<f64>,
    /// Largest resident memory.
    pub peak_memory_bytes: Option<u64>,
    /// When.
    pub at: DateTime<Utc>,
}

/// An artifact bound to an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRow {
    /// The step.
    pub step: StepName,
    /// The input.
    pub input: String,
    /// Its place among the artifacts of that input.
    pub position: u32,
    /// The artifact.
    pub digest: Digest,
    /// The step that gave it.
    pub source_step: StepName,
    /// The output of that step.
    pub source_output: OutputName,
}

/// An output of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRow {
    /// The step.
    pub step: StepName,
    /// The output; none for a bundle that is no output of its own.
    pub output: Option<OutputName>,
    /// The artifact.
    pub artifact: ArtifactRef,
    /// The attempt that made it.
    pub attempt: AttemptId,
    /// When it was made or taken over.
    pub at: DateTime<Utc>,
}

/// A measured value of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its place among the metrics of the attempt.
    pub position: u32,
    /// The value with its name, slice and interval.
    pub metric: Metric,
}

/// A column of an output and one that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRow {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its place among the edges of the attempt.
    pub position: u32,
    /// The output.
    pub output: OutputName,
    /// The artifact of the output.
    pub digest: Digest,
    /// The column.
    pub column: String,
    /// The artifact it came from.
    pub from_digest: Digest,
    /// The column there.
    pub from_column: String,
    /// How.
    pub transform: String,
}

/// The result of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateResult {
    /// `passed`, `failed` or `not_evaluable`.
    pub verdict: &'static str,
    /// The values that its expression read, as a JSON object.
    pub evidence: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A model version to register.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The step that deploys.
    pub step: StepName,
    /// What to register.
    pub registration: Registration,
    /// When.
    pub at: DateTime<Utc>,
}
