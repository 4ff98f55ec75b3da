//! `target`: replaces a category by what the target is like in it.
//!
//! The rows of the fit table are split into folds. Each gets an encoding that was learnt from the other folds, or a
//! model would learn from its own answers; all other rows get the encoding learnt from all rows.

use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::category::Dictionary;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::need_categories;
use crate::ml::transform::plan::{Columns, Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;

/// Replaces each category by a mean of the target, drawn towards the mean of all rows where rows are few
/// (scikit-learn's `TargetEncoder`, cross-fitted on the fit table). With three or more classes each gives a column
/// `NAME_CLASS`. Values that the fit table does not have get the mean of all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TargetEncoding")]
pub(in crate::ml::transform) struct Params {
    /// How many rows the mean of all rows counts for; if it is not given, found from the variances (empirical Bayes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    smooth: Option<f64>,
    /// The number of folds.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 100))]
    cv: u32,
}

fn five() -> u32 {
    5
}

impl Transform for Params {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{target: {smooth: 10}, columns: [town]}";

    fn check(&self) -> Result<(), String> {
        match self.smooth {
            _ if !(2..=100).contains(&self.cv) => Err(format!("`cv: {}` must be from 2 to 100", self.cv)),
            Some(smooth) if !(smooth >= 0.0 && smooth.is_finite()) => {
                Err(format!("`smooth: {smooth}` must be 0 or more"))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_categories("target", name, column)?;
        // Two classes need one column, the share of the positive one; a number is its own column.
        let columns: Vec<String> = if planning.facts.classes.len() > 2 {
            planning.facts.classes.iter().map(|class| format!("{name}_{class}")).collect()
        } else {
            vec![name.to_owned()]
        };
        let promise =
            if columns.len() == 1 { Promise::numbers() } else { Promise::replaced_by(&columns, Kind::Number) };
        let learner = Means {
            name: name.to_owned(),
            params: self.clone(),
            columns,
            seed: planning.facts.seed,
            categories: Dictionary::default(),
            by_category: Vec::new(),
            all: Vec::new(),
        };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

/// The fold of a row: random, but a function of its number.
fn fold(seed: u64, row: u64, folds: u32) -> u32 {
    // The finaliser of SplitMix64, after one step of its counter.
    let mut bits = seed.wrapping_add(row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    u32::try_from(bits % u64::from(folds)).expect("a remainder is smaller than its divisor")
}

struct Means {
    name: String,
    params: Params,
    columns: Vec<String>,
    seed: u64,
    categories: Dictionary,
    /// The target's moments for each category, fold and output column.
    by_category: Vec<Moments>,
    /// The same for all categories together, for each fold and output column.
    all: Vec<Moments>,
}

impl Means {
    fn cells(&self) -> usize {
        self.params.cv as usize * self.columns.len()
    }

    /// The encodings by output column and category, and the means, from all folds but `left_out`.
    fn encode(&self, left_out: Option<usize>) -> (Vec<Vec<f64>>, Vec<f64>) {
        let width = self.columns.len();
        let merged = |cells: &[Moments], column: usize| {
            let mut merged = Moments::default();
            let folds = cells.chunks(width).enumerate().filter(|(fold, _)| Some(*fold) != left_out);
            folds.for_each(|(_, fold)| merged.merge(&fold[column]));
            merged
        };
        let all: Vec<Moments> = (0..width).map(|column| merged(&self.all, column)).collect();
        let encodings = (0..width).map(|column| {
            let all = &all[column];
            self.by_category
                .chunks(self.cells())
                .map(|cells| smoothed(&merged(cells, column), all, self.params.smooth))
                .collect()
        });
        (encodings.collect(), all.iter().map(|all| all.mean).collect())
    }
}

/// The mean in a category, drawn towards the mean of all rows.
fn smoothed(category: &Moments, all: &Moments, smooth: Option<f64>) -> f64 {
    if category.count == 0.0 {
        return all.mean;
    }
    let weight = if let Some(smooth) = smooth {
        category.count / (category.count + smooth)
    } else {
        // Micci-Barreca (2001), equations 5 and 6.
        let between = all.variance() * category.count;
        between / (between + category.variance())
    };
    if weight.is_nan() { all.mean } else { weight * category.mean + (1.0 - weight) * all.mean }
}

impl Learner for Means {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.name)?;
        let codes = self.categories.learn(&self.name, &column.array)?;
        let (cells, width) = (self.cells(), self.columns.len());
        self.by_category.resize(self.categories.len() * cells, Moments::default());
        self.all.resize(cells, Moments::default());
        for ((code, target), row) in codes.into_iter().zip(rows.targets).zip(rows.first..) {
            let fold = fold(self.seed, row, self.params.cv) as usize;
            for index in 0..width {
                // One column holds the number or the 0/1 class itself; several ask for one class each.
                let value =
                    if width == 1 { *target } else { f64::from(u8::from(target.total_cmp(&(index as f64)).is_eq())) };
                self.by_category[code as usize * cells + fold * width + index].push(value);
                self.all[fold * width + index].push(value);
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (encodings, means) = self.encode(None);
        let folds = (0..self.params.cv as usize).map(|fold| self.encode(Some(fold))).collect();
        Ok(Unit::Target(TargetEncoding {
            column: self.name,
            columns: self.columns,
            categories: self.categories,
            encodings,
            means,
            learnt: Some(Learnt { seed: self.seed, folds }),
        }))
    }
}

/// A fitted target encoding of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct TargetEncoding {
    column: String,
    columns: Vec<String>,
    categories: Dictionary,
    /// By output column and category.
    encodings: Vec<Vec<f64>>,
    /// By output column, for values that are no categories.
    means: Vec<f64>,
    /// What each fold of the fit table gets; of no use later, so it is not saved.
    #[serde(skip)]
    learnt: Option<Learnt>,
}

#[derive(Debug, Clone, PartialEq)]
struct Learnt {
    seed: u64,
    folds: Vec<(Vec<Vec<f64>>, Vec<f64>)>,
}

impl Fitted for TargetEncoding {
    fn apply(&self, frame: &mut Frame, rows: Rows<'_>) -> Result<(), TransformError> {
        let codes = self.categories.codes(&frame.column(&self.column)?.array);
        let columns = self.columns.iter().enumerate().map(|(index, name)| {
            let pick = |(encodings, means): (&[Vec<f64>], &[f64]), code: u32| {
                encodings[index].get(code as usize).copied().unwrap_or(means[index])
            };
            let values: Float64Array = match (rows, &self.learnt) {
                (Rows::Learnt { first, .. }, Some(Learnt { seed, folds })) => codes
                    .iter()
                    .zip(first..)
                    .map(|(code, row)| {
                        let count = u32::try_from(folds.len()).expect("at most 100 folds");
                        let (encodings, means) = &folds[fold(*seed, row, count) as usize];
                        Some(pick((encodings, means), *code))
                    })
                    .collect(),
                _ => codes.iter().map(|code| Some(pick((&self.encodings, &self.means), *code))).collect(),
            };
            (name.clone(), Column::number(Arc::new(values)))
        });
        frame.replace(&self.column, columns.collect::<Vec<_>>());
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
