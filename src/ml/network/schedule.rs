//! How the learning rate changes over a training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate changes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It falls to zero along half a cosine.
    #[default]
    Cosine,
    /// It is divided by five when the monitored metric has not improved for a third of the patience of early stopping.
    Plateau,
    /// It stays.
    Constant,
}

/// What the learning rate is divided by on a plateau.
const PLATEAU_FACTOR: f64 = 0.2;

/// The state of a schedule, kept in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ScheduleState {
    /// What a plateau has multiplied the rate by so far.
    factor: f64,
    /// Epochs since the last improvement or the last reduction.
    stale: usize,
}

impl Default for ScheduleState {
    fn default() -> ScheduleState {
        ScheduleState { factor: 1.0, stale: 0 }
    }
}

impl ScheduleState {
    /// What the learning rate is multiplied by at `progress` epochs (with fractions) of `epochs`.
    pub(super) fn factor(self, schedule: Schedule, progress: f64, warmup: f64, epochs: f64) -> f64 {
        if progress < warmup {
            return progress / warmup;
        }
        match schedule {
            Schedule::Constant => 1.0,
            Schedule::Plateau => self.factor,
            Schedule::Cosine => {
                let share = ((progress - warmup) / (epochs - warmup).max(1e-9)).min(1.0);
                f64::midpoint(1.0, (std::f64::consts::PI * share).cos())
            }
        }
    }

    /// Learns whether the last epoch was an improvement.
    pub(super) fn after_epoch(&mut self, improved: bool, patience: usize) {
        if improved {
            self.stale = 0;
            return;
        }
        self.stale += 1;
        if self.stale > patience {
            self.factor *= PLATEAU_FACTOR;
            self.stale = 0;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_rises_through_the_warm_up_and_falls_to_zero() {
        let at = |progress| ScheduleState::default().factor(Schedule::Cosine, progress, 1.0, 11.0);
        assert_eq!(at(0.5), 0.5);
        assert_eq!(at(1.0), 1.0);
        assert!((at(6.0) - 0.5).abs() < 1e-12 && at(11.0).abs() < 1e-12);
    }

    #[test]
    fn a_plateau_lowers_the_rate_once_patience_is_over() {
        let mut state = ScheduleState::default();
        let factor = |state: ScheduleState| state.factor(Schedule::Plateau, 5.0, 0.0, 10.0);
        state.after_epoch(false, 1);
        assert_eq!(factor(state), 1.0);
        state.after_epoch(false, 1);
        assert_eq!(factor(state), PLATEAU_FACTOR);
        state.after_epoch(true, 1);
        state.after_epoch(false, 1);
        assert_eq!(factor(state), PLATEAU_FACTOR);
    }
}
