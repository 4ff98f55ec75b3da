//! `compare.ablation`: what a step or a transform is worth, by models trained with it and without.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::artifact::ArtifactKind;
use crate::ml::metrics::{Direction, direction};
use crate::phase::Phase;
use crate::step::{InputArtifact, InputPort, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};

/// What the names of measures on validation rows begin with.
const VALID: &str = "valid.";

/// Compares models that were trained with a cleaning or feature step, or one transform, with models trained without it, by
/// the measures on validation rows that their training steps reported. Bind the models of several seeds or folds in the
/// same order on both sides, and the gain is the mean over the pairs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The metrics to compare; by default all on validation rows (`valid.*`) that every model has and whose name says whether
    /// more or less is better.
    #[serde(default)]
    pub metrics: Vec<String>,
}

/// A step that says what another one is worth.
pub struct CompareAblation {
    params: Params,
}

impl StepKind for CompareAblation {
    const NAME: &'static str = "compare.ablation";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::ModelEngineering;
    const SUMMARY: &'static str =
        "Says what a step or a transform is worth on the validation split, with and without it.";
    const EXAMPLE: &'static str = "\
uses: compare.ablation
inputs: {with: \"model[winsorize=true]\", without: \"model[winsorize=false]\"}
with: {metrics: [valid.roc_auc, valid.log_loss]}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let no_direction = |(_, metric): &(usize, &String)| direction(metric).is_none();
        if let Some((place, metric)) = params.metrics.iter().enumerate().find(no_direction) {
            let message = format!("`{metric}` does not say whether more or less is better");
            let mut errors = ParamErrors::one(["metrics", &place.to_string()], message);
            errors.0[0].help = Some("take one such as `valid.roc_auc`, `valid.log_loss` or `valid.rmse`".to_owned());
            return Err(errors);
        }
        Ok(CompareAblation { params })
    }

    fn ports(&self) -> Ports {
        Ports::new(
            [InputPort::many("with", ArtifactKind::Model), InputPort::many("without", ArtifactKind::Model)],
            [OutputPort::new("report", ArtifactKind::Report)],
        )
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let (with, without) = (context.inputs("with").to_vec(), context.inputs("without").to_vec());
        if with.len() != without.len() {
            let message = format!("{} models with it cannot be paired with {} without", with.len(), without.len());
            return Err(StepError::input("no_pairs", message).help("bind the same seeds or folds on both sides"));
        }
        let mut compared = Vec::new();
        for metric in self.metrics(&with, &without)? {
            let (one, other) = (values(&with, &metric)?, values(&without, &metric)?);
            let gain = Gain::of(&metric, &one, &other);
            context.metric(format!("{metric}_with"), gain.with);
            context.metric(format!("{metric}_without"), gain.without);
            context.metric(format!("{metric}_gain"), gain.mean);
            context.log(gain.line(&metric));
            compared.push(gain.json(&metric));
        }
        let sources = |inputs: &[InputArtifact]| inputs.iter().map(|input| input.source.clone()).collect::<Vec<_>>();
        let report = json!({"with": sources(&with), "without": sources(&without), "metrics": compared});
        context.commit_report("report", &report)?;
        Ok(())
    }
}

impl CompareAblation {
    /// What is compared: the metrics that were asked for, or those that all models have.
    fn metrics(&self, with: &[InputArtifact], without: &[InputArtifact]) -> Result<Vec<String>, StepError> {
        if !self.params.metrics.is_empty() {
            return Ok(self.params.metrics.clone());
        }
        let mut models = with.iter().chain(without);
        let first = models.next().map(measured).unwrap_or_default();
        let shared = models.fold(first, |shared, model| &shared & &measured(model));
        let on_valid = |metric: &&String| metric.starts_with(VALID) && direction(metric).is_some();
        let metrics: Vec<String> = shared.iter().filter(on_valid).cloned().collect();
        if metrics.is_empty() {
            return Err(StepError::input(
                "metric_undefined",
                "the models have no measure on validation rows in common",
            )
            .help("bind `valid` at every training step, or name `metrics`"));
        }
        Ok(metrics)
    }
}

/// The metrics over all rows that are defined for a model.
fn measured(model: &InputArtifact) -> BTreeSet<String> {
    let defined = model.metrics.iter().filter(|metric| metric.slice.is_none() && metric.value.is_some());
    defined.map(|metric| metric.name.clone()).collect()
}

/// The value of `metric` for each model.
fn values(models: &[InputArtifact], metric: &str) -> Result<Vec<f64>, StepError> {
    let value = |model: &InputArtifact| {
        let is_it = |known: &&crate::step::Metric| known.name == metric && known.slice.is_none();
        model.metrics.iter().find(is_it).and_then(|metric| metric.value).ok_or_else(|| {
            let known: Vec<String> = measured(model).into_iter().collect();
            StepError::input(
                "metric_undefined",
                format!("`{metric}` is not measured or undefined for `{}`", model.source),
            )
            .help(format!("it has: {}", known.join(", ")))
        })
    };
    models.iter().map(value).collect()
}

/// What the step is worth by one metric.
struct Gain {
    with: f64,
    without: f64,
    /// Positive where the models with it are better.
    mean: f64,
    /// The standard deviation of the gains of the pairs, if there are several.
    deviation: Option<f64>,
    pairs: Vec<f64>,
}

