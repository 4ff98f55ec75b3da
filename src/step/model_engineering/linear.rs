//! `train.linear`: linear regression with an L2 penalty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::training::{self, Trained, TrainingData};
use crate::ml::linear::fit_ridge;
use crate::ml::model::Predictor;
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};

/// Ridge regression, solved exactly; categories that come as codes get one coefficient per code.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The strength of the penalty on the coefficients; 0 is ordinary least squares.
    pub alpha: f64,
}

impl Default for Params {
    fn default() -> Params {
        Params { alpha: 1.0 }
    }
}

/// A step that fits a linear regression.
pub struct TrainLinear {
    params: Params,
}

impl StepKind for TrainLinear {
    const NAME: &'static str = "train.linear";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::ModelEngineering;
    const SUMMARY: &'static str = "Fits a linear regression with an L2 penalty.";
    const EXAMPLE: &'static str = "\
uses: train.linear
inputs: {train: features.fit, valid: features.valid}
with: {alpha: 0.1}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if !(params.alpha.is_finite() && params.alpha >= 0.0) {
            return Err(ParamErrors::one(["alpha"], format!("{} is not a number from zero up", params.alpha)));
        }
        Ok(TrainLinear { params })
    }

    fn ports(&self) -> Ports {
        training::ports()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let data = TrainingData::load(context)?;
        data.expect_classes(false, "use `train.logistic` or `train.mlp` for classes")?;
        let train = &data.train;
        let weights =
            fit_ridge(&train.features, &train.target, train.weight.as_deref(), self.params.alpha).map_err(|error| {
                StepError::input("columns_depend", error.to_string())
                    .help("set `alpha` above zero, or drop columns that others determine")
            })?;
        let trained = Trained {
            kind: "linear",
            predictor: Predictor::Linear(weights),
            params: serde_json::to_value(&self.params)
                .map_err(|error| StepError::bug("params are not JSON").caused_by(error))?,
            seed: context.seed(),
            architecture: serde_json::Value::Null,
            training: json!({"solver": "cholesky"}),
        };
        training::publish(context, &data, trained)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Sample, metric};
    use crate::step::testing::Workbench;

    #[test]
    fn a_line_is_found_and_measured() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::regression(80, 1));
        let valid = bench.table(&Sample::regression(40, 2));
        let ran = bench.run("train.linear", json!({}), &[("train", &train), ("valid", &valid)]).unwrap();
        assert!(metric(&ran, "valid.r2").unwrap() > 0.95);
        assert!(metric(&ran, "train.rmse").unwrap() > 0.0);
        assert_eq!(ran.report("report")["rows"], json!({"train": 80, "valid": 40}));
    }

    #[test]
    fn classes_are_sent_to_the_right_kind() {
        let bench = Workbench::new();
        let train = bench.table(&Sample::binary(20, 1));
        let error = bench.run("train.linear", json!({}), &[("train", &train)]).err().unwrap();
        assert_eq!(
            (error.code(), error.remedy()),
            ("wrong_task", Some("use `train.logistic` or `train.mlp` for classes"))
        );
    }

    #[test]
    fn a_negative_penalty_is_refused() {
        let error = Workbench::new().run("train.linear", json!({"alpha": -1.0}), &[]).err().unwrap();
        assert_eq!(error.to_string(), "alpha: -1 is not a number from zero up");
    }
}
