//! `from_model`: the columns that a linear model gives weight to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chosen::{Choice, Chosen};
use super::model::{self, Model, Sheet};
use crate::ml::quantile::quantile;
use crate::ml::transform::TransformError;
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// The key in manifests.
const KEY: &str = "from_model";

/// The least importance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "FromModelThreshold")]
enum Threshold {
    /// This.
    Number(f64),
    /// `mean`, `median`, or a multiple such as `1.25*mean`.
    Named(String),
}

impl Threshold {
    /// The least importance among these.
    fn of(&self, importances: &[f64]) -> Option<f64> {
        let text = match self {
            Threshold::Number(number) => return number.is_finite().then_some(*number),
            Threshold::Named(text) => text,
        };
        let (factor, name) = text.split_once('*').unwrap_or(("1", text));
        let factor: f64 = factor.trim().parse().ok().filter(|factor: &f64| factor.is_finite())?;
        let middle = match name.trim() {
            "mean" => importances.iter().sum::<f64>() / importances.len() as f64,
            "median" => {
                let mut sorted = importances.to_vec();
                sorted.sort_unstable_by(f64::total_cmp);
                quantile(&sorted, 0.5)
            }
            _ => return None,
        };
        Some(factor * middle)
    }
}

/// Keeps the columns that a linear model of all of them gives weight to (scikit-learn's `SelectFromModel`): the absolute
/// coefficient, summed over the classes, is `threshold` or more. The model is logistic regression for classes and ridge
/// regression for a number. Coefficients go with the scale of a column, so `standardize` before. Keeps the columns'
/// values while learning. A bare value is the threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FromModel")]
pub(in crate::ml::transform) struct Params {
    /// The least importance of a column that goes on: a number, `mean`, `median`, or a multiple such as `1.25*mean`.
    #[serde(default = "mean")]
    threshold: Threshold,
    /// The most columns that go on, by importance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    max_features: Option<usize>,
    /// The model.
    #[serde(default)]
    model: Model,
}

fn mean() -> Threshold {
    Threshold::Named("mean".to_owned())
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("threshold");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{from_model: {threshold: mean}, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        if self.threshold.of(&[1.0]).is_none() {
            return Err("`threshold` must be a number, `mean`, `median`, or a multiple such as `1.25*mean`".to_owned());
        }
        if self.max_features == Some(0) {
            return Err("`max_features` must be 1 or more".to_owned());
        }
        self.model.check()
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let params = self.clone();
        model::plan(KEY, self.model, planning, move |sheet| params.choose(sheet))
    }
}

impl Params {
    /// Which columns of `sheet` go on.
    fn choose(&self, sheet: &Sheet) -> Result<Unit, TransformError> {
        let places: Vec<usize> = (0..sheet.names.len()).collect();
        let coefficients = sheet.coefficients(&places)?;
        let importance = |outputs: &Vec<f64>| outputs.iter().map(|coefficient| coefficient.abs()).sum::<f64>();
        let importances: Vec<f64> = coefficients.iter().map(importance).collect();
        let least = self.threshold.of(&importances).expect("the params were checked");
        let mut order = places;
        order.sort_by(|one, other| importances[*other].total_cmp(&importances[*one]));
        order.truncate(self.max_features.unwrap_or(usize::MAX));
        let choices = sheet.names.iter().zip(&importances).enumerate().map(|(place, (name, importance))| {
            let is_heavy = *importance >= least;
            let (kept, reason) = match self.max_features {
                _ if !is_heavy => (false, format!("its importance is below {least}")),
                Some(most) if !order.contains(&place) => (false, format!("{most} others are more important")),
                _ => (true, format!("its importance is not below {least}")),
            };
            Choice::new(KEY, name.clone(), kept, Some(*importance), reason)
        });
        Ok(Unit::FromModel(Chosen::new(KEY, choices.collect())?))
    }
}
