//! `rfe`: the least important columns go, round by round.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chosen::{Choice, Chosen};
use super::model::{self, Model, Sheet};
use crate::ml::transform::TransformError;
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::whole;

/// The key in manifests.
const KEY: &str = "rfe";

/// Takes columns away round by round until `n_features` are left (scikit-learn's `RFE`): each round fits a linear model
/// to those that are left, and the `step` with the smallest squared coefficients go. The model is logistic regression
/// for classes and ridge regression for a number. Coefficients go with the scale of a column, so `standardize` before.
/// The score is the rank: 1 for those that stay. Keeps the columns' values while learning. A bare number is `n_features`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rfe")]
pub(in crate::ml::transform) struct Params {
    /// How many columns are kept, or which share of them below 1; half of them if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    n_features: Option<f64>,
    /// How many columns go in a round, or which share of all below 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0))]
    step: f64,
    /// The model.
    #[serde(default)]
    model: Model,
}

fn one() -> f64 {
    1.0
}

/// A share below one, or a whole number from one on.
fn is_count(value: f64) -> bool {
    value > 0.0 && value.is_finite() && (value < 1.0 || value.fract() == 0.0)
}

/// How many of `all` that are.
fn count(value: f64, all: usize) -> usize {
    if value < 1.0 { whole((value * all as f64).floor()) } else { whole(value) }
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_features");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{rfe: {n_features: 1}, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        match self.n_features {
            Some(wanted) if !is_count(wanted) => {
                Err(format!("`n_features: {wanted}` must be a whole number from 1 on, or a share below 1"))
            }
            _ if !is_count(self.step) => {
                Err(format!("`step: {}` must be a whole number from 1 on, or a share below 1", self.step))
            }
            _ => self.model.check(),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let params = self.clone();
        model::plan(KEY, self.model, planning, move |sheet| params.choose(sheet))
    }
}

impl Params {
    /// Which columns of `sheet` go on.
    fn choose(&self, sheet: &Sheet) -> Result<Unit, TransformError> {
        let all = sheet.names.len();
        let wanted = self.n_features.map_or(all / 2, |wanted| count(wanted, all)).max(1);
        let step = count(self.step, all).max(1);
        let mut left: Vec<usize> = (0..all).collect();
        // The round that a column goes in, and its importance there.
        let mut gone: Vec<Option<(usize, f64)>> = vec![None; all];
        let mut rounds = 0;
        while left.len() > wanted {
            rounds += 1;
            let importances: Vec<f64> = sheet
                .coefficients(&left)?
                .iter()
                .map(|outputs| outputs.iter().map(|coefficient| coefficient * coefficient).sum())
                .collect();
            let mut order: Vec<usize> = (0..left.len()).collect();
            order.sort_by(|one, other| importances[*one].total_cmp(&importances[*other]));
            for place in &order[..step.min(left.len() - wanted)] {
                gone[left[*place]] = Some((rounds, importances[*place]));
            }
            left.retain(|column| gone[*column].is_none());
        }
        let choices = sheet.names.iter().zip(gone).map(|(name, gone)| match gone {
            None => Choice::new(KEY, name.clone(), true, Some(1.0), format!("it is among the last {wanted}")),
            Some((round, importance)) => {
                let rank = (rounds - round + 2) as f64;
                let reason = format!(
                    "it goes in round {round} of {rounds}, where its squared coefficient {importance} is among the smallest"
                );
                Choice::new(KEY, name.clone(), false, Some(rank), reason)
            }
        });
        Ok(Unit::Rfe(Chosen::new(KEY, choices.collect())?))
    }
}
