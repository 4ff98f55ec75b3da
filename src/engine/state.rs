//! What a step or a gate of a run is at one moment. States carry what only they know.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{CacheKey, Decision, Question, Refusal, Ruling, SkipReason, Verdict};
use crate::id::AttemptId;
use crate::step::StepOutcome;
use crate::worker::Failure;

/// Where a step stands.
#[derive(Debug, Clone, PartialEq)]
pub enum StepState {
    /// Not started: something it needs has not ended, or there was no room yet.
    Waiting,
    /// An attempt is under way.
    Running(RunningAttempt),
    /// The last attempt ended without a result, and it is not decided yet what follows.
    Faltered(Setback),
    /// Another attempt will follow.
    BackingOff {
        /// Its number.
        number: u32,
        /// Not before.
        until: DateTime<Utc>,
    },
    /// An approval that nobody has given or refused yet.
    Asking(Question),
    /// Nothing more will happen, unless the run is resumed.
    Done(StepEnd),
}

/// An attempt that is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningAttempt {
    /// Its id.
    pub attempt: AttemptId,
    /// Which attempt of the step it is, from 1.
    pub number: u32,
    /// When it was started.
    pub since: DateTime<Utc>,
    /// The key under which its result will be kept.
    pub key: Option<CacheKey>,
}

/// How an attempt ended without a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Setback {
    /// It said why.
    Failed(Failure),
    /// Its process vanished.
    Lost(String),
    /// An artifact that it was given is missing or damaged: not its own fault.
    BadInput(Failure),
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub enum StepEnd {
    /// An attempt of this run made the result.
    Succeeded(Made),
    /// An earlier attempt's result is used.
    Reused(Made),
    /// It was given up.
    Failed(Failure),
    /// It was not run.
    Skipped(SkipReason),
    /// It was interrupted.
    Cancelled,
    /// It is an approval that was given.
    Approved(Decision),
    /// It is an approval that was not given.
    Refused(Refusal),
}

/// A result and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The attempt that made it.
    pub by: AttemptId,
    /// The key under which it is kept.
    pub key: Option<CacheKey>,
    /// The result.
    pub outcome: StepOutcome,
}

impl StepState {
    /// The state in one word, as in SQL and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            StepState::Waiting | StepState::BackingOff { .. } => "waiting",
            StepState::Running(_) | StepState::Faltered(_) => "running",
            StepState::Asking(_) => "awaiting_approval",
            StepState::Done(StepEnd::Succeeded(_) | StepEnd::Approved(_)) => "succeeded",
            StepState::Done(StepEnd::Reused(_)) => "reused",
            StepState::Done(StepEnd::Failed(_) | StepEnd::Refused(_)) => "failed",
            StepState::Done(StepEnd::Skipped(_)) => "skipped",
            StepState::Done(StepEnd::Cancelled) => "cancelled",
        }
    }

    /// The result, if the step ended well.
    pub fn made(&self) -> Option<&Made> {
        match self {
            StepState::Done(StepEnd::Succeeded(made) | StepEnd::Reused(made)) => Some(made),
            _ => None,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, StepState::Done(_))
    }
}

/// A step of a run, with its history in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    pub(crate) state: StepState,
    /// Attempts started, ever.
    pub(crate) started: u32,
    /// Attempts that count against the policy, since the run was last resumed.
    pub(crate) failures: u32,
    /// Attempts in a row that ran out of memory.
    pub(crate) shortages: u32,
    /// Since when nothing but room and a phase is missing, or from when on the time counts anew.
    pub(crate) ready_since: Option<DateTime<Utc>>,
    /// Attempts in a row that ended through no fault of their own.
    pub(crate) losses: u32,
    pub(crate) seconds: f64,
    pub(crate) peak_memory_bytes: u64,
    pub(crate) why: Option<String>,
    pub(crate) last_failure: Option<Failure>,
}

impl StepRecord {
    pub(crate) fn new() -> StepRecord {
        StepRecord {
            state: StepState::Waiting,
            started: 0,
            failures: 0,
            shortages: 0,
            ready_since: None,
            losses: 0,
            seconds: 0.0,
            peak_memory_bytes: 0,
            why: None,
            last_failure: None,
        }
    }

    /// Where the step stands.
    pub fn state(&self) -> &StepState {
        &self.state
    }

    /// How many attempts were started, lost ones included.
    pub fn attempts(&self) -> u32 {
        self.started
    }

    /// Wall-clock seconds of all attempts together.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Largest resident memory of any successful attempt, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        self.peak_memory_bytes
    }

    /// Outputs and metrics, if the step ended well.
    pub fn outcome(&self) -> Option<&StepOutcome> {
        self.state.made().map(|made| &made.outcome)
    }

    /// Why it ran and was not reused, for people.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// The failure of the last attempt, unless the step ended well.
    pub fn failure(&self) -> Option<&Failure> {
        if self.outcome().is_some() { None } else { self.last_failure.as_ref() }
    }

    /// What somebody said about an approval, or is asked to say.
    pub fn approval(&self) -> Option<String> {
        match &self.state {
            StepState::Asking(question) => Some(Ruling::Awaited(question.clone()).told()),
            StepState::Done(StepEnd::Approved(decision)) => Some(Ruling::Approved(decision.clone()).told()),
            StepState::Done(StepEnd::Refused(refusal)) => Some(refusal.told()),
            _ => None,
        }
    }

    /// Why it was skipped.
    pub fn skipped_because(&self) -> Option<&SkipReason> {
        match &self.state {
            StepState::Done(StepEnd::Skipped(reason)) => Some(reason),
            _ => None,
        }
    }
}

/// Where a gate stands.
#[derive(Debug, Clone, PartialEq)]
pub enum GateState {
    /// The steps that it judges have not all ended.
    Open,
    /// It was evaluated.
    Evaluated {
        /// The result.
        verdict: Verdict,
        /// The values that its expression read, by path.
        evidence: BTreeMap<String, Value>,
        /// What somebody has said about it, or is asked to say, if it did not pass.
        ruling: Option<Ruling>,
    },
}

impl GateState {
    /// What somebody has said, or is asked to say.
    pub fn ruling(&self) -> Option<&Ruling> {
        match self {
            GateState::Open => None,
            GateState::Evaluated { ruling, .. } => ruling.as_ref(),
        }
    }

    /// The ruling about a gate that did not pass; none if it passed or is open.
    #[expect(clippy::option_option, reason = "a gate that did not pass may have no ruling yet")]
    pub(crate) fn unpassed(&self) -> Option<Option<&Ruling>> {
        match self {
            GateState::Evaluated { verdict, ruling, .. } if *verdict != Verdict::Passed => Some(ruling.as_ref()),
            GateState::Open | GateState::Evaluated { .. } => None,
        }
    }

    /// The verdict, if there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            GateState::Open => None,
            GateState::Evaluated { verdict, .. } => Some(*verdict),
        }
    }
}
