//! Bayesian ridge regression, as scikit-learn's `BayesianRidge` defines it: the evidence decides how much it is drawn to
//! zero (MacKay, Bayesian Interpolation, 1992).

use serde::{Deserialize, Serialize};

use crate::ml::transform::symmetric::eigen;

/// The priors of both precisions, scikit-learn's values.
const PRIOR: f64 = 1e-6;
/// The precisions are at rest when the coefficients change by less than this in sum, scikit-learn's value.
const TOLERANCE: f64 = 1e-3;
/// More rounds than this are not worth it, scikit-learn's value.
const MOST_ROUNDS: usize = 300;

/// A fitted line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    coefficients: Vec<f64>,
    intercept: f64,
}

impl Line {
    /// The value at a point.
    pub(super) fn at(&self, point: impl Iterator<Item = f64>) -> f64 {
        self.intercept
            + self.coefficients.iter().zip(point).map(|(coefficient, value)| coefficient * value).sum::<f64>()
    }
}

/// The line of `target` on `columns` through the rows that are not `left_out`.
pub(super) fn fit(columns: &[&[f64]], target: &[f64], left_out: &[bool]) -> Line {
    let rows: Vec<usize> = (0..target.len()).filter(|row| !left_out[*row]).collect();
    let count = rows.len() as f64;
    let mean = |values: &[f64]| rows.iter().map(|row| values[*row]).sum::<f64>() / count;
    let centred = |values: &[f64]| -> (Vec<f64>, f64) {
        let mean = mean(values);
        (rows.iter().map(|row| values[*row] - mean).collect(), mean)
    };
    let (target, target_mean) = centred(target);
    let (columns, means): (Vec<Vec<f64>>, Vec<f64>) = columns.iter().map(|values| centred(values)).unzip();
    let dot = |one: &[f64], two: &[f64]| one.iter().zip(two).map(|(one, two)| one * two).sum::<f64>();
    let width = columns.len();
    let gram: Vec<f64> = (0..width * width).map(|cell| dot(&columns[cell / width], &columns[cell % width])).collect();
    let right: Vec<f64> = columns.iter().map(|column| dot(column, &target)).collect();
    let (values, vectors) = eigen(gram, width);
    // Products have no eigenvalue below zero, but for rounding.
    let values: Vec<f64> = values.into_iter().map(|value| value.max(0.0)).collect();
    // The right side in the basis of the eigenvectors.
    let turned: Vec<f64> = vectors.iter().map(|vector| dot(vector, &right)).collect();
    let solve = |ratio: f64| -> (Vec<f64>, f64) {
        let shares: Vec<f64> = turned.iter().zip(&values).map(|(right, value)| right / (value + ratio)).collect();
        let coefficients: Vec<f64> = (0..width)
            .map(|place| vectors.iter().zip(&shares).map(|(vector, share)| vector[place] * share).sum())
            .collect();
        let error = |row: usize| {
            let predicted: f64 =
                coefficients.iter().zip(&columns).map(|(coefficient, column)| coefficient * column[row]).sum();
            target[row] - predicted
        };
        let errors = (0..target.len()).map(|row| error(row).powi(2)).sum();
        (coefficients, errors)
    };
    // The precisions of the noise and of the coefficients.
    let (mut noise, mut weights) = (1.0 / (dot(&target, &target) / count + f64::EPSILON), 1.0);
    let mut before: Option<Vec<f64>> = None;
    for _ in 0..MOST_ROUNDS {
        let (coefficients, errors) = solve(weights / noise);
        let determined: f64 = values.iter().map(|value| noise * value / (weights + noise * value)).sum();
        weights = (determined + 2.0 * PRIOR) / (dot(&coefficients, &coefficients) + 2.0 * PRIOR);
        noise = (count - determined + 2.0 * PRIOR) / (errors + 2.0 * PRIOR);
        let is_at_rest = before.is_some_and(|before| {
            before.iter().zip(&coefficients).map(|(before, now)| (before - now).abs()).sum::<f64>() < TOLERANCE
        });
        if is_at_rest {
            break;
        }
        before = Some(coefficients);
    }
    let (coefficients, _) = solve(weights / noise);
    let intercept = target_mean - dot(&coefficients, &means);
    Line { coefficients, intercept }
}
