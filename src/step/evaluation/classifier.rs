//! `evaluate.classifier`: how good a classifier is on test rows, for whom, and how sure that is.

use schemars::JsonSchema;
use serde::Deserialize;

use super::data::{self, Subject};
use super::findings::{BinaryFindings, ClassFindings, Findings, TaskFindings};
use super::measured::{measure, measure_slices};
use super::threshold::Threshold;
use crate::artifact::ArtifactKind;
use crate::ml::metrics::{
    BinaryScores, MulticlassScores, calibration, precision_recall_curve, roc_curve, threshold_table,
};
use crate::ml::scores::Scores;
use crate::phase::Phase;
use crate::step::{InputPort, ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::table::roles::Task;

/// How many points the curves in the report have at most.
const CURVE_POINTS: usize = 200;

/// Measures a classifier under scikit-learn's names with bootstrap intervals, by slice, over all thresholds, with
/// calibration and permutation importance, and writes a model card.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Columns from before the transforms by whose values the rows are grouped; each group is measured, and the metrics
    /// `recall_ratio_COLUMN` and so on say how far the groups are apart.
    pub slices: Vec<String>,
    /// Groups of fewer rows do not enter the ratios and differences.
    pub min_slice_rows: usize,
    /// How many bootstrap resamples the 95 % intervals come from; 0 for none.
    pub bootstrap: usize,
    /// From which probability on a row counts as positive (two classes only): a number, or `{maximise: f1}`.
    pub threshold: Threshold,
    /// How often each feature is shuffled to measure its importance; 0 for not at all.
    pub importance: usize,
    /// The seed of resampling and shuffling; the run's if left out.
    pub seed: Option<u64>,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            slices: Vec::new(),
            min_slice_rows: 20,
            bootstrap: 500,
            threshold: Threshold::Fixed(0.5),
            importance: 5,
            seed: None,
        }
    }
}

/// A step that evaluates a classifier.
pub struct EvaluateClassifier {
    params: Params,
}

impl StepKind for EvaluateClassifier {
    const NAME: &'static str = "evaluate.classifier";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Evaluation;
    const SUMMARY: &'static str = "Measures a classifier with intervals and slices, and writes a model card.";
    const EXAMPLE: &'static str = "\
uses: evaluate.classifier
inputs: {model: best, test: features.test}
with: {slices: [SeniorCitizen], bootstrap: 500, threshold: {maximise: f1}}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        params.threshold.check()?;
        Ok(EvaluateClassifier { params })
    }

    fn ports(&self) -> Ports {
        let mut ports = data::ports();
        ports.inputs.push(InputPort::optional("valid", ArtifactKind::Table).measuring());
        ports
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let seed = self.params.seed.unwrap_or(context.seed());
        let subject = Subject::load(context, &self.params.slices)?;
        let (threshold, rule) = match subject.test.task {
            Task::Binary { .. } => self.threshold(context, &subject)?,
            Task::Multiclass { .. } => (0.5, String::new()),
            Task::Regression => {
                return Err(
                    StepError::input("wrong_task", "the model predicts a number").help("use `evaluate.regressor`")
                );
            }
        };
        context.check_cancelled()?;
        let scores = Scores::new(&subject.test, subject.predictions.clone(), threshold);
        let (score, compared, task): (_, &[&str], _) = match &scores {
            Scores::Binary(scores) => ("roc_auc", &["recall", "precision", "selection_rate", "accuracy", "roc_auc"], {
                TaskFindings::Binary(Box::new(binary(&subject, scores, threshold, rule)))
            }),
            Scores::Multiclass(scores) => {
                ("roc_auc_ovr", &["accuracy", "balanced_accuracy", "f1_macro"], multiclass(&subject, scores))
            }
            Scores::Regression(_) => return Err(StepError::bug("a classifier gave numbers")),
        };
        let weight_of_slices =
            |column| measure_slices(&scores, &subject.test, column, compared, self.params.min_slice_rows);
        let findings = Findings {
            model: subject.model.description().clone(),
            kind: Self::NAME,
            rows: subject.test.rows(),
            resamples: self.params.bootstrap,
            metrics: measure(&scores, &subject.test, self.params.bootstrap, seed),
            slices: subject.slices.iter().map(weight_of_slices).collect(),
            importance_score: score,
            importance: subject.importance(score, self.params.importance, seed)?,
            task,
        };
        context.check_cancelled()?;
        data::publish(context, &subject, &findings, threshold)
    }
}

