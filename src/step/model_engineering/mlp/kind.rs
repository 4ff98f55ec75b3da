//! `train.mlp`: a feed-forward network with embeddings for categories.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::training::{self, Trained, TrainingData};
use super::params::{self, Params};
use crate::artifact::DigestWriter;
use crate::ml::dataset::Dataset;
use crate::ml::metrics::{Direction, direction};
use crate::ml::model::{Predictor, output_width};
use crate::ml::network::{
    Architecture, Checkpoints, ComputeDevice, EpochRecord, NetworkFit, Observer, TrainError, TrainingOptions,
    fit_network,
};
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, Progress, StepContext, StepError, StepKind};
use crate::table::roles::Task;

/// A step that trains a network.
pub struct TrainMlp {
    params: Params,
}

impl StepKind for TrainMlp {
    const NAME: &'static str = "train.mlp";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::ModelEngineering;
    const SUMMARY: &'static str = "Trains a feed-forward network with embeddings, for classes or numbers.";
    const EXAMPLE: &'static str = "\
uses: train.mlp
inputs: {train: features.fit, valid: features.valid}
with: {hidden: [64, 32], dropout: 0.2, epochs: 40, early_stopping: {metric: roc_auc, patience: 8}}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        params.check()?;
        Ok(TrainMlp { params })
    }

    fn ports(&self) -> Ports {
        training::ports()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let data = TrainingData::load(context)?;
        let params = &self.params;
        let train = &data.train;
        let class_weights = params.class_weight.as_ref().map(|weight| weight.weights(train)).transpose()?;
        let weight = train.weights(class_weights.as_deref());
        let architecture = self.architecture(train);
        let seed = params.seed.unwrap_or(context.seed());
        let options = self.options(&train.task, seed)?;
        let device = ComputeDevice::find(params.device).map_err(|error| {
            StepError::input("no_gpu", "`device: cuda` cannot be had")
                .caused_by(error)
                .help("use a program built with `--features cuda` on a machine with an NVIDIA GPU, or `device: auto`")
        })?;
        let checkpoints = Checkpoints::new(&context.surroundings().checkpoint, self.fingerprint(context, seed)?);
        if data.valid.is_none() {
            context.log("no `valid` table is bound: the training runs to its last epoch and keeps the last weights");
        }
        let mut watcher = Watcher { context: &mut *context, epochs: params.epochs, monitor: options.monitor.0.clone() };
        let fit = fit_network(
            &architecture,
            (train, weight.as_deref()),
            data.valid.as_ref(),
            &options,
            &device,
            Some(&checkpoints),
            &mut watcher,
        )
        .map_err(|error| failure(error, self.params.learning_rate))?;
        let trained = Trained {
            kind: "mlp",
            params: to_json(params)?,
            seed,
            architecture: to_json(&architecture)?,
            training: record(&fit, &options, &device),
            predictor: Predictor::Network(fit.network),
        };
        training::publish(context, &data, trained)?;
        // A leftover checkpoint costs space and nothing else.
        if let Err(error) = checkpoints.clear() {
            context.log(format!("the checkpoint could not be deleted: {error}"));
        }
        Ok(())
    }
}

impl TrainMlp {
    fn architecture(&self, train: &Dataset) -> Architecture {
        let length = |codes: usize| self.params.embedding_size.unwrap_or_else(|| Architecture::embedding_length(codes));
        Architecture {
            numeric: train.features.numeric_width(),
            embeddings: train.features.cardinalities().into_iter().map(|codes| (codes, length(codes))).collect(),
            hidden: self.params.hidden.clone(),
            activation: self.params.activation,
            batch_norm: self.params.batch_norm,
            dropout: self.params.dropout,
            outputs: output_width(&train.task),
        }
    }

