//! `k_best`: the columns that have most to do with the target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chosen::{Choice, Chosen, need, promise};
use super::scores::{chi2, f_classif, f_regression, mutual_information};
use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, Learner, LearningRows};
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::{Moments, whole};
use crate::table::sketch::CoMoments;

/// What a column is judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "KBestScore")]
pub(in crate::ml::transform) enum Score {
    /// How much the means of the classes differ (analysis of variance).
    #[default]
    FClassif,
    /// How well a line through column and target fits, for a target that is a number.
    FRegression,
    /// How far sums by class are from what the sizes of the classes let expect, for counts and 0/1 columns.
    Chi2,
    /// What the column tells of the class, also where it is no line; keeps all values while learning.
    MutualInfo,
}

/// Keeps the `k` columns that have most to do with the target, each judged alone (scikit-learn's `SelectKBest`), and
/// takes the others of those selected away. Of equal scores the later column wins. A bare number is `k`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KBest")]
pub(in crate::ml::transform) struct Params {
    /// How many columns are kept.
    #[serde(default = "ten")]
    #[schemars(range(min = 1))]
    k: usize,
    /// What they are judged by.
    #[serde(default)]
    score: Score,
    /// How many neighbours `mutual_info` looks at.
    #[serde(default = "three")]
    #[schemars(range(min = 1))]
    n_neighbors: usize,
}

fn ten() -> usize {
    10
}

fn three() -> usize {
    3
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("k");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{k_best: {k: 1, score: f_classif}, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        match () {
            () if self.k == 0 => Err("`k` must be 1 or more".to_owned()),
            () if self.n_neighbors == 0 => Err("`n_neighbors` must be 1 or more".to_owned()),
            () => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open {
            return Ok(Plan::Wait);
        }
        need("k_best", planning)?;
        let classes = planning.facts.classes.len();
        if (self.score == Score::FRegression) != (classes == 0) {
            let (found, instead) = if classes == 0 { ("a number", "f_regression") } else { ("a class", "f_classif") };
            let message = format!("`k_best` cannot judge by this score where the target is {found}");
            return Err(TransformError::input("wrong_task", message).help(format!("take `score: {instead}`")));
        }
        let columns = planning.columns.iter().map(|name| Seen::new(name, classes)).collect();
        Ok(Plan::Learn(Box::new(Scores { params: self.clone(), columns, classes: Vec::new() }), promise(planning)?))
    }
}

/// What was seen of a column.
struct Seen {
    name: String,
    by_class: Vec<Moments>,
    sums: Vec<f64>,
    /// Of column and target.
    both: CoMoments,
    values: Vec<f64>,
}

impl Seen {
    fn new(name: &str, classes: usize) -> Seen {
        Seen {
            name: name.to_owned(),
            by_class: vec![Moments::default(); classes],
            sums: vec![0.0; classes],
            both: CoMoments::default(),
            values: Vec::new(),
        }
    }
}

struct Scores {
    params: Params,
    columns: Vec<Seen>,
    /// The class of each row, where values are kept.
    classes: Vec<usize>,
}

impl Learner for Scores {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        for seen in &mut self.columns {
            let values = numbers(&frame.column(&seen.name)?.array)?;
            for (value, target) in values.iter().zip(rows.targets) {
                let Some(value) = value.filter(|value| value.is_finite()) else {
                    let message =
                        format!("column `{}` has missing or infinite values, which `k_best` cannot judge", seen.name);
                    return Err(TransformError::input("missing_values", message)
                        .help(format!("`impute` `{}` before", seen.name)));
                };
                match self.params.score {
                    Score::FClassif => seen.by_class[whole(*target)].push(value),
                    Score::FRegression => {}
                    Score::Chi2 if value < 0.0 => {
                        let message = format!("column `{}` has negative values, and `chi2` needs counts", seen.name);
                        return Err(TransformError::input("negative_values", message)
                            .help("take `score: f_classif`, or `min_max` the column before"));
                    }
                    Score::Chi2 => {
                        seen.sums[whole(*target)] += value;
                        seen.by_class[whole(*target)].count += 1.0;
                    }
                    Score::MutualInfo => seen.values.push(value),
                }
            }
            if self.params.score == Score::FRegression {
                let pairs = values.values().iter().copied().zip(rows.targets.iter().copied());
                seen.both.merge(&CoMoments::of(pairs));
            }
        }
        if self.params.score == Score::MutualInfo {
            self.classes.extend(rows.targets.iter().map(|target| whole(*target)));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Scores { params, columns, classes } = *self;
        let score = |seen: &Seen| match params.score {
            Score::FClassif => f_classif(&seen.by_class),
            Score::FRegression => {
                seen.both.correlation().map_or(0.0, |correlation| f_regression(correlation, seen.both.count()))
            }
            Score::Chi2 => {
                let counts: Vec<f64> = seen.by_class.iter().map(|moments| moments.count).collect();
                chi2(&seen.sums, &counts)
            }
            Score::MutualInfo => mutual_information(&seen.values, &classes, params.n_neighbors),
        };
        let scores: Vec<f64> = columns.iter().map(score).collect();
        let mut order: Vec<usize> = (0..columns.len()).collect();
        // What has no score is worse than any.
        let rank = |place: &usize| if scores[*place].is_nan() { f64::NEG_INFINITY } else { scores[*place] };
        order.sort_by(|one, other| rank(one).total_cmp(&rank(other)));
        let kept = &order[order.len().saturating_sub(params.k)..];
        let choices = columns.iter().enumerate().map(|(place, seen)| {
            let kept = kept.contains(&place);
            let side = if kept { "among" } else { "not among" };
            let score = Some(scores[place]).filter(|score| score.is_finite());
            Choice::new("k_best", seen.name.clone(), kept, score, format!("it is {side} the {} best", params.k))
        });
        Ok(Unit::KBest(Chosen::new("k_best", choices.collect())?))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        match self.params.score {
            Score::MutualInfo => rows.saturating_mul((self.columns.len() as u64 + 3) * BYTES_PER_KEPT_VALUE),
            Score::FClassif | Score::FRegression | Score::Chi2 => 0,
        }
    }
}