impl EvaluateClassifier {
    /// The threshold, and how it was found.
    fn threshold(&self, context: &StepContext, subject: &Subject) -> Result<(f64, String), StepError> {
        let chosen = self.params.threshold;
        let Threshold::Best { maximise } = chosen else {
            return Ok((chosen.choose(&BinaryScores::new(Vec::new(), Vec::new(), 0.5), None)?, "fixed".to_owned()));
        };
        let measure = serde_json::to_value(maximise).ok().and_then(|name| name.as_str().map(str::to_owned));
        let measure = measure.unwrap_or_default();
        let has_valid = !context.inputs("valid").is_empty();
        let tuned_on = if has_valid { "valid" } else { "test" };
        let (dataset, predictions) = if has_valid {
            let valid = data::load_like(&subject.model, "valid", context)?;
            let predictions = subject.model.predict_matrix(&valid.features)?;
            (valid, predictions)
        } else {
            (subject.test.clone(), subject.predictions.clone())
        };
        let Scores::Binary(scores) = Scores::new(&dataset, predictions, 0.5) else {
            return Err(StepError::bug("a binary task gave no probabilities"));
        };
        let threshold = chosen.choose(&scores, dataset.weight.as_deref())?;
        let caution = if has_valid { "" } else { ", which flatters the measures that depend on it" };
        Ok((threshold, format!("maximises {measure} on the rows of `{tuned_on}`{caution}")))
    }
}

fn binary(subject: &Subject, scores: &BinaryScores, threshold: f64, threshold_rule: String) -> BinaryFindings {
    let weight = subject.test.weight.as_deref();
    let confusion = scores.confusion(weight);
    BinaryFindings {
        threshold,
        threshold_rule,
        confusion: vec![
            vec![confusion.true_negatives, confusion.false_positives],
            vec![confusion.false_negatives, confusion.true_positives],
        ],
        roc: roc_curve(scores, weight, CURVE_POINTS),
        precision_recall: precision_recall_curve(scores, weight, CURVE_POINTS),
        calibration: calibration(scores, weight),
        thresholds: threshold_table(scores, weight),
    }
}