    fn options(&self, task: &Task, seed: u64) -> Result<TrainingOptions, StepError> {
        let params = &self.params;
        let monitor = params.early_stopping.metric(task);
        let direction = direction(monitor).filter(|_| params::is_measured(task, monitor)).ok_or_else(|| {
            let message = format!("`early_stopping.metric` is `{monitor}`, which is not measured for this target");
            StepError::input("unknown_metric", message)
                .help(format!("take one of: {}", params::measured(task).join(", ")))
        })?;
        Ok(TrainingOptions {
            epochs: params.epochs,
            batch_size: params.batch_size,
            learning_rate: params.learning_rate,
            weight_decay: params.weight_decay,
            clip_norm: (params.clip_norm > 0.0).then_some(params.clip_norm),
            schedule: params.schedule,
            warmup_epochs: params.warmup_epochs,
            monitor: (monitor.to_owned(), direction),
            early_stopping: params.early_stopping.rule(),
            seed,
        })
    }

    /// What is trained on what: a checkpoint of anything else is not taken up.
    fn fingerprint(&self, context: &StepContext, seed: u64) -> Result<String, StepError> {
        let tables = ["train", "valid"]
            .map(|input| context.inputs(input).first().map(|bound| bound.artifact.digest.to_string()));
        let identity =
            json!({"params": to_json(&self.params)?, "seed": seed, "tables": tables, "version": Self::VERSION});
        Ok(DigestWriter::new("phaseline checkpoint 1").json(&identity).finish().to_string())
    }
}

/// Passes what happens on to the step's context.
struct Watcher<'a> {
    context: &'a mut StepContext,
    epochs: usize,
    monitor: String,
}

impl Observer for Watcher<'_> {
    type Stop = StepError;

    fn before_batch(&mut self) -> Result<(), StepError> {
        self.context.check_cancelled()
    }

    fn after_epoch(&mut self, record: &EpochRecord) {
        let note = match record.valid {
            Some(value) => format!("valid.{} {value:.4}", self.monitor),
            None => format!("loss {:.4}", record.train_loss),
        };
        let progress =
            Progress { done: record.epoch as u64, total: Some(self.epochs as u64), unit: "epochs", note: note.clone() };
        self.context.progress(&progress);
        self.context.log(format!("epoch {}: loss {:.5}, {note}", record.epoch, record.train_loss));
    }

    fn resumed(&mut self, epochs: usize) {
        self.context.log(format!("goes on after {epochs} epochs of an earlier attempt"));
    }
}

/// How the training went, for `model.json` and the report.
fn record(fit: &NetworkFit, options: &TrainingOptions, device: &ComputeDevice) -> Value {
    let column = |value: fn(&EpochRecord) -> Value| -> Vec<Value> { fit.history.iter().map(value).collect() };
    json!({
        "optimiser": "adamw",
        "device": device.name(),
        "monitor": options.monitor.0,
        "mode": if options.monitor.1 == Direction::Maximise { "max" } else { "min" },
        "epochs": fit.history.len(),
        "best_epoch": fit.best_epoch,
        "stopped_early": fit.history.len() < options.epochs,
        "history": {
            "epoch": column(|record| json!(record.epoch)),
            "learning_rate": column(|record| json!(record.learning_rate)),
            "loss": column(|record| json!(record.train_loss)),
            "valid": column(|record| json!(record.valid)),
        },
    })
}

fn failure(error: TrainError<StepError>, learning_rate: f64) -> StepError {
    match error {
        TrainError::Stopped(error) => error,
        TrainError::Diverged { .. } => StepError::input("training_diverged", error.to_string()).help(format!(
            "standardise the features in `feature.pipeline`, or lower `learning_rate` (it is {learning_rate})"
        )),
        TrainError::Unmonitored { .. } => StepError::input("metric_undefined", error.to_string())
            .help("bind a `valid` table with rows of every class, or set `early_stopping: {metric: log_loss}`"),
        TrainError::Checkpoint(source) => {
            StepError::environment("checkpoint", "the checkpoint could not be read or written").caused_by(source)
        }
        TrainError::Network(source) => StepError::environment("network", "the network failed").caused_by(source),
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, StepError> {
    serde_json::to_value(value).map_err(|error| StepError::bug("params are not JSON").caused_by(error))
}
