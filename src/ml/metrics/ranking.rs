//! How well scores put positives before negatives: ROC AUC, average precision, Kolmogorov-Smirnov.

use super::{ratio, weight_of};

/// Scores sorted once, so that measures under many weights (as a bootstrap asks for) need no further sorting.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Rows from the highest to the lowest score.
    order: Vec<usize>,
    /// Whether the score at this place of the order differs from the next one.
    ends_tie: Vec<bool>,
    truth: Vec<bool>,
}

/// Weights of positives and negatives with a score of at least some threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) row: usize,
    pub(super) true_positives: f64,
    pub(super) false_positives: f64,
}

impl Ranking {
    /// Sorts `scores` of rows whose class is positive where `truth` says so.
    pub fn new(truth: &[bool], scores: &[f64]) -> Ranking {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|left, right| scores[*right].total_cmp(&scores[*left]));
        let ends_tie = (0..order.len())
            .map(|place| order.get(place + 1).is_none_or(|next| scores[*next] < scores[order[place]]))
            .collect();
        Ranking { order, ends_tie, truth: truth.to_vec() }
    }

    /// One point per distinct score, from the highest to the lowest.
    pub(super) fn points<'a>(&'a self, weight: Option<&'a [f64]>) -> impl Iterator<Item = Point> + 'a {
        let (mut true_positives, mut false_positives) = (0.0, 0.0);
        self.order.iter().zip(&self.ends_tie).filter_map(move |(&row, ends_tie)| {
            let amount = weight_of(weight, row);
            if self.truth[row] {
                true_positives += amount;
            } else {
                false_positives += amount;
            }
            ends_tie.then_some(Point { row, true_positives, false_positives })
        })
    }

    /// The area under the ROC curve: the chance that a positive scores above a negative, ties counting one half.
    pub fn roc_auc(&self, weight: Option<&[f64]>) -> Option<f64> {
        let (mut area, mut last) = (0.0, (0.0, 0.0));
        for point in self.points(weight) {
            let width = point.false_positives - last.1;
            area += width * (point.true_positives + last.0) / 2.0;
            last = (point.true_positives, point.false_positives);
        }
        ratio(area, last.0 * last.1)
    }

    /// Average precision: the sum over thresholds of (R_n - R_(n-1)) P_n, without interpolation.
    pub fn average_precision(&self, weight: Option<&[f64]>) -> Option<f64> {
        let (mut sum, mut last) = (0.0, 0.0);
        for point in self.points(weight) {
            let predicted = point.true_positives + point.false_positives;
            if predicted > 0.0 {
                sum += (point.true_positives - last) * point.true_positives / predicted;
            }
            last = point.true_positives;
        }
        ratio(sum, last)
    }

    /// The largest distance between the true and the false positive rate over all thresholds.
    pub fn ks_statistic(&self, weight: Option<&[f64]>) -> Option<f64> {
        let (positives, negatives) = self.totals(weight);
        if positives == 0.0 || negatives == 0.0 {
            return None;
        }
        let distance = |point: Point| point.true_positives / positives - point.false_positives / negatives;
        Some(self.points(weight).map(|point| distance(point).abs()).fold(0.0, f64::max))
    }

    /// The weights of all positives and of all negatives.
    pub(super) fn totals(&self, weight: Option<&[f64]>) -> (f64, f64) {
        let last = self.points(weight).last();
        last.map_or((0.0, 0.0), |point| (point.true_positives, point.false_positives))
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_count_one_half() {
        let ranking = Ranking::new(&[true, false], &[0.5, 0.5]);
        assert_eq!(ranking.roc_auc(None), Some(0.5));
        assert_eq!(ranking.average_precision(None), Some(0.5));
        assert_eq!(ranking.ks_statistic(None), Some(0.0));
    }

    #[test]
    fn one_class_leaves_a_ranking_undefined() {
        let ranking = Ranking::new(&[true, true], &[0.1, 0.2]);
        assert_eq!(ranking.roc_auc(None), None);
        assert_eq!(ranking.ks_statistic(None), None);
        assert_eq!(Ranking::new(&[false], &[0.1]).average_precision(None), None);
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_ordered_pairs(rows in prop::collection::vec((any::<bool>(), 0_u8..6), 2..40)) {
            let (truth, scores): (Vec<bool>, Vec<f64>) =
                rows.iter().map(|(truth, score)| (*truth, f64::from(*score))).unzip();
            let (mut pairs, mut ordered) = (0.0, 0.0);
            for (positive, high) in truth.iter().zip(&scores).filter(|(truth, _)| **truth) {
                for (_, low) in truth.iter().zip(&scores).filter(|(truth, _)| *truth != positive) {
                    pairs += 1.0;
                    ordered += if high > low { 1.0 } else if high == low { 0.5 } else { 0.0 };
                }
            }
            let auc = Ranking::new(&truth, &scores).roc_auc(None);
            match auc {
                None => prop_assert_eq!(pairs, 0.0),
                Some(auc) => prop_assert!((auc - ordered / pairs).abs() < 1e-12),
            }
        }

        #[test]
        fn a_weight_of_two_is_a_row_twice(rows in prop::collection::vec((any::<bool>(), 0_u8..6, 0_usize..3), 2..30)) {
            let truth: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
            let weight: Vec<f64> = rows.iter().map(|row| row.2 as f64).collect();
            let repeated: Vec<usize> = (0..rows.len()).flat_map(|row| vec![row; rows[row].2]).collect();
            let many = Ranking::new(
                &repeated.iter().map(|row| truth[*row]).collect::<Vec<_>>(),
                &repeated.iter().map(|row| scores[*row]).collect::<Vec<_>>(),
            );
            let weighted = Ranking::new(&truth, &scores);
            let same = |left: Option<f64>, right: Option<f64>| match (left, right) {
                (Some(left), Some(right)) => (left - right).abs() < 1e-12,
                (left, right) => left == right,
            };
            prop_assert!(same(weighted.roc_auc(Some(&weight)), many.roc_auc(None)));
            prop_assert!(same(weighted.average_precision(Some(&weight)), many.average_precision(None)));
            prop_assert!(same(weighted.ks_statistic(Some(&weight)), many.ks_statistic(None)));
        }
    }
}
