//! `tree_bins`: numbers into the intervals that a decision tree finds for the target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::folds::{plain, stratified};
use super::intervals::Intervals;
use super::tree::{Criterion, Growth, Steps};
use crate::ml::transform::chance::fold;
use crate::ml::transform::column::numbers;
use crate::ml::transform::frame::{Frame, Kind};
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_numbers, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::{ColumnType, TransformError};

/// The key in manifests.
const KEY: &str = "tree_bins";

/// What takes the place of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TreeBinsOutput")]
enum Output {
    /// What the tree predicts: the mean of the target, or the share of the second of two classes.
    #[default]
    Prediction,
    /// The number of the interval, from 0.
    BinNumber,
}

/// One depth or several to choose from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "TreeBinsDepth")]
enum Depths {
    /// This one.
    One(u32),
    /// The one of these that predicts other rows best.
    Many(Vec<u32>),
}

impl Depths {
    fn all(&self) -> &[u32] {
        match self {
            Depths::One(one) => std::slice::from_ref(one),
            Depths::Many(many) => many,
        }
    }
}

/// Sorts numbers into the intervals of a decision tree that predicts the target from this column alone (feature-engine's
/// `DecisionTreeDiscretiser`). Of several depths the one is taken that predicts best in `cv` folds: by the squared error
/// for a number, by the share of right classes otherwise. A value on a limit belongs to the interval below; a missing
/// value stays missing. Rows of the fit table get the prediction of a tree grown without their fold, so that no target
/// reaches its own row. Keeps the column's values while learning. A bare number or list is `max_depth`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TreeBins")]
pub(in crate::ml::transform) struct Params {
    /// The depth of the tree, or a list of depths to choose from: at most two to this power intervals.
    #[serde(default = "one_to_four")]
    max_depth: Depths,
    /// The least rows in an interval.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    min_samples_leaf: usize,
    /// How many folds judge a depth, and keep a target from its own row.
    #[serde(default = "three")]
    #[schemars(range(min = 2, max = 100))]
    cv: u32,
    /// What takes the place of a value.
    #[serde(default)]
    bin_output: Output,
}

fn one_to_four() -> Depths {
    Depths::Many(vec![1, 2, 3, 4])
}

fn one() -> usize {
    1
}

fn three() -> u32 {
    3
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("max_depth");
    const EXAMPLE: &'static str = "{tree_bins: {max_depth: [1, 2, 3]}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        let depths = self.max_depth.all();
        match () {
            () if depths.is_empty() || depths.iter().any(|depth| !(1..=20).contains(depth)) => {
                Err("`max_depth` must be from 1 to 20, or a list of such numbers".to_owned())
            }
            () if self.min_samples_leaf == 0 => Err("`min_samples_leaf` must be 1 or more".to_owned()),
            () if !(2..=100).contains(&self.cv) => Err(format!("`cv: {}` must be from 2 to 100", self.cv)),
            () => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers(KEY, name, column)?;
        let classes = planning.facts.classes.len();
        if classes > 2 && self.bin_output == Output::Prediction {
            let message = format!("`{KEY}` has no single prediction for a target with {classes} classes");
            return Err(TransformError::input("wrong_task", message).help("take `bin_output: bin_number`"));
        }
        let promise = match self.bin_output {
            Output::Prediction => Promise::numbers(),
            Output::BinNumber => Promise::same(ColumnType::Int, Kind::Encoded),
        };
        let learner = Growing {
            params: self.clone(),
            name: name.to_owned(),
            criterion: if classes == 0 { Criterion::SquaredError } else { Criterion::Gini(classes) },
            seed: planning.facts.seed,
            points: Vec::new(),
        };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

struct Growing {
    params: Params,
    name: String,
    criterion: Criterion,
    seed: u64,
    /// Value, target and number of each row that has a value.
    points: Vec<(f64, f64, u64)>,
}

impl Growing {
    fn growth(&self, max_depth: u32) -> Growth {
        Growth { max_depth, min_samples_leaf: self.params.min_samples_leaf }
    }

    /// The tree of the rows that `is_in` wants, by their place; `sorted` are the places by value.
    fn grow(&self, sorted: &[usize], max_depth: u32, is_in: impl Fn(usize) -> bool) -> Steps {
        let points = self.chosen(sorted.iter().copied(), is_in);
        Steps::grow(&points, self.criterion, self.growth(max_depth))
    }

    fn chosen(&self, places: impl Iterator<Item = usize>, is_in: impl Fn(usize) -> bool) -> Vec<(f64, f64)> {
        places.filter(|place| is_in(*place)).map(|place| (self.points[place].0, self.points[place].1)).collect()
    }

    /// The depth that predicts best what it has not seen; of equally good ones the first.
    fn depth(&self, sorted: &[usize]) -> Result<u32, TransformError> {
        let depths = self.params.max_depth.all();
        if let [one] = depths {
            return Ok(*one);
        }
        let folds = self.params.cv as usize;
        if self.points.len() < folds {
            let message = format!(
                "column `{}` has {} values, too few for {folds} folds of `{KEY}`",
                self.name,
                self.points.len()
            );
            return Err(TransformError::input("too_few_rows", message).help("give one `max_depth`, or a smaller `cv`"));
        }
        let fold_of = match self.criterion {
            Criterion::SquaredError => plain(self.points.len(), folds),
            Criterion::Gini(_) => {
                let targets: Vec<f64> = self.points.iter().map(|(_, target, _)| *target).collect();
                stratified(&targets, folds)
            }
        };
        let mut best = (f64::NEG_INFINITY, depths[0]);
        for depth in depths {
            let mut sum = 0.0;
            for fold in 0..folds {
                let held_out = self.chosen(0..self.points.len(), |place| fold_of[place] == fold);
                if !held_out.is_empty() {
                    let steps = self.grow(sorted, *depth, |place| fold_of[place] != fold);
                    sum += steps.score(&held_out, self.criterion);
                }
            }
            let score = sum / folds as f64;
            if score > best.0 {
                best = (score, *depth);
            }
        }
        Ok(best.1)
    }
}

impl Learner for Growing {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.name)?.array)?;
        for ((value, target), row) in values.iter().zip(rows.targets).zip(rows.first..) {
            let Some(value) = value else { continue };
            if value.is_infinite() {
                return Err(infinite(&self.name, KEY));
            }
            self.points.push((value, *target, row));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        if self.points.is_empty() {
            return Err(nothing_to_learn(&self.name, KEY));
        }
        let mut sorted: Vec<usize> = (0..self.points.len()).collect();
        sorted.sort_by(|one, other| self.points[*one].0.total_cmp(&self.points[*other].0));
        let depth = self.depth(&sorted)?;
        let all = self.grow(&sorted, depth, |_| true);
        if self.params.bin_output == Output::BinNumber {
            return Ok(Unit::TreeBins(Intervals::numbered(self.name, all.limits)));
        }
        let count = self.params.cv;
        let without = |left_out: u32| {
            let is_in = |place: usize| fold(self.seed, self.points[place].2, count) != left_out;
            let has_any = (0..self.points.len()).any(is_in);
            if has_any { self.grow(&sorted, depth, is_in) } else { all.clone() }
        };
        let folds = (0..count).map(without).collect();
        Ok(Unit::TreeBins(Intervals::predicted(self.name, all, self.seed, folds)))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        rows.saturating_mul(6 * BYTES_PER_KEPT_VALUE)
    }
}
