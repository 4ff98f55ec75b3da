//! What `train.mlp` takes, with defaults that suit tables of some thousand to some hundred thousand rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::class_weight::ClassWeight;
use crate::ml::network::{Activation, DeviceChoice, EarlyStopping, Schedule};
use crate::step::{ParamError, ParamErrors};
use crate::table::roles::Task;

/// A feed-forward network for two or more classes or for a number. Categories that come as codes get embeddings; a number
/// as target is standardised inside.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The function after each hidden layer.
    pub activation: Activation,
    /// The share of units left out after each hidden layer while training, from 0 to below 1.
    pub dropout: f64,
    /// Whether each hidden layer is normalised over the batch.
    pub batch_norm: bool,
    /// The length of the embeddings of categories; by their number of codes if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_size: Option<usize>,
    /// How often every row is seen at most.
    pub epochs: usize,
    /// How many rows make one step of the optimiser.
    pub batch_size: usize,
    /// The learning rate of AdamW after the warm-up.
    pub learning_rate: f64,
    /// The weight decay of AdamW; embeddings, biases and normalisations are exempt.
    pub weight_decay: f64,
    /// How the learning rate changes after the warm-up.
    pub schedule: Schedule,
    /// Over how many epochs (fractions are fine) the learning rate rises from zero.
    pub warmup_epochs: f64,
    /// The largest norm of the gradients of a step; 0 for no limit.
    pub clip_norm: f64,
    /// When to stop before the last epoch. The weights of the best epoch are kept in any case.
    pub early_stopping: EarlyStop,
    /// How much the rows of each class count: `balanced`, or a number for each label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// The seed of initial weights, order and dropout; the run's if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Where to train: `auto`, `cpu` or `cuda`. Equal bytes for equal seeds are promised on the CPU.
    pub device: DeviceChoice,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            hidden: vec![128, 64],
            activation: Activation::Relu,
            dropout: 0.2,
            batch_norm: false,
            embedding_size: None,
            epochs: 40,
            batch_size: 256,
            learning_rate: 1e-3,
            weight_decay: 1e-2,
            schedule: Schedule::Cosine,
            warmup_epochs: 1.0,
            clip_norm: 1.0,
            early_stopping: EarlyStop::Rule(EarlyStopRule::default()),
            class_weight: None,
            seed: None,
            device: DeviceChoice::Auto,
        }
    }
}

/// When to stop before the last epoch: `false` for never, or a rule.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum EarlyStop {
    /// `false`: run to the last epoch; `true`: the default rule.
    Switch(bool),
    /// A rule.
    Rule(EarlyStopRule),
}

/// What is watched on the validation rows, and for how long it may get no better.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStopRule {
    /// The metric on `valid`: `roc_auc` for two classes, `log_loss` for more and `rmse` for numbers if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// How many epochs without improvement are accepted.
    pub patience: usize,
    /// How much better an epoch must be to count as an improvement.
    pub min_delta: f64,
}

impl Default for EarlyStopRule {
    fn default() -> EarlyStopRule {
        EarlyStopRule { metric: None, patience: 10, min_delta: 0.0 }
    }
}

impl EarlyStop {
    /// The metric that is watched.
    pub(super) fn metric(&self, task: &Task) -> &str {
        if let EarlyStop::Rule(EarlyStopRule { metric: Some(metric), .. }) = self {
            return metric.strip_prefix("valid.").unwrap_or(metric);
        }
        match task {
            Task::Binary { .. } => "roc_auc",
            Task::Multiclass { .. } => "log_loss",
            Task::Regression => "rmse",
        }
    }

    pub(super) fn rule(&self) -> Option<EarlyStopping> {
        let rule = match self {
            EarlyStop::Switch(false) => return None,
            EarlyStop::Switch(true) => &EarlyStopRule::default(),
            EarlyStop::Rule(rule) => rule,
        };
        Some(EarlyStopping { patience: rule.patience, min_delta: rule.min_delta })
    }
}

/// The metrics that can be watched for a task.
pub(super) fn measured(task: &Task) -> &'static [&'static str] {
    match task {
        Task::Binary { .. } => {
            &["roc_auc", "average_precision", "log_loss", "accuracy", "balanced_accuracy", "f1", "mcc", "brier"]
        }
        Task::Multiclass { .. } => {
            &["log_loss", "roc_auc_ovr", "accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "mcc"]
        }
        Task::Regression => &["rmse", "mae", "mse", "r2", "mape", "smape", "medae"],
    }
}

/// Whether `metric` can be watched for a task.
pub(super) fn is_measured(task: &Task, metric: &str) -> bool {
    measured(task).contains(&metric)
}

impl Params {
    /// Everything that is out of range.
    pub(super) fn check(&self) -> Result<(), ParamErrors> {
        let mut errors = Vec::new();
        let mut refuse = |is_wrong: bool, path: &str, message: String| {
            if is_wrong {
                errors.push(ParamError { path: vec![path.to_owned()], message, help: None });
            }
        };
        let above_zero = |value: f64| format!("{value} is not a number above zero");
        let from_zero = |value: f64| format!("{value} is not a number from zero up");
        let is_positive = |value: f64| value.is_finite() && value > 0.0;
        let is_not_negative = |value: f64| value.is_finite() && value >= 0.0;
        refuse(self.hidden.is_empty(), "hidden", "there must be at least one hidden layer".to_owned());
        refuse(self.hidden.contains(&0), "hidden", "a layer must be at least one unit wide".to_owned());
        refuse(!(0.0..1.0).contains(&self.dropout), "dropout", format!("{} is not from 0 to below 1", self.dropout));
        refuse(self.embedding_size == Some(0), "embedding_size", "it must be at least 1".to_owned());
        refuse(self.epochs == 0, "epochs", "it must be at least 1".to_owned());
        refuse(self.batch_size == 0, "batch_size", "it must be at least 1".to_owned());
        let one_row_norm = self.batch_norm && self.batch_size == 1;
        refuse(one_row_norm, "batch_size", "with `batch_norm` it must be at least 2".to_owned());
        refuse(!is_positive(self.learning_rate), "learning_rate", above_zero(self.learning_rate));
        refuse(!is_not_negative(self.weight_decay), "weight_decay", from_zero(self.weight_decay));
        refuse(!is_not_negative(self.warmup_epochs), "warmup_epochs", from_zero(self.warmup_epochs));
        refuse(!is_not_negative(self.clip_norm), "clip_norm", from_zero(self.clip_norm));
        if let EarlyStop::Rule(rule) = &self.early_stopping {
            refuse(
                !is_not_negative(rule.min_delta),
                "early_stopping",
                format!("min_delta: {}", from_zero(rule.min_delta)),
            );
        }
        if errors.is_empty() { Ok(()) } else { Err(ParamErrors(errors)) }
    }
}
