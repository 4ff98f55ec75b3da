//! Whether another attempt follows one that ended without a result, and after which wait.

use std::time::Duration;

use super::state::{Setback, StepRecord, StepState};
use crate::artifact::DigestWriter;
use crate::id::RunId;
use crate::plan::{PlannedStep, RetryPolicy};

/// How often in a row an attempt may end through no fault of its own. Such an end does not use up an attempt, but a
/// step whose worker vanishes each time must come to an end as well.
pub(crate) const MAX_LOSSES: u32 = 5;

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    TryAgain { number: u32, wait: Duration },
    GiveUp,
}

/// What follows the setback that `record` is in; gives up on a step in any other state.
pub(crate) fn next(run: RunId, step: &PlannedStep, record: &StepRecord) -> Next {
    let StepState::Faltered(setback) = &record.state else { return Next::GiveUp };
    let number = record.started + 1;
    let after = |nth: u32| Next::TryAgain { number, wait: wait(&step.retry, nth, jitter(run, step, number)) };
    match setback {
        Setback::Lost(_) | Setback::BadInput(_) if record.losses >= MAX_LOSSES => Next::GiveUp,
        Setback::Lost(_) => after(record.losses),
        // The step that makes the artifact runs first, which is wait enough.
        Setback::BadInput(_) => Next::TryAgain { number, wait: Duration::ZERO },
        Setback::Failed(failure) if step.retry.on.contains(&failure.fault) && record.failures < step.retry.attempts => {
            after(record.failures)
        }
        Setback::Failed(_) => Next::GiveUp,
    }
}

/// The wait after the `nth` setback, from 1. `chance` in [0, 1) decides how much of the random part is left away.
fn wait(policy: &RetryPolicy, nth: u32, chance: f64) -> Duration {
    let exponent = i32::try_from(nth.saturating_sub(1)).unwrap_or(i32::MAX);
    let full = policy.initial.as_secs_f64() * policy.factor.max(1.0).powi(exponent);
    let full = full.min(policy.max.as_secs_f64());
    Duration::try_from_secs_f64(full * (1.0 - policy.jitter.clamp(0.0, 1.0) * chance)).unwrap_or(policy.max)
}

/// A number in [0, 1) that is the same in live and replayed runs, and differs between runs that failed together.
fn jitter(run: RunId, step: &PlannedStep, number: u32) -> f64 {
    let digest = DigestWriter::new("phaseline jitter 1")
        .bytes(run.to_string())
        .bytes(step.name.as_str())
        .number(u64::from(number))
        .finish();
    let head = u32::from_str_radix(&digest.to_string()[..8], 16).expect("a digest is hexadecimal");
    f64::from(head) / (f64::from(u32::MAX) + 1.0)
}
