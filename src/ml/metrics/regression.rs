//! All measures of a regression.

use super::{Values, ratio, weight_of, weighted_mean};

/// Predicted numbers with the truth, prepared for measuring under many weights.
#[derive(Debug, Clone)]
pub struct RegressionScores {
    truth: Vec<f64>,
    predicted: Vec<f64>,
    /// Absolute errors.
    errors: Vec<f64>,
    /// Rows from the smallest to the largest absolute error.
    order: Vec<usize>,
}

impl RegressionScores {
    /// Prepares predictions of `truth`.
    pub fn new(truth: Vec<f64>, predicted: Vec<f64>) -> RegressionScores {
        let errors: Vec<f64> =
            truth.iter().zip(&predicted).map(|(truth, predicted)| (truth - predicted).abs()).collect();
        let mut order: Vec<usize> = (0..errors.len()).collect();
        order.sort_by(|left, right| errors[*left].total_cmp(&errors[*right]));
        RegressionScores { truth, predicted, errors, order }
    }

    /// The true value of each row.
    pub fn truth(&self) -> &[f64] {
        &self.truth
    }

    /// The predicted value of each row.
    pub fn predicted(&self) -> &[f64] {
        &self.predicted
    }

    /// All measures, by name.
    pub fn values(&self, weight: Option<&[f64]>) -> Values {
        let pairs = || self.truth.iter().zip(&self.predicted);
        let mse = weighted_mean(self.errors.iter().map(|error| error * error), weight);
        let bias = weighted_mean(pairs().map(|(truth, predicted)| truth - predicted), weight);
        let spread = weighted_mean(self.truth.iter().copied(), weight)
            .and_then(|mean| weighted_mean(self.truth.iter().map(|truth| (truth - mean).powi(2)), weight));
        let error_spread = bias.and_then(|bias| {
            weighted_mean(pairs().map(|(truth, predicted)| (truth - predicted - bias).powi(2)), weight)
        });
        // The weighted mean of equal values may miss them by a rounding error, which would look like spread.
        let mut counted = (0..self.truth.len()).filter(|row| weight_of(weight, *row) > 0.0).map(|row| self.truth[row]);
        let first = counted.next();
        let spread = spread.filter(|_| counted.any(|truth| Some(truth) != first));
        let explained = |unexplained: Option<f64>| Some(1.0 - ratio(unexplained?, spread?)?);
        let relative = |(error, truth): (&f64, &f64)| error / truth.abs().max(f64::EPSILON);
        let symmetric = |(error, (truth, predicted)): (&f64, (&f64, &f64))| {
            let size = truth.abs() + predicted.abs();
            if size == 0.0 { 0.0 } else { 2.0 * error / size }
        };
        let max_error = self.order.iter().rev().find(|row| weight_of(weight, **row) > 0.0).map(|row| self.errors[*row]);
        vec![
            ("mae", weighted_mean(self.errors.iter().copied(), weight)),
            ("mse", mse),
            ("rmse", mse.map(f64::sqrt)),
            ("mape", weighted_mean(self.errors.iter().zip(&self.truth).map(relative), weight)),
            ("smape", weighted_mean(self.errors.iter().zip(pairs()).map(symmetric), weight)),
            ("medae", self.median_error(weight)),
            ("r2", explained(mse)),
            ("explained_variance", explained(error_spread)),
            ("max_error", max_error),
        ]
    }

    /// The weighted median of the absolute errors: the mean of the two middle ones where the weight splits evenly.
    fn median_error(&self, weight: Option<&[f64]>) -> Option<f64> {
        let half = self.order.iter().map(|row| weight_of(weight, *row)).sum::<f64>() / 2.0;
        let mut rows = self.order.iter().filter(|row| weight_of(weight, **row) > 0.0);
        let mut below = 0.0;
        while let Some(&row) = rows.next() {
            below += weight_of(weight, row);
            #[expect(clippy::float_cmp, reason = "an even split is exact for counts, and rare for other weights")]
            if below == half {
                return Some(
                    rows.next().map_or(self.errors[row], |next| f64::midpoint(self.errors[row], self.errors[*next])),
                );
            }
            if below > half {
                return Some(self.errors[row]);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(scores: &RegressionScores, name: &str) -> Option<f64> {
        scores.values(None).into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn a_constant_truth_has_no_explained_share() {
        let scores = RegressionScores::new(vec![2.0, 2.0], vec![1.0, 3.0]);
        assert_eq!(value(&scores, "r2"), None);
        assert_eq!(value(&scores, "mae"), Some(1.0));
    }

    #[test]
    fn the_median_of_an_even_number_of_errors_is_the_mean_of_the_middle() {
        let scores = RegressionScores::new(vec![0.0; 4], vec![1.0, 2.0, 5.0, 9.0]);
        assert_eq!(value(&scores, "medae"), Some(3.5));
        assert_eq!(value(&scores, "max_error"), Some(9.0));
    }
}
