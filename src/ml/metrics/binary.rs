//! All measures of a binary classifier.

use super::{Confusion, Ranking, Values, ratio, weight_of, weighted_mean};

/// How many bins of equal width the expected calibration error and the reliability plot use.
pub const CALIBRATION_BINS: usize = 15;

/// Probabilities of the positive class with the truth, prepared for measuring under many weights.
#[derive(Debug, Clone)]
pub struct BinaryScores {
    truth: Vec<bool>,
    scores: Vec<f64>,
    predicted: Vec<bool>,
    ranking: Ranking,
    losses: Vec<f64>,
}

impl BinaryScores {
    /// Prepares `scores` in 0 to 1; a row counts as positive from `threshold` on.
    pub fn new(truth: Vec<bool>, scores: Vec<f64>, threshold: f64) -> BinaryScores {
        let loss = |(truth, score): (&bool, &f64)| {
            // scikit-learn clips so that a sure mistake costs 36 and not infinity.
            let score = score.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            if *truth { -score.ln() } else { -(-score).ln_1p() }
        };
        BinaryScores {
            predicted: scores.iter().map(|score| *score >= threshold).collect(),
            ranking: Ranking::new(&truth, &scores),
            losses: truth.iter().zip(&scores).map(loss).collect(),
            truth,
            scores,
        }
    }

    /// Which rows are positive.
    pub fn truth(&self) -> &[bool] {
        &self.truth
    }

    /// The probability of each row.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// The rows sorted by score.
    pub fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// The confusion matrix at the threshold.
    pub fn confusion(&self, weight: Option<&[f64]>) -> Confusion {
        Confusion::of(&self.truth, &self.predicted, weight)
    }

    /// All measures, by name.
    pub fn values(&self, weight: Option<&[f64]>) -> Values {
        let mut values = vec![
            ("roc_auc", self.ranking.roc_auc(weight)),
            ("average_precision", self.ranking.average_precision(weight)),
        ];
        values.extend(self.confusion(weight).values());
        values.extend([
            ("log_loss", weighted_mean(self.losses.iter().copied(), weight)),
            ("brier", self.brier(weight)),
            ("ece", self.ece(weight)),
            ("ks_statistic", self.ranking.ks_statistic(weight)),
        ]);
        values
    }

    fn brier(&self, weight: Option<&[f64]>) -> Option<f64> {
        let squares = self.truth.iter().zip(&self.scores).map(|(truth, score)| (score - f64::from(*truth)).powi(2));
        weighted_mean(squares, weight)
    }

    /// The expected calibration error: the mean distance between predicted and observed rate over bins of equal width.
    fn ece(&self, weight: Option<&[f64]>) -> Option<f64> {
        let mut gaps = [0.0; CALIBRATION_BINS];
        let mut total = 0.0;
        for (index, (truth, score)) in self.truth.iter().zip(&self.scores).enumerate() {
            let row = weight_of(weight, index);
            gaps[calibration_bin(*score)] += row * (score - f64::from(*truth));
            total += row;
        }
        ratio(gaps.iter().map(|gap| gap.abs()).sum(), total)
    }
}

/// The bin that `score` in 0 to 1 falls into.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the score is clamped to 0 to 1")]
pub(super) fn calibration_bin(score: f64) -> usize {
    ((score.clamp(0.0, 1.0) * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sure_mistake_costs_much_but_not_everything() {
        let scores = BinaryScores::new(vec![true, false], vec![0.0, 0.0], 0.5);
        let loss = scores.values(None).into_iter().find(|(name, _)| *name == "log_loss").unwrap().1.unwrap();
        assert!((loss - 18.021_826).abs() < 1e-3, "{loss}");
    }

    #[test]
    fn a_constant_at_the_base_rate_is_calibrated() {
        let scores = BinaryScores::new(vec![true, false, false, false], vec![0.25; 4], 0.5);
        let ece = scores.values(None).into_iter().find(|(name, _)| *name == "ece").unwrap().1;
        assert_eq!(ece, Some(0.0));
    }
}
