//! Counts what has become of runs and attempts, once it is durable.

use super::{Happening, Run, RunEvent};
use crate::id::StepName;
use crate::telemetry::metrics;

/// Counts an event of `run`.
pub(super) fn count(run: &Run, event: &RunEvent) {
    let kind = |step: &StepName| run.plan().steps.get(step).map_or("unknown", |planned| planned.kind.as_str());
    match &event.what {
        Happening::AttemptStarted { step, .. } => metrics::attempt_started(kind(step)),
        Happening::AttemptSucceeded { step, seconds, .. } => {
            metrics::attempt_ended(kind(step), "succeeded", Some(*seconds));
        }
        Happening::AttemptFailed { step, failure, seconds, .. } => {
            metrics::attempt_ended(kind(step), &failure.fault.to_string(), Some(*seconds));
        }
        Happening::AttemptLost { step, .. } => metrics::attempt_ended(kind(step), "lost", None),
        Happening::StepReused { step, .. } => metrics::step_reused(kind(step)),
        Happening::RunFinished { outcome } => metrics::run_ended(outcome.as_str()),
        _ => {}
    }
}
