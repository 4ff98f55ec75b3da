//! `select.best`: the candidate with the best measured value goes on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::artifact::ArtifactKind;
use crate::ml::metrics::{Direction, direction};
use crate::phase::Phase;
use crate::step::{InputArtifact, InputPort, Metric, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};

/// Compares models by a metric that their training steps reported, and passes the best one on as it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The metric, such as `valid.roc_auc`. Measures on test rows are no choice: the winner would look better than it is.
    pub metric: String,
    /// Which end is the good one.
    #[serde(default)]
    pub mode: Mode,
}

/// Which end of a metric is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Known from the metric's name.
    #[default]
    Auto,
    /// More is better.
    Max,
    /// Less is better.
    Min,
}

/// A step that chooses among models.
pub struct SelectBest {
    metric: String,
    direction: Direction,
}

impl StepKind for SelectBest {
    const NAME: &'static str = "select.best";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::ModelEngineering;
    const SUMMARY: &'static str = "Passes on the model with the best value of a metric.";
    const EXAMPLE: &'static str = "\
uses: select.best
inputs: {candidates: [baseline, net]}
with: {metric: valid.roc_auc}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let known = match params.mode {
            Mode::Auto => direction(&params.metric),
            Mode::Max => Some(Direction::Maximise),
            Mode::Min => Some(Direction::Minimise),
        };
        let Some(direction) = known else {
            let mut errors = ParamErrors::one(
                ["metric"],
                format!("`{}` does not say whether more or less is better", params.metric),
            );
            errors.0[0].help = Some("add `mode: max` or `mode: min`".to_owned());
            return Err(errors);
        };
        Ok(SelectBest { metric: params.metric, direction })
    }

    fn ports(&self) -> Ports {
        Ports::new(
            [InputPort::many("candidates", ArtifactKind::Model)],
            [OutputPort::new("model", ArtifactKind::Model), OutputPort::new("report", ArtifactKind::Report)],
        )
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let candidates = context.inputs("candidates").to_vec();
        let values = self.values(&candidates)?;
        let mut best = 0;
        for (index, value) in values.iter().enumerate() {
            // The first of equals wins, so that the simpler model is named first.
            if self.direction.is_better(*value, values[best]) {
                best = index;
            }
        }
        let winner = &candidates[best];
        context.log(format!("{} wins with {} {}", winner.source, self.metric, values[best]));
        let compared: Vec<Value> = candidates
            .iter()
            .zip(&values)
            .map(|(candidate, value)| {
                json!({"source": candidate.source, "value": value, "digest": candidate.artifact.digest.to_string()})
            })
            .collect();
        let mode = if self.direction == Direction::Maximise { "max" } else { "min" };
        let report = json!({"metric": self.metric, "mode": mode, "best": winner.source, "candidates": compared});
        context.forward("model", &winner.artifact)?;
        context.commit_report("report", &report)?;
        winner.metrics.iter().for_each(|metric| context.push_metric(metric.clone()));
        Ok(())
    }
}

impl SelectBest {
    /// The value of each candidate, or an error that names those without one.
    fn values(&self, candidates: &[InputArtifact]) -> Result<Vec<f64>, StepError> {
        let found = |candidate: &InputArtifact| -> Option<f64> {
            let is_it = |metric: &&Metric| metric.name == self.metric && metric.slice.is_none();
            candidate.metrics.iter().find(is_it).and_then(|metric| metric.value)
        };
        let values: Vec<Option<f64>> = candidates.iter().map(found).collect();
        let lacking: Vec<&InputArtifact> = candidates
            .iter()
            .zip(&values)
            .filter(|(_, value)| value.is_none())
            .map(|(candidate, _)| candidate)
            .collect();
        let Some(first) = lacking.first() else { return Ok(values.into_iter().flatten().collect()) };
        let names: Vec<String> = lacking.iter().map(|candidate| format!("`{}`", candidate.source)).collect();
        let message = format!("`{}` is not measured or undefined for {}", self.metric, names.join(", "));
        let known: Vec<&str> =
            first.metrics.iter().filter(|metric| metric.value.is_some()).map(|metric| metric.name.as_str()).collect();
        let help = match known.as_slice() {
            [] => "the step that made it reports no metrics; bind models of `train` steps".to_owned(),
            known if self.metric.starts_with("valid.") && !known.iter().any(|name| name.starts_with("valid.")) => {
                format!("bind `valid` at its training step; so far it has: {}", known.join(", "))
            }
            known => format!("it has: {}", known.join(", ")),
        };
        Err(StepError::input("metric_undefined", message).help(help))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Sample, metric};
    use super::*;
    use crate::step::testing::Workbench;

    /// A candidate with given values of metrics.
    fn candidate(bench: &Workbench, source: &str, values: &[(&str, f64)]) -> InputArtifact {
        let train = bench.table(&Sample::binary(30, source.len() as u64));
        let model = bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().input("model");
        let metrics = values.iter().map(|(name, value)| Metric::new(*name, *value)).collect();
        InputArtifact { source: source.to_owned(), metrics, ..model }
    }

    #[test]
    fn the_best_model_goes_on_with_its_metrics() {
        let bench = Workbench::new();
        let first = candidate(&bench, "baseline.model", &[("valid.roc_auc", 0.8), ("valid.log_loss", 0.4)]);
        let second = candidate(&bench, "net.model", &[("valid.roc_auc", 0.9), ("valid.log_loss", 0.5)]);
        let choose =
            |params| bench.run("select.best", params, &[("candidates", &first), ("candidates", &second)]).unwrap();
        let by_auc = choose(json!({"metric": "valid.roc_auc"}));
        assert_eq!(by_auc.artifact("model"), &second.artifact);
        assert_eq!(metric(&by_auc, "valid.roc_auc"), Some(0.9));
        assert_eq!(by_auc.report("report")["best"], "net.model");
        assert_eq!(choose(json!({"metric": "valid.log_loss"})).artifact("model"), &first.artifact);
        assert_eq!(choose(json!({"metric": "valid.roc_auc", "mode": "min"})).artifact("model"), &first.artifact);
    }

    #[test]
    fn a_candidate_without_a_value_is_named() {
        let bench = Workbench::new();
        let first = candidate(&bench, "baseline.model", &[("valid.roc_auc", 0.8)]);
        let second = candidate(&bench, "net.model", &[("train.roc_auc", 0.9), ("valid.roc_auc", f64::NAN)]);
        let error = bench
            .run("select.best", json!({"metric": "valid.roc_auc"}), &[("candidates", &first), ("candidates", &second)])
            .err()
            .unwrap();
        assert_eq!(error.to_string(), "`valid.roc_auc` is not measured or undefined for `net.model`");
        assert_eq!(error.remedy(), Some("bind `valid` at its training step; so far it has: train.roc_auc"));
    }

    #[test]
    fn an_unknown_metric_needs_a_mode() {
        let error = Workbench::new().run("select.best", json!({"metric": "valid.happiness"}), &[]).err().unwrap();
        assert_eq!(error.to_string(), "metric: `valid.happiness` does not say whether more or less is better");
    }
}