impl Gain {
    fn of(metric: &str, with: &[f64], without: &[f64]) -> Gain {
        let sign = if direction(metric) == Some(Direction::Minimise) { -1.0 } else { 1.0 };
        let pairs: Vec<f64> = with.iter().zip(without).map(|(with, without)| sign * (with - without)).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let mean_gain = mean(&pairs);
        let squares: f64 = pairs.iter().map(|pair| (pair - mean_gain).powi(2)).sum();
        let deviation = (pairs.len() > 1).then(|| (squares / (pairs.len() - 1) as f64).sqrt());
        Gain { with: mean(with), without: mean(without), mean: mean_gain, deviation, pairs }
    }

    fn line(&self, metric: &str) -> String {
        let Gain { with, without, mean, .. } = self;
        let spread = self.deviation.map_or_else(String::new, |deviation| {
            format!(" (standard deviation {deviation:.4} over {} pairs)", self.pairs.len())
        });
        format!("{metric}: {with:.4} with, {without:.4} without, a gain of {mean:+.4}{spread}")
    }

    fn json(&self, metric: &str) -> Value {
        let mode = if direction(metric) == Some(Direction::Minimise) { "min" } else { "max" };
        json!({
            "metric": metric, "mode": mode, "with": self.with, "without": self.without, "gain": self.mean,
            "deviation": self.deviation, "pairs": self.pairs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sample, metric};
    use super::*;
    use crate::step::Metric;
    use crate::step::testing::Workbench;

    fn model(bench: &Workbench, source: &str, values: &[(&str, f64)]) -> InputArtifact {
        let train = bench.table(&Sample::binary(30, 1));
        let model = bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().input("model");
        let metrics = values.iter().map(|(name, value)| Metric::new(*name, *value)).collect();
        InputArtifact { source: source.to_owned(), metrics, ..model }
    }

    #[test]
    fn a_gain_is_positive_where_models_with_it_are_better() {
        let bench = Workbench::new();
        let with =
            model(&bench, "a.model", &[("valid.roc_auc", 0.84), ("valid.log_loss", 0.41), ("train.roc_auc", 1.0)]);
        let without =
            model(&bench, "b.model", &[("valid.roc_auc", 0.80), ("valid.log_loss", 0.45), ("train.roc_auc", 1.0)]);
        let ran = bench.run("compare.ablation", json!({}), &[("with", &with), ("without", &without)]).unwrap();
        for (name, expected) in
            [("valid.roc_auc_gain", 0.04), ("valid.log_loss_gain", 0.04), ("valid.log_loss_with", 0.41)]
        {
            assert!((metric(&ran, name).unwrap() - expected).abs() < 1e-12, "{name}");
        }
        assert_eq!(ran.metric("train.roc_auc_gain"), None);
        assert_eq!(
            ran.log,
            [
                "valid.log_loss: 0.4100 with, 0.4500 without, a gain of +0.0400",
                "valid.roc_auc: 0.8400 with, 0.8000 without, a gain of +0.0400",
            ]
        );
        assert_eq!(ran.report("report")["with"], json!(["a.model"]));
    }

    #[test]
    fn pairs_of_seeds_give_a_mean_and_a_deviation() {
        let bench = Workbench::new();
        let auc = |value: f64| model(&bench, "m", &[("valid.roc_auc", value)]);
        let (one, two, three, four) = (auc(0.8), auc(0.9), auc(0.7), auc(0.9));
        let inputs = [("with", &one), ("with", &two), ("without", &three), ("without", &four)];
        let ran = bench.run("compare.ablation", json!({"metrics": ["valid.roc_auc"]}), &inputs).unwrap();
        assert!((metric(&ran, "valid.roc_auc_gain").unwrap() - 0.05).abs() < 1e-12);
        let deviation = ran.report("report")["metrics"][0]["deviation"].as_f64().unwrap();
        assert!((deviation - 0.005_f64.sqrt()).abs() < 1e-12, "{deviation}");
        let error = bench.run("compare.ablation", json!({}), &inputs[..3]).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "2 models with it cannot be paired with 1 without");
    }

    #[test]
    fn metrics_that_say_nothing_are_refused_with_a_remedy() {
        let bench = Workbench::new();
        let (with, without) = (model(&bench, "a.model", &[("valid.roc_auc", 0.8)]), model(&bench, "b.model", &[]));
        let refused = |with_: Value| {
            let error = bench
                .run("compare.ablation", with_, &[("with", &with), ("without", &without)])
                .map(|_| ())
                .unwrap_err();
            format!("{error}; {}", error.remedy().unwrap_or_default())
        };
        insta::assert_snapshot!(refused(json!({})), @"the models have no measure on validation rows in common; bind `valid` at every training step, or name `metrics`");
        insta::assert_snapshot!(refused(json!({"metrics": ["valid.roc_auc"]})), @"`valid.roc_auc` is not measured or undefined for `b.model`; it has: ");
        insta::assert_snapshot!(refused(json!({"metrics": ["valid.happiness"]})), @"metrics.0: `valid.happiness` does not say whether more or less is better; ");
    }
}
