//! Logistic regression with an L2 penalty, as scikit-learn's `LogisticRegression` defines it.
//!
//! It minimises `c * sum(w_i * loss_i) + |coefficients|^2 / 2`, intercepts unpenalised. The optimiser works on columns
//! that are centred and scaled to unit deviation, which changes its speed and not the minimum: the penalty stays on the
//! coefficients of the columns as they are.

use super::super::features::FeatureMatrix;
use super::LinearWeights;
use super::design::Design;
use super::lbfgs::minimise;

/// What the fit may do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogisticOptions {
    /// The inverse strength of the penalty.
    pub c: f64,
    /// The most steps of the optimiser.
    pub max_iterations: usize,
    /// The largest component of the gradient of the mean loss that counts as zero.
    pub tolerance: f64,
}

/// A fitted model and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// The coefficients: one output for two classes, else one per class.
    pub weights: LinearWeights,
    /// The penalised mean loss before the first step and after each one.
    pub history: Vec<f64>,
    /// Whether the optimiser came to rest before its last step.
    pub converged: bool,
}

/// Fits `labels` (indexes of `classes` classes) with optional row weights. `after_step` hears the number of each step and
/// the loss, and may end the fit.
pub fn fit_logistic<E>(
    features: &FeatureMatrix,
    labels: &[usize],
    classes: usize,
    weight: Option<&[f64]>,
    options: LogisticOptions,
    after_step: impl FnMut(usize, f64) -> Result<(), E>,
) -> Result<LogisticFit, E> {
    let design = Design::of(features);
    let outputs = if classes == 2 { 1 } else { classes };
    let (means, scales) = design.moments(weight);
    let total = weight.map_or(labels.len() as f64, |weight| weight.iter().sum());
    let objective =
        Objective { design, labels, weight, outputs, means, scales, penalty: 1.0 / (options.c * total), total };
    let start = vec![0.0; outputs * (objective.design.width() + 1)];
    let minimum = minimise(
        start,
        options.tolerance,
        options.max_iterations,
        |at, gradient| objective.evaluate(at, gradient),
        after_step,
    )?;
    Ok(LogisticFit { weights: objective.weights(&minimum.at), history: minimum.history, converged: minimum.converged })
}

struct Objective<'a> {
    design: Design<'a>,
    labels: &'a [usize],
    weight: Option<&'a [f64]>,
    outputs: usize,
    means: Vec<f64>,
    scales: Vec<f64>,
    penalty: f64,
    total: f64,
}

impl Objective<'_> {
    /// The coefficients for columns as they are, from those for centred and scaled columns.
    fn weights(&self, at: &[f64]) -> LinearWeights {
        let width = self.design.width();
        let mut weights = LinearWeights::zeros(self.outputs, width);
        for (output, scaled) in at.chunks(width + 1).enumerate() {
            let coefficients = &mut weights.coefficients[output * width..(output + 1) * width];
            let mut intercept = scaled[width];
            for column in 0..width {
                coefficients[column] = scaled[column] / self.scales[column];
                intercept -= coefficients[column] * self.means[column];
            }
            weights.intercepts[output] = intercept;
        }
        weights
    }

    fn evaluate(&self, at: &[f64], gradient: &mut [f64]) -> f64 {
        let width = self.design.width();
        let weights = self.weights(at);
        gradient.fill(0.0);
        let mut loss = 0.0;
        let mut residuals = vec![0.0; self.outputs];
        for row in 0..self.design.rows() {
            for (output, logit) in residuals.iter_mut().enumerate() {
                let coefficients = &weights.coefficients[output * width..(output + 1) * width];
                *logit = self.design.dot(row, coefficients) + weights.intercepts[output];
            }
            let share = self.weight.map_or(1.0, |weight| weight[row]) / self.total;
            loss += share * loss_and_residuals(&mut residuals, self.labels[row]);
            for (output, residual) in residuals.iter().enumerate() {
                let sums = &mut gradient[output * (width + 1)..(output + 1) * (width + 1)];
                self.design.add_to(row, share * residual, &mut sums[..width]);
                sums[width] += share * residual;
            }
        }
        for (output, sums) in gradient.chunks_mut(width + 1).enumerate() {
            for column in 0..width {
                let coefficient = weights.coefficients[output * width + column];
                let centred = sums[column] - self.means[column] * sums[width];
                sums[column] = (centred + self.penalty * coefficient) / self.scales[column];
                loss += self.penalty * coefficient * coefficient / 2.0;
            }
        }
        loss
    }
}

