//! Whether another attempt follows one that ended without a result, and after which wait.

use std::time::Duration;

use super::state::{Setback, StepRecord, StepState};
use crate::artifact::DigestWriter;
use crate::id::RunId;
use crate::plan::{PlannedStep, RetryPolicy};
use crate::worker::Failure;

/// How often in a row an attempt may end through no fault of its own. Such an end does not use up an attempt, but a
/// step whose worker vanishes each time must come to an end as well.
pub(crate) const MAX_LOSSES: u32 = 5;

/// The longest wait, whatever a stored policy says: the sum of a time and a wait has to be a time.
const LONGEST_WAIT: Duration = Duration::from_hours(24 * 365);

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
        Setback::Failed(failure) if covers(step, failure) && record.failures < step.retry.attempts => {
            after(record.failures)
        }
        Setback::Failed(_) => Next::GiveUp,
    }
}

fn covers(step: &PlannedStep, failure: &Failure) -> bool {
    step.retry.on.iter().any(|on| on.covers(failure.fault, &failure.code))
}

/// The wait after the `nth` setback, from 1. `chance` in [0, 1) decides how much of the random part is left away.
fn wait(policy: &RetryPolicy, nth: u32, chance: f64) -> Duration {
    let exponent = i32::try_from(nth.saturating_sub(1)).unwrap_or(i32::MAX);
    let full = policy.initial.as_secs_f64() * policy.factor.max(1.0).powi(exponent);
    let full = full.min(policy.max.min(LONGEST_WAIT).as_secs_f64());
    Duration::try_from_secs_f64(full * (1.0 - policy.jitter.clamp(0.0, 1.0) * chance)).unwrap_or(LONGEST_WAIT)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::testing::step;
    use crate::phase::Phase;

    fn policy(jitter: f64) -> RetryPolicy {
        let (initial, max) = (Duration::from_secs(2), Duration::from_secs(10));
        RetryPolicy { attempts: 9, initial, max, factor: 2.0, jitter, ..RetryPolicy::default() }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let seconds: Vec<u64> = (1..=5).map(|nth| wait(&policy(0.0), nth, 0.9).as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 10, 10]);
    }

    #[test]
    fn the_random_part_differs_between_runs_and_attempts_but_not_between_replays() {
        let step = step("train", Phase::ModelEngineering, &[]);
        let chance = |run, number| jitter(RunId::from_u128(run), &step, number);
        assert_eq!(chance(1, 2).to_bits(), chance(1, 2).to_bits());
        assert_ne!(chance(1, 2).to_bits(), chance(2, 2).to_bits());
        assert_ne!(chance(1, 2).to_bits(), chance(1, 3).to_bits());
    }

    proptest! {
        #[test]
        fn a_wait_is_never_longer_than_asked_for_nor_shorter_than_its_fixed_part(
            nth in 1u32..2000, share in 0.0..1.0f64, chance in 0.0..1.0f64,
        ) {
            let full = wait(&policy(0.0), nth, 0.0);
            let waited = wait(&policy(share), nth, chance);
            prop_assert!(waited <= full && full <= Duration::from_secs(10));
            prop_assert!(waited.as_secs_f64() >= full.as_secs_f64() * (1.0 - share) - 1e-6);
        }
    }
}
