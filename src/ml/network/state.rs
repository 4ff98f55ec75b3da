//! Where a training stands between two epochs: everything but the weights and the moments.

use serde::{Deserialize, Serialize};

use super::schedule::ScheduleState;

/// One epoch, as history shows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// The mean loss over its batches, dropout included.
    pub train_loss: f64,
    /// The monitored metric on the validation rows, if there are any.
    pub valid: Option<f64>,
}

/// All epochs so far.
pub type History = Vec<EpochRecord>;

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) epoch: usize,
    pub(super) value: f64,
}

/// Where a training stands. The generator needs no place here: each epoch has a stream of its own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct TrainingState {
    /// How many epochs are done.
    pub(super) epoch: usize,
    /// How many steps the optimiser has made.
    pub(super) step: u64,
    pub(super) schedule: ScheduleState,
    pub(super) best: Option<Best>,
    pub(super) history: History,
}

impl TrainingState {
    /// Epochs since the best one.
    pub(super) fn stale(&self) -> usize {
        self.best.map_or(0, |best| self.epoch - best.epoch)
    }
}
