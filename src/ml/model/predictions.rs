//! What a model says about some rows.

use super::super::metrics::most_probable;

/// Predictions for some rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Predictions {
    /// The probability of the positive class, by row.
    Binary(Vec<f64>),
    /// The probability of each class, row-major of shape (rows, classes).
    Multiclass {
        /// How many classes there are.
        classes: usize,
        /// The probabilities.
        probabilities: Vec<f64>,
    },
    /// A number, by row.
    Regression(Vec<f64>),
}

impl Predictions {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        match self {
            Self::Binary(values) | Self::Regression(values) => values.len(),
            Self::Multiclass { classes, probabilities } => probabilities.len() / classes,
        }
    }

    /// The probability of each class in `row`, in the order of the classes; empty for a regression.
    pub fn probabilities(&self, row: usize) -> Vec<f64> {
        match self {
            Self::Binary(values) => vec![1.0 - values[row], values[row]],
            Self::Multiclass { classes, probabilities } => probabilities[row * classes..(row + 1) * classes].to_vec(),
            Self::Regression(_) => Vec::new(),
        }
    }

    /// The class that `row` is taken for: with two classes the second one from `threshold` on, else the most probable.
    /// None for a regression.
    pub fn class(&self, row: usize, threshold: f64) -> Option<usize> {
        match self {
            Self::Binary(values) => Some(usize::from(values[row] >= threshold)),
            Self::Multiclass { .. } => Some(most_probable(&self.probabilities(row))),
            Self::Regression(_) => None,
        }
    }

    /// The predicted number of `row`; none for a classifier.
    pub fn value(&self, row: usize) -> Option<f64> {
        match self {
            Self::Regression(values) => Some(values[row]),
            Self::Binary(_) | Self::Multiclass { .. } => None,
        }
    }

    /// The first row with a value that is not finite.
    pub(super) fn first_bad_row(&self) -> Option<usize> {
        let (values, width) = match self {
            Self::Binary(values) | Self::Regression(values) => (values, 1),
            Self::Multiclass { classes, probabilities } => (probabilities, *classes),
        };
        values.iter().position(|value| !value.is_finite()).map(|place| place / width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_positive_from_the_threshold_on() {
        let predictions = Predictions::Binary(vec![0.3, 0.5]);
        assert_eq!((predictions.class(0, 0.5), predictions.class(1, 0.5)), (Some(0), Some(1)));
        assert_eq!(predictions.probabilities(0), [0.7, 0.3]);
        assert_eq!(predictions.value(0), None);
    }

    #[test]
    fn of_many_classes_the_most_probable_counts() {
        let predictions = Predictions::Multiclass { classes: 3, probabilities: vec![0.2, 0.5, 0.3, 0.6, 0.2, 0.2] };
        assert_eq!(predictions.rows(), 2);
        assert_eq!((predictions.class(0, 0.9), predictions.class(1, 0.9)), (Some(1), Some(0)));
    }
}
