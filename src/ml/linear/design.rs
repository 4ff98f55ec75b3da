//! The design matrix of a linear model: numbers as they are, categories as one indicator per code.

use super::super::features::FeatureMatrix;

/// The coefficients of a linear model with one or more outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearWeights {
    /// How many outputs there are: 1 for a binary model or a regression, else one per class.
    pub outputs: usize,
    /// How many columns the design matrix has.
    pub width: usize,
    /// Row-major, of shape (outputs, width).
    pub coefficients: Vec<f64>,
    /// One per output.
    pub intercepts: Vec<f64>,
}

impl LinearWeights {
    /// All coefficients zero.
    pub fn zeros(outputs: usize, width: usize) -> LinearWeights {
        LinearWeights { outputs, width, coefficients: vec![0.0; outputs * width], intercepts: vec![0.0; outputs] }
    }

    /// The linear combination for each row and output, row-major.
    pub fn apply(&self, features: &FeatureMatrix) -> Vec<f64> {
        let design = Design::of(features);
        let mut out = Vec::with_capacity(features.rows() * self.outputs);
        for row in 0..features.rows() {
            for output in 0..self.outputs {
                let coefficients = &self.coefficients[output * self.width..(output + 1) * self.width];
                out.push(design.dot(row, coefficients) + self.intercepts[output]);
            }
        }
        out
    }
}

/// A feature matrix seen as columns of numbers: first the numeric features, then one indicator for each code of each
/// category.
pub(super) struct Design<'a> {
    features: &'a FeatureMatrix,
    numeric: usize,
    /// Where the indicators of each category start.
    starts: Vec<usize>,
    width: usize,
}

impl<'a> Design<'a> {
    pub(super) fn of(features: &'a FeatureMatrix) -> Design<'a> {
        let numeric = features.numeric_width();
        let mut width = numeric;
        let mut starts = Vec::new();
        for cardinality in features.cardinalities() {
            starts.push(width);
            width += cardinality;
        }
        Design { features, numeric, starts, width }
    }

    pub(super) fn rows(&self) -> usize {
        self.features.rows()
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn numbers(&self, row: usize) -> &'a [f32] {
        &self.features.numeric()[row * self.numeric..(row + 1) * self.numeric]
    }

    /// The columns whose indicator is one in `row`.
    pub(super) fn indicators(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let width = self.starts.len();
        let codes = &self.features.codes()[row * width..(row + 1) * width];
        self.starts.iter().zip(codes).map(|(start, code)| start + *code as usize)
    }

    pub(super) fn dot(&self, row: usize, coefficients: &[f64]) -> f64 {
        let numbers = self.numbers(row).iter().zip(coefficients);
        let mut sum: f64 = numbers.map(|(value, coefficient)| f64::from(*value) * coefficient).sum();
        for column in self.indicators(row) {
            sum += coefficients[column];
        }
        sum
    }

    /// Adds `factor` times the row to `sums`.
    pub(super) fn add_to(&self, row: usize, factor: f64, sums: &mut [f64]) {
        for (value, sum) in self.numbers(row).iter().zip(&mut *sums) {
            *sum += factor * f64::from(*value);
        }
        for column in self.indicators(row) {
            sums[column] += factor;
        }
    }

    /// The weighted mean and standard deviation of each column; a constant column gets the deviation one.
    pub(super) fn moments(&self, weight: Option<&[f64]>) -> (Vec<f64>, Vec<f64>) {
        let row_weight = |row: usize| weight.map_or(1.0, |weight| weight[row]);
        let total: f64 = (0..self.rows()).map(row_weight).sum();
        let mut means = vec![0.0; self.width];
        for row in 0..self.rows() {
            self.add_to(row, row_weight(row) / total, &mut means);
        }
        let mut squares: Vec<f64> = means.iter().map(|mean| mean * (1.0 - mean)).collect();
        squares[..self.numeric].fill(0.0);
        for row in 0..self.rows() {
            for ((value, mean), square) in self.numbers(row).iter().zip(&means).zip(&mut squares) {
                *square += row_weight(row) / total * (f64::from(*value) - mean).powi(2);
            }
        }
        let scale = |square: f64| if square > 1e-20 { square.sqrt() } else { 1.0 };
        (means, squares.into_iter().map(scale).collect())
    }
}
