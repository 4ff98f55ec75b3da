//! `target`, `m_estimate` and `woe`: replace a category by what the target is like in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::means::{Formula, plan};
use crate::ml::transform::TransformError;
use crate::ml::transform::plan::{Columns, Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;

/// How the mean in a category and the mean of all rows are blended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TargetFormula")]
pub(in crate::ml::transform) enum Blend {
    /// scikit-learn's: the mean of all rows counts for `smooth` rows.
    #[default]
    Shrink,
    /// category_encoders': the category's share is a sigmoid of its rows.
    Sigmoid,
}

/// Replaces each category by a mean of the target, drawn towards the mean of all rows where rows are few
/// (scikit-learn's `TargetEncoder`, or with `formula: sigmoid` that of category_encoders), cross-fitted on the fit
/// table. With three or more classes each gives a column `NAME_CLASS`. Values that the fit table does not have get the
/// mean of all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TargetEncoding")]
pub(in crate::ml::transform) struct Params {
    /// How the two means are blended.
    #[serde(default)]
    formula: Blend,
    /// For `shrink`: how many rows the mean of all rows counts for; if it is not given, found from the variances
    /// (empirical Bayes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    smooth: Option<f64>,
    /// For `sigmoid`: with how many rows both means have the same share; 20 if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_samples_leaf: Option<f64>,
    /// For `sigmoid`: how slowly the shares change with the rows; 10 if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    smoothing: Option<f64>,
    /// The number of folds.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 100))]
    cv: u32,
}

/// Replaces each category by the mean of the target, where the mean of all rows counts for `m` further rows
/// (category_encoders' `MEstimateEncoder`), cross-fitted on the fit table. With three or more classes each gives a
/// column `NAME_CLASS`. Values that the fit table does not have get the mean of all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct MEstimate {
    /// How many rows the mean of all rows counts for.
    #[serde(default = "one")]
    m: f64,
    /// The number of folds.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 100))]
    cv: u32,
}

/// Replaces each category by the logarithm of its share of the positive rows over its share of the negative ones
/// (category_encoders' `WOEEncoder`), cross-fitted on the fit table. The target must have two classes. Categories of a
/// single row and values that the fit table does not have get 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct Woe {
    /// What is added to each count, so that no share is 0.
    #[serde(default = "one")]
    regularization: f64,
    /// The number of folds.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 100))]
    cv: u32,
}

fn five() -> u32 {
    5
}

fn one() -> f64 {
    1.0
}

fn check_folds(cv: u32) -> Result<(), String> {
    if (2..=100).contains(&cv) { Ok(()) } else { Err(format!("`cv: {cv}` must be from 2 to 100")) }
}

/// Refuses a param that is negative or infinite.
pub(super) fn check_weight(name: &str, value: f64) -> Result<(), String> {
    if value >= 0.0 && value.is_finite() { Ok(()) } else { Err(format!("`{name}: {value}` must be 0 or more")) }
}

impl Transform for Params {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{target: {smooth: 10}, columns: [town]}";

    fn check(&self) -> Result<(), String> {
        check_folds(self.cv)?;
        check_weight("smooth", self.smooth.unwrap_or_default())?;
        check_weight("min_samples_leaf", self.min_samples_leaf.unwrap_or_default())?;
        check_weight("smoothing", self.smoothing.unwrap_or_default())?;
        match self.formula {
            Blend::Shrink if self.min_samples_leaf.or(self.smoothing).is_some() => {
                Err("`min_samples_leaf` and `smoothing` are for `formula: sigmoid`".to_owned())
            }
            Blend::Sigmoid if self.smooth.is_some() => Err("`smooth` is for `formula: shrink`".to_owned()),
            Blend::Sigmoid if self.smoothing == Some(0.0) => Err("`smoothing` must be greater than 0".to_owned()),
            Blend::Shrink | Blend::Sigmoid => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let formula = match (self.formula, self.smooth) {
            (Blend::Shrink, None) => Formula::Bayes,
            (Blend::Shrink, Some(smooth)) => Formula::Smooth(smooth),
            (Blend::Sigmoid, _) => Formula::Sigmoid {
                min_samples_leaf: self.min_samples_leaf.unwrap_or(20.0),
                smoothing: self.smoothing.unwrap_or(10.0),
            },
        };
        plan("target", planning, formula, self.cv, Unit::Target)
    }
}

impl Transform for MEstimate {
    const BARE: Option<&'static str> = Some("m");
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{m_estimate: 5, columns: [town]}";

    fn check(&self) -> Result<(), String> {
        check_weight("m", self.m)?;
        check_folds(self.cv)
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        plan("m_estimate", planning, Formula::Smooth(self.m), self.cv, Unit::MEstimate)
    }
}

impl Transform for Woe {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{woe: {}, columns: [plan]}";

    fn check(&self) -> Result<(), String> {
        check_folds(self.cv)?;
        check_weight("regularization", self.regularization)?;
        if self.regularization == 0.0 { Err("`regularization` must be greater than 0".to_owned()) } else { Ok(()) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.facts.classes.len() != 2 {
            return Err(TransformError::input("target", "`woe` needs a target with two classes")
                .help("use `target` or `m_estimate`, which take any target"));
        }
        plan("woe", planning, Formula::Woe { regularization: self.regularization }, self.cv, Unit::Woe)
    }
}
