//! Eigenvalues of symmetric matrices, by Jacobi's rotations: slow for thousands of columns, and exact for all.

/// The eigenvalues of a symmetric matrix, largest first, each with its vector of length 1.
///
/// `matrix` is row-major. A vector's largest entry is positive, as scikit-learn turns them.
pub(super) fn symmetric(mut matrix: Vec<f64>, width: usize) -> Vec<(f64, Vec<f64>)> {
    let mut vectors = vec![0.0; width * width];
    (0..width).for_each(|place| vectors[place * width + place] = 1.0);
    for _ in 0..100 {
        let (mut off, mut on) = (0.0, 0.0);
        for row in 0..width {
            on += matrix[row * width + row].powi(2);
            off += (0..row).map(|column| matrix[row * width + column].powi(2)).sum::<f64>();
        }
        if off <= 1e-32 * on || off == 0.0 {
            break;
        }
        for p in 0..width {
            for q in p + 1..width {
                rotate(&mut matrix, &mut vectors, width, p, q);
            }
        }
    }
    let mut found: Vec<(f64, Vec<f64>)> = (0..width)
        .map(|place| {
            let vector: Vec<f64> = (0..width).map(|row| vectors[row * width + place]).collect();
            let largest = (0..width).rev().max_by(|a, b| vector[*a].abs().total_cmp(&vector[*b].abs()));
            let sign = if largest.is_some_and(|row| vector[row] < 0.0) { -1.0 } else { 1.0 };
            (matrix[place * width + place], vector.into_iter().map(|value| value * sign).collect())
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found
}

/// Turns the plane of two axes so that they no longer mix.
fn rotate(matrix: &mut [f64], vectors: &mut [f64], width: usize, p: usize, q: usize) {
    let mixed = matrix[p * width + q];
    if mixed == 0.0 {
        return;
    }
    let theta = (matrix[q * width + q] - matrix[p * width + p]) / (2.0 * mixed);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let tangent = if theta == 0.0 { 1.0 } else { tangent };
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    for row in 0..width {
        let (one, other) = (matrix[row * width + p], matrix[row * width + q]);
        matrix[row * width + p] = cosine * one - sine * other;
        matrix[row * width + q] = sine * one + cosine * other;
    }
    for column in 0..width {
        let (one, other) = (matrix[p * width + column], matrix[q * width + column]);
        matrix[p * width + column] = cosine * one - sine * other;
        matrix[q * width + column] = sine * one + cosine * other;
    }
    for row in 0..width {
        let (one, other) = (vectors[row * width + p], vectors[row * width + q]);
        vectors[row * width + p] = cosine * one - sine * other;
        vectors[row * width + q] = sine * one + cosine * other;
    }
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
