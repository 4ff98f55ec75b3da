//! What must hold of the attempts of each step: how many there are, after which waits, and when a step is given up.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::world::World;
use crate::engine::retry::MAX_LOSSES;
use crate::engine::{Happening, Run, RunEvent};
use crate::id::StepName;
use crate::plan::{PlannedStep, RetryPolicy};
use crate::worker::Failure;

/// The attempts of a step since it began, counted from the log alone.
#[derive(Default)]
struct Tries {
    failures: u32,
    losses: u32,
    last: Option<Failure>,
    /// Whether the last attempt read something damaged: it is tried again once that was made again.
    was_damaged: bool,
    not_before: Option<DateTime<Utc>>,
}

impl Tries {
    /// Whether a step may be given up after its last attempt.
    fn are_over(&self, step: &PlannedStep) -> bool {
        let is_retried = |failure: &Failure| step.retry.on.iter().any(|on| on.covers(failure.fault, &failure.code));
        let has_failed_for_good =
            self.last.as_ref().is_some_and(|failure| self.failures >= step.retry.attempts || !is_retried(failure));
        self.losses >= MAX_LOSSES || has_failed_for_good
    }

    fn failed(&mut self, failure: &Failure) {
        self.was_damaged = is_damage(failure);
        if self.was_damaged {
            self.losses += 1;
            self.last = None;
            return;
        }
        self.failures += 1;
        self.losses = 0;
        self.last = Some(failure.clone());
    }
}

pub(super) fn is_damage(failure: &Failure) -> bool {
    failure.code == "artifact_corrupt"
}

/// The shortest wait after a setback.
fn shortest(policy: &RetryPolicy) -> chrono::TimeDelta {
    let fixed = policy.initial.min(policy.max).mul_f64(1.0 - policy.jitter.clamp(0.0, 1.0));
    chrono::TimeDelta::from_std(fixed).unwrap()
}

impl World {
    /// No attempt comes too early or too often, and no step is given up that had attempts left.
    pub(super) fn tries_are_right(&self, run: &Run, events: &[RunEvent]) {
        let seed = self.seed;
        let mut tries: BTreeMap<StepName, Tries> = BTreeMap::new();
        for event in events {
            match &event.what {
                Happening::AttemptStarted { step, .. } => {
                    let of_step = tries.entry(step.clone()).or_default();
                    assert!(!of_step.are_over(&run.plan().steps[step]), "seed {seed}: {step} is tried too often");
                    let is_early = of_step.not_before.is_some_and(|not_before| event.at < not_before);
                    assert!(!is_early, "seed {seed}: {step} is tried again too early");
                }
                Happening::AttemptFailed { step, failure, .. } => {
                    tries.entry(step.clone()).or_default().failed(failure);
                }
                Happening::AttemptLost { step, .. } => {
                    let of_step = tries.entry(step.clone()).or_default();
                    of_step.losses += 1;
                    (of_step.last, of_step.was_damaged) = (None, false);
                }
                Happening::AttemptSucceeded { step, .. } => {
                    let of_step = tries.entry(step.clone()).or_default();
                    (of_step.losses, of_step.last, of_step.not_before) = (0, None, None);
                }
                Happening::RetryScheduled { step, until, .. } => {
                    let of_step = tries.entry(step.clone()).or_default();
                    let planned = &run.plan().steps[step];
                    let is_long_enough = of_step.was_damaged || *until >= event.at + shortest(&planned.retry);
                    assert!(is_long_enough, "seed {seed}: {step} does not wait before it is tried again");
                    of_step.not_before = Some(*until);
                }
                Happening::StepFailed { step } => {
                    let of_step = tries.entry(step.clone()).or_default();
                    let is_over = of_step.are_over(&run.plan().steps[step]);
                    assert!(is_over, "seed {seed}: {step} is given up with attempts left");
                }
                Happening::PhaseRestarted { again, .. } => tries.retain(|step, _| !again.contains(step)),
                Happening::RunResumed { .. } => tries.clear(),
                _ => {}
            }
        }
    }
}
