//! What a training may do.

use super::super::metrics::Direction;
use super::Schedule;

/// What a training may do.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOptions {
    /// How often every row is seen at most.
    pub epochs: usize,
    /// How many rows make one step.
    pub batch_size: usize,
    /// The learning rate after the warm-up.
    pub learning_rate: f64,
    /// How strongly weights are pulled towards zero.
    pub weight_decay: f64,
    /// The largest norm of the gradients of a step.
    pub clip_norm: Option<f64>,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Over how many epochs the learning rate rises from zero.
    pub warmup_epochs: f64,
    /// What is watched on the validation rows, and which end of it is good.
    pub monitor: (String, Direction),
    /// When to stop before the last epoch; the best epoch's weights are kept in either case.
    pub early_stopping: Option<EarlyStopping>,
    /// The seed of initial weights, order and dropout.
    pub seed: u64,
}

/// When a training stops before its last epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// How many epochs without improvement are accepted.
    pub patience: usize,
    /// How much better an epoch must be to count as an improvement.
    pub min_delta: f64,
}

impl TrainingOptions {
    /// How many epochs without improvement a plateau schedule accepts.
    pub(super) fn plateau_patience(&self) -> usize {
        self.early_stopping.map_or(5, |stopping| (stopping.patience / 3).max(1))
    }
}
