//! Eigenvalues of symmetric matrices.

/// More sweeps than this never help: convergence is quadratic.
const MOST_SWEEPS: usize = 60;

/// The eigenvalues of a symmetric matrix, row-major, and the eigenvector of each (cyclic Jacobi rotations; Golub and Van
/// Loan, Matrix Computations, section 8.5): slow for thousands of columns, and exact for all.
pub(super) fn eigen(mut matrix: Vec<f64>, width: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut vectors: Vec<Vec<f64>> =
        (0..width).map(|place| (0..width).map(|other| f64::from(u8::from(place == other))).collect()).collect();
    for _ in 0..MOST_SWEEPS {
        let mut is_diagonal = true;
        for one in 0..width {
            for two in one + 1..width {
                let off = matrix[one * width + two];
                let (first, second) = (matrix[one * width + one], matrix[two * width + two]);
                if off.abs() <= f64::EPSILON * 0.01 * (first.abs() * second.abs()).sqrt() || off == 0.0 {
                    continue;
                }
                is_diagonal = false;
                let slope = (second - first) / (2.0 * off);
                let tangent = slope.signum() / (slope.abs() + slope.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                rotate(&mut matrix, width, (one, two), (cosine, sine));
                let (above, below) = vectors.split_at_mut(two);
                for (left, right) in above[one].iter_mut().zip(&mut below[0]) {
                    (*left, *right) = (cosine * *left - sine * *right, sine * *left + cosine * *right);
                }
            }
        }
        if is_diagonal {
            break;
        }
    }
    ((0..width).map(|place| matrix[place * width + place]).collect(), vectors)
}

/// Turns rows and columns `one` and `two` so that their cell becomes zero.
fn rotate(matrix: &mut [f64], width: usize, (one, two): (usize, usize), (cosine, sine): (f64, f64)) {
    for place in 0..width {
        let (left, right) = (matrix[place * width + one], matrix[place * width + two]);
        matrix[place * width + one] = cosine * left - sine * right;
        matrix[place * width + two] = sine * left + cosine * right;
    }
    for place in 0..width {
        let (left, right) = (matrix[one * width + place], matrix[two * width + place]);
        matrix[one * width + place] = cosine * left - sine * right;
        matrix[two * width + place] = sine * left + cosine * right;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_the_sum_of_its_eigenvectors() {
        let matrix = vec![4.0, 1.0, -2.0, 1.0, 3.0, 0.5, -2.0, 0.5, 5.0];
        let (values, vectors) = eigen(matrix.clone(), 3);
        for cell in 0..9 {
            let found: f64 =
                values.iter().zip(&vectors).map(|(value, vector)| value * vector[cell / 3] * vector[cell % 3]).sum();
            assert!((found - matrix[cell]).abs() < 1e-12, "cell {cell}: {found}");
        }
    }
}