fn multiclass(subject: &Subject, scores: &MulticlassScores) -> TaskFindings {
    let weight = subject.test.weight.as_deref();
    let matrix = scores.confusion(weight);
    let areas = scores.roc_auc_by_class(weight);
    let class = |(class, label): (usize, &String)| {
        let confusion = matrix.one_against_rest(class);
        ClassFindings {
            label: label.clone(),
            rows: matrix.actual(class),
            precision: confusion.precision(),
            recall: confusion.recall(),
            f1: confusion.f1(),
            roc_auc: areas[class],
        }
    };
    TaskFindings::Multiclass {
        confusion: matrix.rows().map(<[f64]>::to_vec).collect(),
        by_class: subject.test.task.classes().iter().enumerate().map(class).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::step::InputArtifact;
    use crate::step::model_engineering::testing::{Sample, metric};
    use crate::step::testing::Workbench;
    use crate::table::roles::Task;

    fn model(bench: &Workbench) -> InputArtifact {
        let train = bench.table(&Sample::binary(120, 1));
        bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().input("model")
    }

    #[test]
    fn a_classifier_is_measured_with_intervals_slices_and_a_card() {
        let mut bench = Workbench::new();
        bench.record = json!({"pipeline": "churn", "criteria": {"ml": {"roc_auc": {"min": 0.8}}}});
        let model = model(&bench);
        let test = bench.table(&Sample::binary(90, 2));
        let params = json!({"slices": ["group"], "bootstrap": 50, "min_slice_rows": 5});
        let ran = bench.run("evaluate.classifier", params, &[("model", &model), ("test", &test)]).unwrap();
        let auc = ran.outcome.metrics.iter().find(|metric| metric.name == "roc_auc").unwrap().clone();
        assert!(auc.value.unwrap() > 0.9 && auc.low.unwrap() <= auc.value.unwrap());
        assert!(metric(&ran, "recall_ratio_group").unwrap() <= 1.0);
        assert!(ran.outcome.metrics.iter().any(|metric| metric.slice.as_deref() == Some("group=a")));
        let report = ran.report("report");
        assert_eq!(report["thresholds"].as_array().unwrap().len(), 99);
        assert_eq!(report["importance"]["features"][0]["feature"], "x0");
        let card = std::fs::read_to_string(ran.path("card_md")).unwrap();
        assert!(card.contains("| ml | roc_auc | at least 0.8 |") && card.contains("| yes |"), "{card}");
        let page = std::fs::read_to_string(ran.path("card_html")).unwrap();
        assert!(page.contains("ROC curve") && page.contains("<polyline"));
        assert_eq!(ran.table("predictions").num_rows(), 90);
    }

    #[test]
    fn many_classes_are_measured_by_class() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::multiclass(150, 1));
        let test = bench.table(&Sample::multiclass(60, 2));
        let model = bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().input("model");
        let ran =
            bench.run("evaluate.classifier", json!({"bootstrap": 20}), &[("model", &model), ("test", &test)]).unwrap();
        assert!(metric(&ran, "roc_auc_ovr").unwrap() > 0.9);
        assert_eq!(ran.report("report")["by_class"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_threshold_can_be_chosen_on_rows_that_are_not_the_test() {
        let bench = Workbench::new();
        let model = model(&bench);
        let test = bench.table(&Sample::binary(60, 2));
        let valid = bench.table(&Sample::binary(60, 3));
        let params = json!({"threshold": {"maximise": "f1"}, "bootstrap": 0, "importance": 0});
        let inputs = [("model", &model), ("test", &test), ("valid", &valid)];
        let rule = |inputs: &[(&str, &InputArtifact)]| {
            let ran = bench.run("evaluate.classifier", params.clone(), inputs).unwrap();
            ran.report("report")["threshold"]["rule"].as_str().unwrap().to_owned()
        };
        assert_eq!(rule(&inputs), "maximises f1 on the rows of `valid`");
        assert!(rule(&inputs[..2]).contains("flatters"));
    }

    #[test]
    fn test_rows_of_one_class_leave_undefined_what_is_undefined() {
        let bench = Workbench::new();
        let model = model(&bench);
        let task = Task::Binary { classes: ["No".to_owned(), "Yes".to_owned()] };
        let test = bench.table(&Sample::table(30, 2, &task, |_| 1.0));
        let ran =
            bench.run("evaluate.classifier", json!({"bootstrap": 10}), &[("model", &model), ("test", &test)]).unwrap();
        assert_eq!(metric(&ran, "roc_auc"), None);
        assert!(metric(&ran, "recall").is_some());
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let bench = Workbench::new();
        let model = model(&bench);
        let test = bench.table(&Sample::binary(40, 2));
        let digests = || {
            let ran = bench
                .run("evaluate.classifier", json!({"bootstrap": 20}), &[("model", &model), ("test", &test)])
                .unwrap();
            ["report", "card_md", "card_html", "predictions"].map(|output| ran.artifact(output).digest)
        };
        assert_eq!(digests(), digests());
    }

    #[test]
    fn mistakes_name_the_place_and_the_remedy() {
        let bench = Workbench::new();
        let model = model(&bench);
        let wrong = |params, test: &InputArtifact| {
            let error = bench.run("evaluate.classifier", params, &[("model", &model), ("test", test)]).err().unwrap();
            format!("{}: {} ({})", error.code(), error, error.remedy().unwrap_or_default())
        };
        let test = bench.table(&Sample::binary(20, 2));
        insta::assert_snapshot!(wrong(json!({"slices": ["Group"]}), &test), @"slice_column_missing: slice column `Group` is not kept in the test table (it keeps: group)");
        insta::assert_snapshot!(wrong(json!({"threshold": 2}), &test), @"params: threshold: 2 is not a probability from 0 to 1 ()");
        let other = bench.table(&Sample::multiclass(20, 2));
        insta::assert_snapshot!(wrong(json!({}), &other), @"other_target: input `test` has another target than the model was trained on (take it from the same `feature.pipeline` step as the table that the model was trained on)");
    }
}
