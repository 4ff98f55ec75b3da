//! `no_outliers` and `zscore_below`: rows are judged by where most values lie, which is known when all have passed.

use arrow::array::{Array, AsArray, BooleanArray, Float64Array};
use arrow::datatypes::Float64Type;
use serde_json::json;

use super::check::{Outcome, Part};
use super::column::{Column, numbers};
use super::row_check::Tally;
use super::summary::EXACT_QUANTILES;
use crate::ml::neighbours::Points;
use crate::ml::outlier::{Contamination, ForestOptions, IsolationForest};
use crate::table::cell;
use crate::table::sketch::{Moments, Quantiles};

/// Where values may lie, from what is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rule {
    /// Closer to the mean than so many standard deviations.
    Deviations(f64),
    /// At most so many distances of the quartiles outside of them.
    Quartiles(f64),
    /// Fewer standard deviations above the mean, or on either side of it.
    Score { threshold: f64, double_sided: bool },
    /// Not set apart by a few random cuts.
    Forest { contamination: Contamination, seed: u64 },
}

/// Trees of a forest, and how many values each sees: scikit-learn's defaults.
const TREES: usize = 100;
const SEEN_BY_TREE: usize = 256;

/// Measures first and judges each row on a second pass.
pub(super) struct OutlierCheck {
    column: Column,
    rule: Rule,
    moments: Moments,
    has_infinity: bool,
    quantiles: Quantiles,
    /// All finite values, for a forest.
    points: Points,
    forest: Option<IsolationForest>,
    judge: Option<Judge>,
    pub(super) tally: Tally,
}

/// Which values pass, once that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Judge {
    /// There is nothing to measure against.
    All,
    Within {
        low: f64,
        high: f64,
    },
    Near {
        mean: f64,
        distance: f64,
    },
    Score {
        mean: f64,
        stdev: f64,
        threshold: f64,
        double_sided: bool,
    },
}

impl Judge {
    #[expect(clippy::float_cmp, reason = "without a spread only the mean itself is near it")]
    fn passes(self, value: f64) -> bool {
        match self {
            Judge::All => true,
            Judge::Within { low, high } => value >= low && value <= high,
            Judge::Near { mean, distance } if distance <= 0.0 => value == mean,
            Judge::Near { mean, distance } => (value - mean).abs() < distance,
            Judge::Score { mean, stdev, threshold, double_sided } => {
                let score = (value - mean) / stdev;
                score.is_nan() || if double_sided { score.abs() < threshold.abs() } else { score < threshold }
            }
        }
    }
}

impl OutlierCheck {
    pub(super) fn new(column: Column, rule: Rule, limit: usize) -> OutlierCheck {
        OutlierCheck {
            column: column.into_floats(),
            rule,
            moments: Moments::default(),
            has_infinity: false,
            quantiles: Quantiles::new(EXACT_QUANTILES),
            points: Points::new(1),
            forest: None,
            judge: None,
            tally: Tally::new(limit),
        }
    }

    pub(super) fn column(&self) -> &str {
        &self.column.name
    }

    pub(super) fn batch(&mut self, part: &Part) -> Result<(), String> {
        let values = self.column.read(&part.batch)?;
        if matches!(self.rule, Rule::Forest { .. }) {
            numbers(&values).filter(|value| value.is_finite()).for_each(|value| self.points.push(&[value]));
        } else if matches!(self.rule, Rule::Quartiles(_)) {
            self.quantiles.extend(numbers(&values));
        } else {
            self.has_infinity |= numbers(&values).any(f64::is_infinite);
            self.moments.merge(&Moments::of(numbers(&values).filter(|value| value.is_finite())));
        }
        Ok(())
    }

    /// Draws the bounds, when all rows have passed.
    pub(super) fn finish(&mut self) {
        if let Rule::Forest { contamination, seed } = self.rule {
            if self.points.rows() > 0 {
                let options = ForestOptions {
                    n_estimators: TREES,
                    max_samples: SEEN_BY_TREE,
                    max_features: 1.0,
                    bootstrap: false,
                    contamination,
                    seed,
                };
                let Ok(forest) = IsolationForest::grow(&self.points, options, &mut never);
                self.forest = Some(forest);
            }
            self.points = Points::new(1);
            return;
        }
        let mean = self.moments.mean();
        // Among infinities nothing is far away: mean and deviation are not defined, as in pandas.
        let stdev = self.moments.stdev().filter(|_| !self.has_infinity);
        self.judge = Some(match (self.rule, mean, stdev) {
            (Rule::Quartiles(multiplier), ..) => match self.quantiles.at(&[0.25, 0.75]).as_slice() {
                [Some(first), Some(third)] if (third - first).is_finite() => {
                    let reach = multiplier * (third - first);
                    Judge::Within { low: first - reach, high: third + reach }
                }
                _ => Judge::All,
            },
            (Rule::Deviations(multiplier), Some(mean), Some(stdev)) => {
                Judge::Near { mean, distance: multiplier * stdev }
            }
            (Rule::Score { threshold, double_sided }, Some(mean), Some(stdev)) if stdev > 0.0 => {
                Judge::Score { mean, stdev, threshold, double_sided }
            }
            _ => Judge::All,
        });
    }

    /// For each row whether it passes, on the second pass; counts and remembers the failing ones.
    pub(super) fn again(&mut self, part: &Part) -> Result<BooleanArray, String> {
        let values = self.column.read(&part.batch)?;
        let judge = self.judge.unwrap_or(Judge::All);
        let floats = values.as_primitive::<Float64Type>();
        let passes: BooleanArray = match &self.forest {
            Some(forest) => among(forest, floats),
            None => floats.iter().map(|value| value.map(|value| judge.passes(value))).collect(),
        };
        debug_assert_eq!(passes.len(), values.len());
        self.tally.count(part, &passes, |row| cell(&values, row));
        Ok(passes)
    }

    pub(super) fn outcome(&self, mostly: f64) -> Outcome {
        let outcome = self.tally.outcome(mostly);
        if self.quantiles.is_exact() { outcome } else { outcome.with("approximate", json!(true)) }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that growing a forest wants")]
fn never(_: usize) -> Result<(), std::convert::Infallible> {
    Ok(())
}

/// For each value whether a forest takes it for a usual one. Infinities are none.
fn among(forest: &IsolationForest, values: &Float64Array) -> BooleanArray {
    let mut points = Points::new(1);
    values.iter().flatten().filter(|value| value.is_finite()).for_each(|value| points.push(&[value]));
    let Ok(scores) = forest.scores(&points, &mut never);
    let mut scores = scores.into_iter();
    let mut passes = |value: f64| value.is_finite() && scores.next().is_some_and(|score| score >= forest.offset);
    values.iter().map(|value| value.map(&mut passes)).collect()
}