/// Turns logits into the derivative of the loss by each logit, and returns the loss.
fn loss_and_residuals(logits: &mut [f64], label: usize) -> f64 {
    if let [logit] = logits {
        let truth = if label == 1 { 1.0 } else { 0.0 };
        let loss = logit.max(0.0) - *logit * truth + (-logit.abs()).exp().ln_1p();
        *logit = sigmoid(*logit) - truth;
        return loss;
    }
    let picked = logits[label];
    let log_sum = softmax(logits);
    logits[label] -= 1.0;
    log_sum - picked
}

/// The logistic function, without overflow.
pub(crate) fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let power = logit.exp();
        power / (1.0 + power)
    }
}

/// Turns logits into probabilities and returns the logarithm of the sum of their powers.
pub(crate) fn softmax(logits: &mut [f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for logit in &mut *logits {
        *logit = (*logit - largest).exp();
        sum += *logit;
    }
    for power in &mut *logits {
        *power /= sum;
    }
    largest + sum.ln()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "labels are small whole numbers")]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::ml::linear::oracle::cases;

    fn fit(features: &FeatureMatrix, labels: &[usize], classes: usize, weight: Option<&[f64]>, c: f64) -> LogisticFit {
        let options = LogisticOptions { c, max_iterations: 1000, tolerance: 1e-9 };
        fit_logistic(features, labels, classes, weight, options, |_, _| Ok::<(), Infallible>(())).unwrap()
    }

    #[test]
    fn coefficients_agree_with_scikit_learn_on_columns_of_any_scale() {
        for case in cases("logistic") {
            let labels: Vec<usize> = case.target.iter().map(|label| *label as usize).collect();
            let fitted = fit(&case.features, &labels, case.classes, case.weight.as_deref(), case.strength);
            assert!(fitted.converged);
            case.check(&fitted.weights, 1e-4);
        }
    }

    #[test]
    fn a_weight_of_two_is_a_row_twice() {
        let case = &cases("logistic")[0];
        let labels: Vec<usize> = case.target.iter().map(|label| *label as usize).collect();
        let weight: Vec<f64> = (0..labels.len()).map(|row| if row % 3 == 0 { 2.0 } else { 1.0 }).collect();
        let rows: Vec<usize> = (0..labels.len()).flat_map(|row| vec![row; if row % 3 == 0 { 2 } else { 1 }]).collect();
        let repeated: Vec<usize> = rows.iter().map(|row| labels[*row]).collect();
        let weighted = fit(&case.features, &labels, 2, Some(&weight), 1.0).weights;
        let twice = fit(&case.features.take(&rows), &repeated, 2, None, 1.0).weights;
        for (left, right) in weighted.coefficients.iter().zip(&twice.coefficients) {
            assert!((left - right).abs() < 1e-5 * right.abs().max(1.0), "{left} {right}");
        }
    }

    #[test]
    fn classes_that_can_be_told_apart_perfectly_still_have_a_finite_fit() {
        let case = &cases("logistic")[2];
        let labels: Vec<usize> = case.features.numeric().chunks(3).map(|row| usize::from(row[0] > 0.0)).collect();
        let fitted = fit(&case.features, &labels, 2, None, 1e4);
        assert!(fitted.converged);
        assert!(fitted.weights.coefficients.iter().all(|value| value.is_finite()));
    }
}
