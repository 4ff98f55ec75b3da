//! Means of the target by category, cross-fitted: what `target`, `m_estimate` and `woe` have in common.
//!
//! The rows of the fit table are split into folds. Each gets an encoding that was learnt from the other folds, or a
//! model would learn from its own answers; all other rows get the encoding learnt from all rows.

use std::sync::Arc;

use arrow::array::Float64Array;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::category::Dictionary;
use crate::ml::transform::chance::fold;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{BYTES_PER_CATEGORY, FitFacts, Learner, LearningRows, refuse_beyond};
use crate::ml::transform::needs::need_categories;
use crate::ml::transform::plan::{Plan, Planning, Promise};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;

/// What becomes of the target's moments in a category and in all rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Formula {
    /// The mean in the category, drawn towards the mean of all rows by the variances (Micci-Barreca 2001, equations 5
    /// and 6).
    Bayes,
    /// The mean of all rows counts for this many rows of the category.
    Smooth(f64),
    /// The category's share is a sigmoid of its rows (Micci-Barreca 2001, equation 4).
    Sigmoid { min_samples_leaf: f64, smoothing: f64 },
    /// The logarithm of the odds against the odds of all rows.
    Woe { regularization: f64 },
}

impl Formula {
    fn of(self, category: &Moments, all: &Moments) -> f64 {
        let otherwise = self.otherwise(all);
        if category.count == 0.0 {
            return otherwise;
        }
        let weight = match self {
            Formula::Smooth(smooth) => category.count / (category.count + smooth),
            Formula::Bayes => {
                let between = all.variance() * category.count;
                between / (between + category.variance())
            }
            Formula::Sigmoid { min_samples_leaf, smoothing } => {
                1.0 / (1.0 + (-(category.count - min_samples_leaf) / smoothing).exp())
            }
            // One row says nothing, category_encoders' rule.
            Formula::Woe { .. } if category.count <= 1.0 => return otherwise,
            Formula::Woe { regularization } => {
                let positive = |moments: &Moments| moments.mean * moments.count;
                let negative = |moments: &Moments| moments.count - positive(moments);
                let share = |part: f64, whole: f64| (part + regularization) / (whole + 2.0 * regularization);
                return (share(positive(category), positive(all)) / share(negative(category), negative(all))).ln();
            }
        };
        if weight.is_nan() { otherwise } else { weight * category.mean + (1.0 - weight) * all.mean }
    }

    /// For values that are no categories.
    fn otherwise(self, all: &Moments) -> f64 {
        if matches!(self, Formula::Woe { .. }) { 0.0 } else { all.mean }
    }
}

/// The columns that the encodings of `name` go to: two classes need one, the share of the positive one; a number is its
/// own.
pub(super) fn columns(name: &str, facts: &FitFacts) -> Vec<String> {
    if facts.classes.len() > 2 {
        facts.classes.iter().map(|class| format!("{name}_{class}")).collect()
    } else {
        vec![name.to_owned()]
    }
}

/// What [`columns`] promises.
pub(super) fn promise(columns: &[String]) -> Promise {
    if columns.len() == 1 { Promise::numbers() } else { Promise::replaced_by(columns, Kind::Number) }
}

/// The value of a target for the column at `place` of `width`: one column holds the number or the 0/1 class itself,
/// several ask for one class each.
pub(super) fn target_value(target: f64, place: usize, width: usize) -> f64 {
    if width == 1 { target } else { f64::from(u8::from(target.total_cmp(&(place as f64)).is_eq())) }
}

/// Plans the encoding of one column.
pub(super) fn plan(
    key: &'static str,
    planning: &Planning<'_>,
    formula: Formula,
    folds: u32,
    unit: fn(Encoding) -> Unit,
) -> Result<Plan, TransformError> {
    let (name, column) = planning.one()?;
    need_categories(key, name, column)?;
    let columns = columns(name, planning.facts);
    let promise = promise(&columns);
    let learner = Means {
        key,
        memory_bytes: planning.facts.memory_bytes,
        name: name.to_owned(),
        formula,
        folds,
        unit,
        columns,
        seed: planning.facts.seed,
        categories: Dictionary::default(),
        by_category: Vec::new(),
        all: Vec::new(),
    };
    Ok(Plan::Learn(Box::new(learner), promise))
}

struct Means {
    key: &'static str,
    memory_bytes: Option<u64>,
    name: String,
    formula: Formula,
    folds: u32,
    unit: fn(Encoding) -> Unit,
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
        self.folds as usize * self.columns.len()
    }

    /// What a category takes: the moments of each fold, then an encoding of each, and itself.
    fn bytes_per_category(&self) -> usize {
        self.cells() * (size_of::<Moments>() + size_of::<f64>())
            + self.columns.len() * size_of::<f64>()
            + BYTES_PER_CATEGORY
    }

    /// The encodings by output column and category, and what other values get, from all folds but `left_out`.
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
            let cells = self.by_category.chunks(self.cells());
            cells.map(|cells| self.formula.of(&merged(cells, column), &all[column])).collect()
        });
        (encodings.collect(), all.iter().map(|all| self.formula.otherwise(all)).collect())
    }
}

impl Learner for Means {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.name)?;
        let codes = self.categories.learn(self.key, &self.name, &column.array)?;
        let (cells, width) = (self.cells(), self.columns.len());
        refuse_beyond(self.memory_bytes, (self.key, &self.name), self.categories.len(), self.bytes_per_category())?;
        self.by_category.resize(self.categories.len() * cells, Moments::default());
        self.all.resize(cells, Moments::default());
        for ((code, target), row) in codes.into_iter().zip(rows.targets).zip(rows.first..) {
            let fold = fold(self.seed, row, self.folds) as usize;
            for place in 0..width {
                let value = target_value(*target, place, width);
                self.by_category[code as usize * cells + fold * width + place].push(value);
                self.all[fold * width + place].push(value);
            }
        }
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (encodings, means) = self.encode(None);
        let folds = (0..self.folds as usize).map(|fold| self.encode(Some(fold))).collect();
        Ok((self.unit)(Encoding {
            column: self.name,
            columns: self.columns,
            categories: self.categories,
            encodings,
            means,
            learnt: Some(Learnt { seed: self.seed, folds }),
        }))
    }
}

/// A fitted encoding of one column by its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Encoding {
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

impl Fitted for Encoding {
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

    fn takes_encoded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
