//! What all training steps share: reading the tables, measuring, and writing the model.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::artifact::ArtifactKind;
use crate::ml::dataset::{DataError, Dataset};
use crate::ml::features::FeatureError;
use crate::ml::model::{ModelDescription, ModelError, Predictor, TrainedModel};
use crate::ml::scores::Scores;
use crate::step::{InputPort, Metric, OutputPort, Ports, StepContext, StepError};
use crate::table::roles::Task;

/// The ports of every training step.
pub(super) fn ports() -> Ports {
    Ports::new(
        [
            InputPort::one("train", ArtifactKind::Table).learning(),
            InputPort::optional("valid", ArtifactKind::Table).learning().measuring(),
        ],
        [OutputPort::new("model", ArtifactKind::Model), OutputPort::new("report", ArtifactKind::Report)],
    )
}

/// The tables of a training step.
pub(super) struct TrainingData {
    pub(super) train: Dataset,
    pub(super) valid: Option<Dataset>,
}

impl TrainingData {
    /// Reads `train` and, if bound, `valid`.
    pub(super) fn load(context: &StepContext) -> Result<TrainingData, StepError> {
        let train = Dataset::load(&context.table("train")?).map_err(|error| in_input("train", error))?;
        train.check_learnable().map_err(|error| in_input("train", error))?;
        let valid = match context.optional_table("valid")? {
            None => None,
            Some(table) => Some(Dataset::load(&table).map_err(|error| in_input("valid", error))?),
        };
        if let Some(valid) = &valid
            && (valid.task != train.task || valid.features.features() != train.features.features())
        {
            return Err(StepError::input("tables_differ", "`train` and `valid` have other features or another target")
                .help("take both from the same `feature.pipeline` step"));
        }
        Ok(TrainingData { train, valid })
    }

    /// Refuses a regression for a classifier and classes for a regression.
    pub(super) fn expect_classes(&self, expected: bool, instead: &str) -> Result<(), StepError> {
        let is_regression = self.train.task == Task::Regression;
        if is_regression != expected {
            return Ok(());
        }
        let found = if is_regression { "a number" } else { "a class" };
        Err(StepError::input("wrong_task", format!("the target `{}` is {found}", self.train.target_name)).help(instead))
    }
}

/// What a training step has made.
pub(super) struct Trained {
    pub(super) kind: &'static str,
    pub(super) predictor: Predictor,
    pub(super) params: Value,
    pub(super) seed: u64,
    /// What a network's weights are the weights of; null for others.
    pub(super) architecture: Value,
    /// How the training went.
    pub(super) training: Value,
}

/// Measures the model on its tables, and publishes model, report and metrics.
pub(super) fn publish(context: &mut StepContext, data: &TrainingData, trained: Trained) -> Result<(), StepError> {
    let train = &data.train;
    let description = ModelDescription {
        kind: trained.kind.to_owned(),
        task: train.task.clone(),
        target: train.target_name.clone(),
        features: train.features.features().to_vec(),
        params: trained.params,
        seed: trained.seed,
        architecture: trained.architecture,
        training: trained.training,
        metrics: BTreeMap::new(),
    };
    let mut model = TrainedModel::new(description, trained.predictor);
    let mut metrics = measure(&model, "train", train)?;
    if let Some(valid) = &data.valid {
        metrics.extend(measure(&model, "valid", valid)?);
    }
    model.set_metrics(metrics.iter().map(|metric| (metric.name.clone(), metric.value)).collect());
    let description = model.description();
    let report = json!({
        "kind": description.kind,
        "task": description.task.as_str(),
        "classes": description.task.classes(),
        "target": description.target,
        "features": description.features.len(),
        "rows": {"train": train.rows(), "valid": data.valid.as_ref().map(Dataset::rows)},
        "params": description.params,
        "seed": description.seed,
        "training": description.training,
        "metrics": description.metrics,
    });
    let staged = context.stage(ArtifactKind::Model)?;
    model.save(staged.path())?;
    context.commit("model", staged, None)?;
    context.commit_report("report", &report)?;
    for metric in metrics {
        context.push_metric(metric);
    }
    Ok(())
}

fn measure(model: &TrainedModel, split: &str, dataset: &Dataset) -> Result<Vec<Metric>, StepError> {
    let scores = Scores::new(dataset, model.predict_matrix(&dataset.features)?, 0.5);
    let values = scores.values(dataset.weight.as_deref());
    let metric = |(name, value): (&str, Option<f64>)| Metric::new(format!("{split}.{name}"), value.unwrap_or(f64::NAN));
    Ok(values.into_iter().map(metric).collect())
}

/// A data error as the step's, naming the input.
pub(in crate::step) fn in_input(input: &str, error: DataError) -> StepError {
    let message = format!("input `{input}`: {error}");
    let (code, help) = match error {
        DataError::Table(error) => return StepError::from(error),
        DataError::Feature(error) => feature_remedy(&error),
        DataError::NoTarget => {
            ("no_target", "pass the table through `feature.pipeline` with a `target`, which marks it")
        }
        DataError::NoFeatures => ("no_features", "pass the table through `feature.pipeline`, and drop fewer columns"),
        DataError::Empty => ("empty_table", "look at the split and the filters before this step"),
        DataError::BadTarget { .. } => {
            ("bad_target", "drop rows without a target before `feature.pipeline`, for example with `data.sql`")
        }
        DataError::BadWeight { .. } => ("bad_weight", "weights are numbers from zero up, and not all zero"),
        DataError::OneClass { .. } => {
            ("one_class", "look at the split and the filters before this step, or stratify the split by the target")
        }
    };
    StepError::input(code, message).help(help)
}

fn feature_remedy(error: &FeatureError) -> (&'static str, &'static str) {
    match error {
        FeatureError::Missing { .. } => {
            ("feature_missing", "take the table from the same `feature.pipeline` as the training table")
        }
        FeatureError::NotNumeric { .. } => {
            ("feature_not_numeric", "encode it in `feature.pipeline`, for example with `{one_hot: {}, columns: [...]}`")
        }
        FeatureError::NotFinite { .. } => (
            "missing_values",
            "fill them in `feature.pipeline`, for example with `{impute: median, columns: \"@numeric\"}`",
        ),
        FeatureError::UnknownCode { .. } => {
            ("unknown_code", "take the table from the same `feature.pipeline` as the training table")
        }
    }
}

impl From<ModelError> for StepError {
    fn from(error: ModelError) -> StepError {
        match error {
            ModelError::Features(error) => {
                let (code, help) = feature_remedy(&error);
                StepError::input(code, error.to_string()).help(help)
            }
            ModelError::NotFinite { .. } => StepError::input("model_diverged", error.to_string())
                .help("standardise the features, or train with a smaller learning rate"),
            ModelError::Io { .. } => StepError::environment("model_io", error.to_string()).caused_by(error),
            other => StepError::input("model_unusable", "the model cannot be used").caused_by(other),
        }
    }
}
