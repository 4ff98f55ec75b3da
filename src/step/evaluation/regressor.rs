//! `evaluate.regressor`: how far a model's numbers are off on test rows, for whom, and how sure that is.

use schemars::JsonSchema;
use serde::Deserialize;

use super::data::{self, Subject};
use super::findings::{Findings, TaskFindings};
use super::measured::{measure, measure_slices};
use crate::ml::metrics::{CurvePoint, RegressionScores};
use crate::ml::scores::Scores;
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::table::roles::Task;

/// How many rows the plot of predicted against true values shows at most.
const SCATTER_POINTS: usize = 400;

/// Measures a regression under scikit-learn's names with bootstrap intervals, by slice, with permutation importance, and
/// writes a model card.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Columns from before the transforms by whose values the rows are grouped; each group is measured, and the metrics
    /// `mae_ratio_COLUMN` and so on say how far the groups are apart.
    pub slices: Vec<String>,
    /// Groups of fewer rows do not enter the ratios and differences.
    pub min_slice_rows: usize,
    /// How many bootstrap resamples the 95 % intervals come from; 0 for none.
    pub bootstrap: usize,
    /// How often each feature is shuffled to measure its importance; 0 for not at all.
    pub importance: usize,
    /// The seed of resampling and shuffling; the run's if left out.
    pub seed: Option<u64>,
}

impl Default for Params {
    fn default() -> Params {
        Params { slices: Vec::new(), min_slice_rows: 20, bootstrap: 500, importance: 5, seed: None }
    }
}

/// A step that evaluates a regression.
pub struct EvaluateRegressor {
    params: Params,
}

impl StepKind for EvaluateRegressor {
    const NAME: &'static str = "evaluate.regressor";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Evaluation;
    const SUMMARY: &'static str = "Measures a regression with intervals and slices, and writes a model card.";
    const EXAMPLE: &'static str = "\
uses: evaluate.regressor
inputs: {model: best, test: features.test}
with: {slices: [district], bootstrap: 500}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        Ok(EvaluateRegressor { params })
    }

    fn ports(&self) -> Ports {
        data::ports()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let seed = self.params.seed.unwrap_or(context.seed());
        let subject = Subject::load(context, &self.params.slices)?;
        if subject.test.task != Task::Regression {
            return Err(StepError::input("wrong_task", "the model predicts classes").help("use `evaluate.classifier`"));
        }
        context.check_cancelled()?;
        let scores = Scores::new(&subject.test, subject.predictions.clone(), 0.5);
        let Scores::Regression(numbers) = &scores else {
            return Err(StepError::bug("a regression gave classes"));
        };
        let by_slice =
            |column| measure_slices(&scores, &subject.test, column, &["mae", "rmse"], self.params.min_slice_rows);
        let findings = Findings {
            model: subject.model.description().clone(),
            kind: Self::NAME,
            rows: subject.test.rows(),
            resamples: self.params.bootstrap,
            metrics: measure(&scores, &subject.test, self.params.bootstrap, seed),
            slices: subject.slices.iter().map(by_slice).collect(),
            importance_score: "r2",
            importance: subject.importance("r2", self.params.importance, seed)?,
            task: TaskFindings::Regression { scatter: scatter(numbers) },
        };
        context.check_cancelled()?;
        data::publish(context, &subject, &findings, 0.5)
    }
}

/// Predicted against true values of evenly spread rows.
fn scatter(scores: &RegressionScores) -> Vec<CurvePoint> {
    let every = scores.truth().len().div_ceil(SCATTER_POINTS).max(1);
    let pairs = scores.truth().iter().zip(scores.predicted()).step_by(every);
    pairs.map(|(truth, predicted)| CurvePoint { x: *truth, y: *predicted }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::step::model_engineering::testing::{Sample, metric};
    use crate::step::testing::Workbench;

    #[test]
    fn errors_are_measured_with_intervals_and_by_slice() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::regression(80, 1));
        let test = bench.table(&Sample::regression(60, 2));
        let model = bench.run("train.linear", json!({}), &[("train", &train)]).unwrap().input("model");
        let params = json!({"slices": ["group"], "bootstrap": 40, "min_slice_rows": 5});
        let ran = bench.run("evaluate.regressor", params, &[("model", &model), ("test", &test)]).unwrap();
        let rmse = ran.outcome.metrics.iter().find(|metric| metric.name == "rmse").unwrap().clone();
        assert!(rmse.low.unwrap() < rmse.value.unwrap() && rmse.value.unwrap() < rmse.high.unwrap());
        assert!(metric(&ran, "mae_ratio_group").unwrap() <= 1.0);
        assert_eq!(ran.table("predictions").num_rows(), 60);
        let report = ran.report("report");
        assert_eq!(report["importance"]["features"][0]["feature"], "x0");
        assert!(std::fs::read_to_string(ran.path("card_html")).unwrap().contains("Predicted and true values"));
    }

    #[test]
    fn a_classifier_is_sent_to_the_right_kind() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::binary(40, 1));
        let model = bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().input("model");
        let error = bench.run("evaluate.regressor", json!({}), &[("model", &model), ("test", &train)]).err().unwrap();
        assert_eq!((error.code(), error.remedy()), ("wrong_task", Some("use `evaluate.classifier`")));
    }
}
