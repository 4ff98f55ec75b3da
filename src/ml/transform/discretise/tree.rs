//! A decision tree over one column of numbers, which is a list of limits with a prediction between each two: CART as
//! scikit-learn grows it, exactly.

use crate::ml::transform::stats::whole;

/// Values nearer than this are not told apart, scikit-learn's rule.
const NEAREST: f64 = 1e-7;

/// What a split makes smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Criterion {
    /// The squared distance from the mean, for a number.
    SquaredError,
    /// The chance that two rows differ in their class, among this many.
    Gini(usize),
}

/// How far a tree may grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    /// The most splits on the way to a leaf.
    pub(super) max_depth: u32,
    /// The least rows of a leaf.
    pub(super) min_samples_leaf: usize,
}

/// A grown tree.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Steps {
    /// The limits, ascending; a value on a limit is below it.
    pub(super) limits: Vec<f64>,
    /// The leaves between them: the mean of the target, or the share of the second class.
    pub(super) means: Vec<f64>,
    /// The class that most rows of each leaf have.
    classes: Vec<usize>,
}

impl Steps {
    /// Grown over pairs of value and target, ascending by value; there is at least one.
    pub(super) fn grow(points: &[(f64, f64)], criterion: Criterion, growth: Growth) -> Steps {
        let mut steps = Steps::default();
        steps.branch(points, criterion, growth, 0);
        steps
    }

    fn branch(&mut self, points: &[(f64, f64)], criterion: Criterion, growth: Growth, depth: u32) {
        let all = Sums::of(points, criterion);
        let is_pure = all.impurity() <= f64::EPSILON;
        let split = if depth >= growth.max_depth || is_pure { None } else { best_split(points, &all, growth) };
        let Some(place) = split else {
            self.means.push(all.mean());
            self.classes.push(all.class());
            return;
        };
        self.branch(&points[..place], criterion, growth, depth + 1);
        let (below, above) = (points[place - 1].0, points[place].0);
        let middle = below / 2.0 + above / 2.0;
        self.limits.push(if middle >= above || !middle.is_finite() { below } else { middle });
        self.branch(&points[place..], criterion, growth, depth + 1);
    }

    /// The number of the leaf that `value` belongs to.
    pub(super) fn leaf(&self, value: f64) -> usize {
        self.limits.partition_point(|limit| *limit < value)
    }

    /// How good the predictions for these rows are, more is better: minus the mean squared error, or the share of rows
    /// whose class is right.
    pub(super) fn score(&self, points: &[(f64, f64)], criterion: Criterion) -> f64 {
        let score = |(value, target): &(f64, f64)| {
            let leaf = self.leaf(*value);
            match criterion {
                Criterion::SquaredError => -(self.means[leaf] - target).powi(2),
                Criterion::Gini(_) => f64::from(u8::from((self.classes[leaf] as f64).total_cmp(target).is_eq())),
            }
        };
        points.iter().map(score).sum::<f64>() / points.len() as f64
    }
}

/// Where the upper part of the best split begins.
fn best_split(points: &[(f64, f64)], all: &Sums, growth: Growth) -> Option<usize> {
    let mut below = all.none();
    let mut best = (f64::NEG_INFINITY, None);
    for place in 1..points.len() {
        below.push(points[place - 1].1);
        let is_gap = points[place].0 > points[place - 1].0 + NEAREST;
        let least = growth.min_samples_leaf;
        if !is_gap || place < least || points.len() - place < least {
            continue;
        }
        let gain = below.gain(all);
        if gain > best.0 {
            best = (gain, Some(place));
        }
    }
    best.1
}

/// The targets of some rows.
#[derive(Debug, Clone)]
enum Sums {
    Numbers { count: f64, sum: f64, squares: f64 },
    Classes { count: f64, by_class: Vec<f64> },
}

impl Sums {
    fn of(points: &[(f64, f64)], criterion: Criterion) -> Sums {
        let mut sums = match criterion {
            Criterion::SquaredError => Sums::Numbers { count: 0.0, sum: 0.0, squares: 0.0 },
            Criterion::Gini(classes) => Sums::Classes { count: 0.0, by_class: vec![0.0; classes] },
        };
        for (_, target) in points {
            sums.push(*target);
        }
        sums
    }

    fn none(&self) -> Sums {
        match self {
            Sums::Numbers { .. } => Sums::Numbers { count: 0.0, sum: 0.0, squares: 0.0 },
            Sums::Classes { by_class, .. } => Sums::Classes { count: 0.0, by_class: vec![0.0; by_class.len()] },
        }
    }

    fn push(&mut self, target: f64) {
        match self {
            Sums::Numbers { count, sum, squares } => {
                *count += 1.0;
                *sum += target;
                *squares += target * target;
            }
            Sums::Classes { count, by_class } => {
                *count += 1.0;
                by_class[whole(target)] += 1.0;
            }
        }
    }

    fn impurity(&self) -> f64 {
        match self {
            Sums::Numbers { count, sum, squares } => squares / count - (sum / count).powi(2),
            Sums::Classes { count, by_class } => {
                1.0 - by_class.iter().map(|rows| rows * rows).sum::<f64>() / (count * count)
            }
        }
    }

    /// What a split of `all` into these rows and the others gains, up to a constant.
    fn gain(&self, all: &Sums) -> f64 {
        match (self, all) {
            (Sums::Numbers { count, sum, .. }, Sums::Numbers { count: rows, sum: of_all, .. }) => {
                let above = of_all - sum;
                sum * sum / count + above * above / (rows - count)
            }
            (Sums::Classes { count, by_class }, Sums::Classes { count: rows, by_class: of_all }) => {
                let above = rows - count;
                let squares: f64 = of_all.iter().zip(by_class).map(|(all, below)| (all - below) * (all - below)).sum();
                -above * (1.0 - squares / (above * above)) - count * self.impurity()
            }
            _ => f64::NEG_INFINITY,
        }
    }

    fn mean(&self) -> f64 {
        match self {
            Sums::Numbers { count, sum, .. } => sum / count,
            Sums::Classes { count, by_class } => by_class.get(1).map_or(0.0, |rows| rows / count),
        }
    }

    fn class(&self) -> usize {
        match self {
            Sums::Numbers { .. } => 0,
            Sums::Classes { by_class, .. } => {
                let most = by_class.iter().copied().fold(0.0, f64::max);
                by_class.iter().position(|rows| *rows >= most).unwrap_or(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_splits_where_the_target_steps() {
        let points: Vec<(f64, f64)> = (0..12).map(|row| (f64::from(row), f64::from(u8::from(row >= 8)))).collect();
        let growth = Growth { max_depth: 3, min_samples_leaf: 1 };
        for criterion in [Criterion::SquaredError, Criterion::Gini(2)] {
            let steps = Steps::grow(&points, criterion, growth);
            assert_eq!((steps.limits.as_slice(), steps.means.as_slice()), (&[7.5][..], &[0.0, 1.0][..]));
            assert!(steps.score(&points, criterion) >= steps.score(&[(7.9, 0.0)], criterion));
        }
        let wide = Steps::grow(&points, Criterion::Gini(2), Growth { max_depth: 3, min_samples_leaf: 6 });
        assert_eq!(wide.limits, [5.5]);
    }

    #[test]
    fn equal_values_are_never_parted() {
        let points = [(1.0, 0.0), (1.0, 1.0), (1.0, 0.0)];
        let steps = Steps::grow(&points, Criterion::Gini(2), Growth { max_depth: 4, min_samples_leaf: 1 });
        assert!(steps.limits.is_empty());
        assert_eq!(steps.leaf(9.0), 0);
    }
}
