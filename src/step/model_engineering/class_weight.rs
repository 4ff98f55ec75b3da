//! How much each class counts in training.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::dataset::Dataset;
use crate::step::StepError;

/// How much the rows of each class count: `balanced` (rare classes as much as frequent ones), or a number for each label
/// (those not named count 1).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ClassWeight {
    /// By a rule.
    Rule(ClassWeightRule),
    /// By label.
    ByLabel(BTreeMap<String, f64>),
}

/// A rule for class weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeightRule {
    /// Every class counts as much as any other: rows / (classes * rows of the class).
    Balanced,
}

impl ClassWeight {
    /// The weight of each class of `dataset`.
    ///
    /// # Errors
    /// When a label is no class of the target, or a weight is not a number above zero.
    pub(super) fn weights(&self, dataset: &Dataset) -> Result<Vec<f64>, StepError> {
        if dataset.task.classes().is_empty() {
            return Err(StepError::input("class_weight_without_classes", "`class_weight` needs a target with classes")
                .help("leave `class_weight` out: the target is a number"));
        }
        self.of_counts(dataset.task.classes(), &dataset.class_counts())
    }

    /// The weight of each of `classes`, of which there are so many rows.
    ///
    /// # Errors
    /// When a label is no class of the target, or a weight is not a number above zero.
    pub(in crate::step) fn of_counts(&self, classes: &[String], counts: &[usize]) -> Result<Vec<f64>, StepError> {
        match self {
            ClassWeight::Rule(ClassWeightRule::Balanced) => {
                let rows = counts.iter().sum::<usize>() as f64;
                let balance = |count: &usize| if *count == 0 { 1.0 } else { rows / (classes.len() * count) as f64 };
                Ok(counts.iter().map(balance).collect())
            }
            ClassWeight::ByLabel(by_label) => {
                let mut weights = vec![1.0; classes.len()];
                for (label, weight) in by_label {
                    let class = classes.iter().position(|class| class == label).ok_or_else(|| {
                        let message = format!("`class_weight` names `{label}`, which is no class of the target");
                        StepError::input("unknown_class", message)
                            .help(format!("the classes are: {}", classes.join(", ")))
                    })?;
                    if !(weight.is_finite() && *weight > 0.0) {
                        let message = format!("the class weight of `{label}` is {weight}");
                        return Err(StepError::input("bad_class_weight", message).help("give a number above zero"));
                    }
                    weights[class] = *weight;
                }
                Ok(weights)
            }
        }
    }
}
