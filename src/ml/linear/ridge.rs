//! Linear regression with an L2 penalty, as scikit-learn's `Ridge` defines it, solved exactly.
//!
//! It minimises `sum(w_i * error_i^2) + alpha * |coefficients|^2`, the intercept unpenalised, through the normal equations of
//! centred columns, balanced by their scale before the Cholesky decomposition.

use super::super::features::FeatureMatrix;
use super::LinearWeights;
use super::design::Design;

/// The normal equations have no unique solution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("feature columns depend on each other, so that there is no unique solution without a penalty")]
pub struct RidgeError;

/// Fits `target` with optional row weights.
///
/// # Errors
/// [`RidgeError`] when `alpha` is zero and columns depend linearly on each other.
pub fn fit_ridge(
    features: &FeatureMatrix,
    target: &[f64],
    weight: Option<&[f64]>,
    alpha: f64,
) -> Result<LinearWeights, RidgeError> {
    let design = Design::of(features);
    let (means, _) = design.moments(weight);
    let row_weight = |row: usize| weight.map_or(1.0, |weight| weight[row]);
    let total: f64 = (0..design.rows()).map(row_weight).sum();
    let target_mean = (0..design.rows()).map(|row| row_weight(row) * target[row]).sum::<f64>() / total;
    let (mut gram, right) = normal_equations(&design, target, target_mean, &means, row_weight);
    let width = design.width();
    for column in 0..width {
        gram[column * width + column] += alpha;
    }
    let coefficients = solve(gram, right).ok_or(RidgeError)?;
    let offset: f64 = coefficients.iter().zip(&means).map(|(coefficient, mean)| coefficient * mean).sum();
    Ok(LinearWeights { outputs: 1, width, coefficients, intercepts: vec![target_mean - offset] })
}

/// The Gram matrix of the centred columns (its lower triangle) and their products with the centred target.
fn normal_equations(
    design: &Design<'_>,
    target: &[f64],
    target_mean: f64,
    means: &[f64],
    row_weight: impl Fn(usize) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let width = design.width();
    let mut gram = vec![0.0; width * width];
    let mut right = vec![0.0; width];
    let mut total = 0.0;
    let mut entries: Vec<(usize, f64)> = Vec::new();
    for (row, target) in target.iter().enumerate() {
        let row_weight = row_weight(row);
        total += row_weight;
        // Numbers are centred before they are squared, lest large means cancel digits away; indicators after.
        let numbers = design.numbers(row).iter().enumerate();
        entries.clear();
        entries.extend(numbers.map(|(column, value)| (column, f64::from(*value) - means[column])));
        entries.extend(design.indicators(row).map(|column| (column, 1.0)));
        for (place, (column, value)) in entries.iter().enumerate() {
            let scaled = row_weight * value;
            right[*column] += scaled * (target - target_mean);
            let line = &mut gram[column * width..(column + 1) * width];
            for (other, factor) in &entries[..=place] {
                line[*other] += scaled * factor;
            }
        }
    }
    let first_indicator = design.numbers(0).len();
    for column in first_indicator..width {
        for other in first_indicator..=column {
            gram[column * width + other] -= total * means[column] * means[other];
        }
    }
    (gram, right)
}

/// Solves `matrix * x = right` for a symmetric positive definite matrix given by its lower triangle.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let width = right.len();
    let scales: Vec<f64> = (0..width).map(|column| matrix[column * width + column].max(0.0).sqrt()).collect();
    // A column that never varies and bears no penalty gets the coefficient zero.
    let is_dead: Vec<bool> = scales.iter().map(|scale| *scale == 0.0).collect();
    let scale = |column: usize| if is_dead[column] { 1.0 } else { scales[column] };
    for column in 0..width {
        right[column] = if is_dead[column] { 0.0 } else { right[column] / scale(column) };
        for other in 0..=column {
            let cell = &mut matrix[column * width + other];
            *cell = if is_dead[column] || is_dead[other] {
                f64::from(u8::from(column == other))
            } else {
                *cell / (scale(column) * scale(other))
            };
        }
    }
    for column in 0..width {
        let (before, from) = matrix.split_at_mut(column * width);
        let line = &mut from[..width];
        for other in 0..column {
            let above = &before[other * width..other * width + width];
            let product: f64 = line[..other].iter().zip(above).map(|(left, right)| left * right).sum();
            line[other] = (line[other] - product) / above[other];
        }
        let square = line[column] - line[..column].iter().map(|value| value * value).sum::<f64>();
        // After scaling the diagonal is one, so that what is left of it says how much is new in this column.
        if square <= 1e-13 {
            return None;
        }
        line[column] = square.sqrt();
    }
    for column in 0..width {
        let line = &matrix[column * width..column * width + column];
        let product: f64 = line.iter().zip(&right).map(|(left, right)| left * right).sum();
        right[column] = (right[column] - product) / matrix[column * width + column];
    }
    for column in (0..width).rev() {
        let product: f64 = (column + 1..width).map(|below| matrix[below * width + column] * right[below]).sum();
        right[column] = (right[column] - product) / matrix[column * width + column];
    }
    Some((0..width).map(|column| right[column] / scale(column)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::features::Feature;
    use crate::ml::linear::oracle::cases;

    #[test]
    fn coefficients_agree_with_scikit_learn_on_columns_of_any_scale() {
        for case in cases("ridge") {
            let fitted = fit_ridge(&case.features, &case.target, case.weight.as_deref(), case.strength).unwrap();
            case.check(&fitted, 1e-8);
        }
    }

    #[test]
    fn columns_that_depend_on_each_other_need_a_penalty() {
        let case = &cases("ridge")[0];
        let first: Vec<f32> = case.features.numeric().chunks(5).map(|row| row[0]).collect();
        let double = FeatureMatrix::from_parts(
            ["a", "b"].map(|name| Feature { name: name.to_owned(), categories: None }).to_vec(),
            first.iter().flat_map(|value| [*value, 2.0 * value]).collect(),
            Vec::new(),
        );
        assert_eq!(fit_ridge(&double, &case.target, None, 0.0), Err(RidgeError));
        assert!(fit_ridge(&double, &case.target, None, 0.1).is_ok());
    }

    #[test]
    fn a_constant_column_gets_the_coefficient_zero() {
        let constant = FeatureMatrix::from_parts(
            ["a", "b"].map(|name| Feature { name: name.to_owned(), categories: None }).to_vec(),
            vec![1.0, 5.0, 2.0, 5.0, 4.0, 5.0],
            Vec::new(),
        );
        let fitted = fit_ridge(&constant, &[2.0, 4.0, 8.0], None, 0.0).unwrap();
        assert!((fitted.coefficients[0] - 2.0).abs() < 1e-12 && fitted.coefficients[1] == 0.0, "{fitted:?}");
    }
}
