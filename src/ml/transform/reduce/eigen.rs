//! Eigenvalues in order, with vectors that have a sign.

use crate::ml::transform::symmetric::eigen;

/// The eigenvalues of a symmetric matrix, largest first, each with its vector of length 1.
///
/// `matrix` is row-major. A vector's largest entry is positive, as scikit-learn turns them.
pub(super) fn symmetric(matrix: Vec<f64>, width: usize) -> Vec<(f64, Vec<f64>)> {
    let (values, vectors) = eigen(matrix, width);
    let turned = |vector: Vec<f64>| {
        let largest = (0..width).rev().max_by(|a, b| vector[*a].abs().total_cmp(&vector[*b].abs()));
        let sign = if largest.is_some_and(|row| vector[row] < 0.0) { -1.0 } else { 1.0 };
        vector.into_iter().map(|value| value * sign).collect()
    };
    let mut found: Vec<(f64, Vec<f64>)> = values.into_iter().zip(vectors.into_iter().map(turned)).collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_matrix_is_made_of_its_vectors(width in 1_usize..9, values in proptest::collection::vec(-9.0..9.0_f64, 81)) {
            let at = |row: usize, column: usize| values[row.min(column) * 9 + row.max(column)];
            let matrix: Vec<f64> = (0..width * width).map(|place| at(place / width, place % width)).collect();
            let found = symmetric(matrix.clone(), width);
            for row in 0..width {
                for column in 0..width {
                    let sum: f64 = found.iter().map(|(value, vector)| value * vector[row] * vector[column]).sum();
                    prop_assert!((sum - matrix[row * width + column]).abs() < 1e-10);
                }
            }
            prop_assert!(found.windows(2).all(|pair| pair[0].0 >= pair[1].0));
        }
    }
}
