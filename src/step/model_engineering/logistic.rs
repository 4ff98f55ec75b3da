//! `train.logistic`: logistic regression, the baseline that a network has to beat.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::class_weight::ClassWeight;
use super::training::{self, Trained, TrainingData};
use crate::ml::linear::{LogisticOptions, fit_logistic};
use crate::ml::model::Predictor;
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, Progress, StepContext, StepError, StepKind};

/// Logistic regression for two or more classes with an L2 penalty; categories that come as codes get one coefficient
/// per code.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The inverse strength of the penalty on the coefficients: smaller means simpler.
    pub c: f64,
    /// How much the rows of each class count: `balanced`, or a number for each label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// The most steps of the optimiser (L-BFGS).
    pub max_iter: usize,
    /// The fit ends when no component of the gradient of the mean loss is larger.
    pub tol: f64,
}

impl Default for Params {
    fn default() -> Params {
        Params { c: 1.0, class_weight: None, max_iter: 1000, tol: 1e-6 }
    }
}

/// A step that fits a logistic regression.
pub struct TrainLogistic {
    params: Params,
}

impl StepKind for TrainLogistic {
    const NAME: &'static str = "train.logistic";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::ModelEngineering;
    const SUMMARY: &'static str = "Fits a logistic regression for two or more classes.";
    const EXAMPLE: &'static str = "\
uses: train.logistic
inputs: {train: features.fit, valid: features.valid}
with: {c: 0.5, class_weight: balanced}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if !(params.c.is_finite() && params.c > 0.0) {
            return Err(ParamErrors::one(["c"], format!("{} is not a number above zero", params.c)));
        }
        if params.max_iter == 0 {
            return Err(ParamErrors::one(["max_iter"], "there must be at least one step"));
        }
        if params.tol.is_nan() || params.tol <= 0.0 {
            return Err(ParamErrors::one(["tol"], format!("{} is not a number above zero", params.tol)));
        }
        Ok(TrainLogistic { params })
    }

    fn ports(&self) -> Ports {
        training::ports()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let data = TrainingData::load(context)?;
        data.expect_classes(true, "use `train.linear` or `train.mlp` for a number")?;
        let train = &data.train;
        let class_weights = self.params.class_weight.as_ref().map(|weight| weight.weights(train)).transpose()?;
        let weights = train.weights(class_weights.as_deref());
        let options =
            LogisticOptions { c: self.params.c, max_iterations: self.params.max_iter, tolerance: self.params.tol };
        let classes = train.task.classes().len();
        let fit =
            fit_logistic(&train.features, &train.labels(), classes, weights.as_deref(), options, |iteration, loss| {
                context.progress(&Progress {
                    done: iteration as u64,
                    total: None,
                    unit: "iterations",
                    note: format!("loss {loss:.5}"),
                });
                context.check_cancelled()
            })?;
        let iterations = fit.history.len() - 1;
        if fit.converged {
            context.log(format!("converged after {iterations} iterations"));
        } else {
            context.log(format!(
                "did not converge in {iterations} iterations; standardise the features or raise max_iter"
            ));
        }
        let record = json!({
            "optimiser": "lbfgs",
            "iterations": iterations,
            "converged": fit.converged,
            "history": {"loss": fit.history},
        });
        let trained = Trained {
            kind: "logistic",
            predictor: Predictor::Linear(fit.weights),
            params: serde_json::to_value(&self.params)
                .map_err(|error| StepError::bug("params are not JSON").caused_by(error))?,
            seed: context.seed(),
            architecture: serde_json::Value::Null,
            training: record,
        };
        training::publish(context, &data, trained)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Sample, metric};
    use crate::ml::model::TrainedModel;
    use crate::step::testing::Workbench;

    #[test]
    fn a_signal_is_found_and_measured() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::binary(120, 1));
        let valid = bench.table(&Sample::binary(60, 2));
        let ran = bench.run("train.logistic", json!({}), &[("train", &train), ("valid", &valid)]).unwrap();
        assert!(metric(&ran, "valid.roc_auc").unwrap() > 0.95);
        assert!(metric(&ran, "train.log_loss").unwrap() < 0.4);
        let model = TrainedModel::load(&ran.path("model")).unwrap();
        assert_eq!(model.description().metrics["valid.roc_auc"], metric(&ran, "valid.roc_auc"));
        assert_eq!(model.predict(&Sample::binary(5, 3)).unwrap().rows(), 5);
        assert_eq!(ran.report("report")["training"]["converged"], true);
    }

    #[test]
    fn many_classes_are_learnt_too() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::multiclass(150, 1));
        let ran = bench.run("train.logistic", json!({"c": 10}), &[("train", &train)]).unwrap();
        assert!(metric(&ran, "train.roc_auc_ovr").unwrap() > 0.9);
    }

    #[test]
    fn equal_tables_give_equal_bytes() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::binary(60, 1));
        let digest = || bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().artifact("model").digest;
        assert_eq!(digest(), digest());
    }

    #[test]
    fn a_heavier_class_is_predicted_more_often() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::binary(100, 1));
        let rate = |params| {
            let ran = bench.run("train.logistic", params, &[("train", &train)]).unwrap();
            metric(&ran, "train.selection_rate").unwrap()
        };
        assert!(rate(json!({"class_weight": {"Yes": 20.0}})) > rate(json!({"class_weight": "balanced"})));
    }

    #[test]
    fn mistakes_name_the_place_and_the_remedy() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::binary(30, 1));
        let wrong = |params, input: &crate::step::InputArtifact| {
            let error = bench.run("train.logistic", params, &[("train", input)]).err().unwrap();
            format!("{}: {} ({})", error.code(), error, error.remedy().unwrap_or_default())
        };
        insta::assert_snapshot!(wrong(json!({"class_weight": {"Maybe": 2.0}}), &train), @"unknown_class: `class_weight` names `Maybe`, which is no class of the target (the classes are: No, Yes)");
        insta::assert_snapshot!(wrong(json!({"c": 0}), &train), @"params: c: 0 is not a number above zero ()");
        let number = bench.table(&Sample::regression(30, 1));
        insta::assert_snapshot!(wrong(json!({}), &number), @"wrong_task: the target `y` is a number (use `train.linear` or `train.mlp` for a number)");
        let task = crate::table::roles::Task::Binary { classes: ["No".to_owned(), "Yes".to_owned()] };
        let one_class = bench.table(&Sample::table(30, 1, &task, |_| 1.0));
        insta::assert_snapshot!(wrong(json!({}), &one_class), @"one_class: input `train`: all 30 rows have the same target, `Yes` (look at the split and the filters before this step, or stratify the split by the target)");
    }

    #[test]
    fn a_cancelled_run_stops_the_fit() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::binary(30, 1));
        bench.cancel();
        let error = bench.run("train.logistic", json!({}), &[("train", &train)]).err().unwrap();
        assert_eq!(error.code(), "cancelled");
    }
}
