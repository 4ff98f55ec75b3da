//! What can happen to a run. Events are stored as JSON, so fields are only ever added, with defaults.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::{ArtifactRef, Digest};
use crate::id::{AttemptId, GateName, InputName, StepName};
use crate::phase::Phase;
use crate::plan::Binding;
use crate::step::StepOutcome;
use crate::worker::Failure;

/// One event of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Its place in the log, from 1 without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: Happening,
}

/// The identity of a step's work: equal keys mean equal results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CacheKey(pub Digest);

impl fmt::Display for CacheKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What went into a cache key, kept so that a miss can be explained field by field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyParts {
    /// The kind of step.
    pub kind: String,
    /// Its version.
    pub kind_version: u32,
    /// The resolved params.
    pub params: Value,
    /// The seed.
    pub seed: u64,
    /// The digests of the inputs, by port, in order.
    pub inputs: BTreeMap<InputName, Vec<Digest>>,
    /// The digests of the files read, by path as written.
    pub files: BTreeMap<String, Digest>,
    /// Environment variables of a command.
    pub env: BTreeMap<String, String>,
    /// What the manifest says about purpose, for steps that report it: those of evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Digest>,
}

/// An artifact bound to an input of an attempt or of a reused step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputBinding {
    /// The input.
    pub input: InputName,
    /// The output that was bound.
    pub source: Binding,
    /// Its artifact.
    pub artifact: ArtifactRef,
}

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// A process took the run on, for the first time or again.
    RunClaimed {
        /// Who: host, process id and program version.
        owner: String,
        /// The fencing epoch of the lease.
        epoch: u64,
    },
    /// The success criteria were fixed, before the first step of model engineering.
    CriteriaSealed {
        /// The digest of the criteria.
        digest: Digest,
    },
    /// A step was not run, since a result under the same key exists.
    StepReused {
        /// The step.
        step: StepName,
        /// The key.
        key: CacheKey,
        /// What went into the key.
        parts: KeyParts,
        /// What was bound to its inputs.
        inputs: Vec<InputBinding>,
        /// The attempt that made the result.
        made_by: AttemptId,
        /// The result.
        outcome: StepOutcome,
    },
    /// A step will not run.
    StepSkipped {
        /// The step.
        step: StepName,
        /// Why.
        because: SkipReason,
    },
    /// An attempt is about to be started.
    AttemptStarted {
        /// The step.
        step: StepName,
        /// The attempt's id, its token.
        attempt: AttemptId,
        /// Which attempt of the step it is, from 1.
        number: u32,
        /// The key, unless the step is not cacheable.
        key: Option<CacheKey>,
        /// What went into the key; for a step that is not cacheable, what is known.
        parts: KeyParts,
        /// Why it runs, for people: `never ran`, `param epochs 40 -> 50`.
        why: String,
        /// What is bound to its inputs.
        inputs: Vec<InputBinding>,
    },
    /// An attempt ended with a result, which counts.
    AttemptSucceeded {
        /// The step.
        step: StepName,
        /// The attempt.
        attempt: AttemptId,
        /// The result.
        outcome: StepOutcome,
        /// Wall-clock seconds of the step.
        seconds: f64,
        /// Largest resident memory in bytes.
        peak_memory_bytes: u64,
    },
    /// An attempt ended with a failure.
    AttemptFailed {
        /// The step.
        step: StepName,
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        failure: Failure,
        /// Wall-clock seconds of the step.
        seconds: f64,
    },
    /// An attempt's process vanished without a report; this does not use up an attempt.
    AttemptLost {
        /// The step.
        step: StepName,
        /// The attempt.
        attempt: AttemptId,
        /// What is known: signal, or the host that is gone.
        why: String,
    },
    /// Another attempt will follow.
    RetryScheduled {
        /// The step.
        step: StepName,
        /// The number of the next attempt.
        number: u32,
        /// Not before.
        until: DateTime<Utc>,
    },
    /// The result of a step that had ended well is gone from the artifact store, so the step waits again.
    StepReopened {
        /// The step.
        step: StepName,
        /// What is missing or damaged.
        why: String,
    },
    /// A step is given up.
    StepFailed {
        /// The step.
        step: StepName,
    },
    /// A step was cancelled.
    StepCancelled {
        /// The step.
        step: StepName,
    },
    /// A gate was evaluated.
    GateEvaluated {
        /// The gate.
        gate: GateName,
        /// The result.
        verdict: Verdict,
        /// The values that its expression read, by path.
        evidence: BTreeMap<String, Value>,
    },
    /// Somebody has to decide before what comes after a gate or step may go on.
    ApprovalRequested {
        /// What it is about.
        subject: Subject,
        /// What whoever decides reads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// When the question counts as refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// Somebody said yes.
    ApprovalGiven {
        /// What it is about.
        subject: Subject,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Until when it counts should it be asked again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// Somebody said no.
    ApprovalRefused {
        /// What it is about.
        subject: Subject,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Nobody said anything in time.
    ApprovalExpired {
        /// What it is about.
        subject: Subject,
    },
    /// Somebody lets a gate that did not pass count as open.
    GateWaived {
        /// The gate.
        gate: GateName,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Until when it counts should the gate be asked again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// A step is given up without an attempt: it took too long before one could start.
    StepTimedOut {
        /// The step.
        step: StepName,
        /// What took too long.
        failure: Failure,
    },
    /// A phase begins again from its first step, since a step of it failed for good.
    PhaseRestarted {
        /// The phase.
        phase: Phase,
        /// The step that failed.
        because: StepName,
        /// The steps that wait again: those of the phase and what follows from them.
        again: Vec<StepName>,
    },
    /// Somebody asked for the end of the run.
    CancelRequested {
        /// Who or what.
        by: String,
    },
    /// No new attempts are started until the run is unpaused.
    RunPaused {
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Attempts are started again.
    RunUnpaused {
        /// Who.
        by: String,
    },
    /// A cancelled, failed or rejected run goes on: its unfinished steps wait again.
    RunResumed {
        /// Who.
        by: String,
    },
    /// The run ended.
    RunFinished {
        /// How.
        outcome: Outcome,
    },
}

impl Happening {
    /// Whether an attempt or a run has ended: somebody may wait for its slot, or for its end.
    pub fn is_an_end(&self) -> bool {
        matches!(
            self,
            Happening::AttemptSucceeded { .. }
                | Happening::AttemptFailed { .. }
                | Happening::AttemptLost { .. }
                | Happening::RunFinished { .. }
        )
    }
}

/// What somebody decides about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A gate that did not pass.
    Gate(GateName),
    /// A step that is an approval.
    Step(StepName),
}

impl Subject {
    /// `gate` or `step`.
    pub fn kind(&self) -> &'static str {
        match self {
            Subject::Gate(_) => "gate",
            Subject::Step(_) => "step",
        }
    }

    /// The name of the gate or step.
    pub fn name(&self) -> &str {
        match self {
            Subject::Gate(gate) => gate.as_str(),
            Subject::Step(step) => step.as_str(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} `{}`", self.kind(), self.name())
    }
}

/// Why a step will not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its `when` is false.
    WhenFalse,
    /// A step it follows failed, was skipped or cancelled.
    Upstream(StepName),
    /// A step of an earlier phase, which it need not follow, failed, was cancelled or refused, so that its phase does not begin.
    EarlierPhase(StepName),
    /// A blocking gate did not pass.
    Gate(GateName),
    /// `--only` or `--from` left it out.
    NotSelected,
}

impl SkipReason {
    /// In a few words, for a column beside the name of the step.
    pub fn briefly(&self) -> String {
        match self {
            SkipReason::WhenFalse => "its `when` is false".to_owned(),
            SkipReason::Upstream(step) => format!("needs `{step}`"),
            SkipReason::EarlierPhase(step) => format!("its phase waits for `{step}`"),
            SkipReason::Gate(gate) => format!("behind gate `{gate}`"),
            SkipReason::NotSelected => "not selected".to_owned(),
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SkipReason::WhenFalse => formatter.write_str("its `when` is false"),
            SkipReason::Upstream(step) => write!(formatter, "step `{step}` gave no result"),
            SkipReason::EarlierPhase(step) => {
                write!(formatter, "step `{step}` of an earlier phase gave no result, so its phase does not begin")
            }
            SkipReason::Gate(gate) => write!(formatter, "gate `{gate}` did not pass"),
            SkipReason::NotSelected => formatter.write_str("it was not selected"),
        }
    }
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The expression is true.
    Passed,
    /// The expression is false.
    Failed,
    /// A value that it reads is missing or undefined, or the types do not fit; counts as not passed.
    NotEvaluable,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step that should run did, and every blocking gate passed.
    Succeeded,
    /// A blocking gate did not pass.
    Rejected,
    /// A step failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl Outcome {
    /// The outcome as written in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Verdict {
    /// The verdict as written in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotEvaluable => "not_evaluable",
        }
    }
}
