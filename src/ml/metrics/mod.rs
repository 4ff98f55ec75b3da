//! Measures of predictions, under scikit-learn's names and conventions, all with weights.
//!
//! A measure that the data leave undefined (a ROC curve of one class, say) is `None`, never a number that looks measured.

mod binary;
mod bootstrap;
mod confusion;
mod curves;
mod direction;
mod multiclass;
mod ranking;
mod regression;

pub use binary::{BinaryScores, CALIBRATION_BINS};
pub use bootstrap::{Bootstrap, Interval};
pub use confusion::{Confusion, ConfusionMatrix};
pub use curves::{
    CalibrationBin, CurvePoint, ThresholdRow, calibration, precision_recall_curve, roc_curve, threshold_table,
};
pub use direction::{Direction, direction};
pub use multiclass::MulticlassScores;
pub(crate) use multiclass::most_probable;
pub use ranking::Ranking;
pub use regression::RegressionScores;

/// Measured values by name, in a fixed order.
pub type Values = Vec<(&'static str, Option<f64>)>;

/// `numerator / denominator`, undefined when the denominator is zero.
fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator != 0.0).then(|| numerator / denominator)
}

/// The weight of row `index`, one where there are no weights.
fn weight_of(weight: Option<&[f64]>, index: usize) -> f64 {
    weight.map_or(1.0, |weight| weight[index])
}

/// The weighted mean of `values`, undefined when all weights are zero.
fn weighted_mean(values: impl Iterator<Item = f64>, weight: Option<&[f64]>) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for (index, value) in values.enumerate() {
        let row = weight_of(weight, index);
        sum += row * value;
        total += row;
    }
    ratio(sum, total)
}

#[cfg(test)]
mod tests;
