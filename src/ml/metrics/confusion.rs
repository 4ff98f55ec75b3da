//! Measures of decisions: what a confusion matrix tells.

use super::{Values, ratio, weight_of};

/// The confusion matrix of two classes, in weights.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Confusion {
    pub true_positives: f64,
    pub false_positives: f64,
    pub true_negatives: f64,
    pub false_negatives: f64,
}

impl Confusion {
    /// Counts decisions against the truth.
    pub fn of(truth: &[bool], predicted: &[bool], weight: Option<&[f64]>) -> Confusion {
        let mut confusion = Confusion::default();
        for (index, pair) in truth.iter().zip(predicted).enumerate() {
            let cell = match pair {
                (true, true) => &mut confusion.true_positives,
                (false, true) => &mut confusion.false_positives,
                (false, false) => &mut confusion.true_negatives,
                (true, false) => &mut confusion.false_negatives,
            };
            *cell += weight_of(weight, index);
        }
        confusion
    }

    fn actual_positives(&self) -> f64 {
        self.true_positives + self.false_negatives
    }

    fn actual_negatives(&self) -> f64 {
        self.true_negatives + self.false_positives
    }

    fn predicted_positives(&self) -> f64 {
        self.true_positives + self.false_positives
    }

    /// All weight.
    pub fn total(&self) -> f64 {
        self.actual_positives() + self.actual_negatives()
    }

    /// The share of right decisions.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.true_positives + self.true_negatives, self.total())
    }

    /// The share of positives that were found.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positives, self.actual_positives())
    }

    /// The share of negatives that were left alone.
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negatives, self.actual_negatives())
    }

    /// The share of positive decisions that were right.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positives, self.predicted_positives())
    }

    /// The share of positive decisions.
    pub fn selection_rate(&self) -> Option<f64> {
        ratio(self.predicted_positives(), self.total())
    }

    /// The mean recall of the classes that occur.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        match (self.recall(), self.specificity()) {
            (Some(recall), Some(specificity)) => Some(f64::midpoint(recall, specificity)),
            (recall, specificity) => recall.or(specificity),
        }
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self) -> Option<f64> {
        let double = 2.0 * self.true_positives;
        ratio(double, double + self.false_positives + self.false_negatives)
    }

    /// Matthews' correlation coefficient.
    pub fn mcc(&self) -> Option<f64> {
        self.matrix().mcc()
    }

    /// All measures of the matrix, by name.
    pub fn values(&self) -> Values {
        vec![
            ("accuracy", self.accuracy()),
            ("balanced_accuracy", self.balanced_accuracy()),
            ("precision", self.precision()),
            ("recall", self.recall()),
            ("f1", self.f1()),
            ("specificity", self.specificity()),
            ("npv", ratio(self.true_negatives, self.true_negatives + self.false_negatives)),
            ("mcc", self.mcc()),
            ("cohen_kappa", self.matrix().cohen_kappa()),
            ("selection_rate", self.selection_rate()),
        ]
    }

    fn matrix(&self) -> ConfusionMatrix {
        let cells = vec![self.true_negatives, self.false_positives, self.false_negatives, self.true_positives];
        ConfusionMatrix { classes: 2, cells }
    }
}

/// The confusion matrix of any number of classes, in weights: rows are the truth, columns the decisions.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix {
    classes: usize,
    cells: Vec<f64>,
}

impl ConfusionMatrix {
    /// Counts decisions among `classes` classes against the truth.
    pub fn of(classes: usize, truth: &[usize], predicted: &[usize], weight: Option<&[f64]>) -> ConfusionMatrix {
        let mut cells = vec![0.0; classes * classes];
        for (index, (truth, predicted)) in truth.iter().zip(predicted).enumerate() {
            cells[truth * classes + predicted] += weight_of(weight, index);
        }
        ConfusionMatrix { classes, cells }
    }

    /// The rows of the matrix.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.cells.chunks(self.classes.max(1))
    }

    /// The confusion of one class against all others.
    pub fn one_against_rest(&self, class: usize) -> Confusion {
        let true_positives = self.cells[class * self.classes + class];
        let actual = self.actual(class);
        let predicted = self.predicted(class);
        Confusion {
            true_positives,
            false_positives: predicted - true_positives,
            false_negatives: actual - true_positives,
            true_negatives: self.total() - actual - predicted + true_positives,
        }
    }

    /// The weight of the rows that are of `class`.
    pub fn actual(&self, class: usize) -> f64 {
        self.cells[class * self.classes..(class + 1) * self.classes].iter().sum()
    }

    /// The weight of the rows that are taken for `class`.
    pub fn predicted(&self, class: usize) -> f64 {
        self.cells.iter().skip(class).step_by(self.classes).sum()
    }

    /// All weight.
    pub fn total(&self) -> f64 {
        self.cells.iter().sum()
    }

    /// The weight of the right decisions.
    pub fn right(&self) -> f64 {
        (0..self.classes).map(|class| self.cells[class * self.classes + class]).sum()
    }

    /// Matthews' correlation coefficient in its form for many classes (Gorodkin 2004).
    pub fn mcc(&self) -> Option<f64> {
        let total = self.total();
        let product = |left: fn(&Self, usize) -> f64, right: fn(&Self, usize) -> f64| -> f64 {
            (0..self.classes).map(|class| left(self, class) * right(self, class)).sum()
        };
        let covariance = self.right() * total - product(Self::actual, Self::predicted);
        let spread_truth = total * total - product(Self::actual, Self::actual);
        let spread_predicted = total * total - product(Self::predicted, Self::predicted);
        ratio(covariance, (spread_truth * spread_predicted).sqrt()).filter(|value| value.is_finite())
    }

    /// Cohen's kappa: agreement beyond chance.
    pub fn cohen_kappa(&self) -> Option<f64> {
        let total = self.total();
        let expected: f64 = (0..self.classes).map(|class| self.actual(class) * self.predicted(class)).sum();
        ratio(self.right() * total - expected, total * total - expected)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_decided_has_no_precision() {
        let confusion = Confusion::of(&[true, false], &[false, false], None);
        assert_eq!(confusion.precision(), None);
        assert_eq!(confusion.recall(), Some(0.0));
        assert_eq!(confusion.mcc(), None);
    }

    #[test]
    fn a_class_against_the_rest_is_a_binary_confusion() {
        let matrix = ConfusionMatrix::of(3, &[0, 1, 2, 2, 1], &[0, 2, 2, 1, 1], None);
        let second = matrix.one_against_rest(1);
        assert_eq!((second.true_positives, second.false_positives), (1.0, 1.0));
        assert_eq!((second.false_negatives, second.true_negatives), (1.0, 2.0));
        assert_eq!(matrix.right(), 3.0);
    }
}
