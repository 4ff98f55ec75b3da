//! All measures of a classifier of three or more classes.

use super::{Confusion, ConfusionMatrix, Ranking, Values, ratio, weighted_mean};

/// Probabilities of all classes with the truth, prepared for measuring under many weights.
#[derive(Debug, Clone)]
pub struct MulticlassScores {
    classes: usize,
    truth: Vec<usize>,
    predicted: Vec<usize>,
    rankings: Vec<Ranking>,
    losses: Vec<f64>,
}

impl MulticlassScores {
    /// Prepares row-major `scores` of shape (rows, classes); the most probable class is the decision, the first at ties.
    pub fn new(classes: usize, truth: Vec<usize>, scores: &[f64]) -> MulticlassScores {
        let predicted = scores.chunks(classes).map(most_probable).collect();
        let loss = |(row, truth): (&[f64], &usize)| -row[*truth].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
        let losses = scores.chunks(classes).zip(&truth).map(loss).collect();
        let ranking = |class: usize| {
            let is_class: Vec<bool> = truth.iter().map(|label| *label == class).collect();
            let column: Vec<f64> = scores.iter().skip(class).step_by(classes).copied().collect();
            Ranking::new(&is_class, &column)
        };
        MulticlassScores { classes, predicted, rankings: (0..classes).map(ranking).collect(), losses, truth }
    }

    /// The class that each row is taken for.
    pub fn predicted(&self) -> &[usize] {
        &self.predicted
    }

    /// The class of each row.
    pub fn truth(&self) -> &[usize] {
        &self.truth
    }

    /// The confusion matrix.
    pub fn confusion(&self, weight: Option<&[f64]>) -> ConfusionMatrix {
        ConfusionMatrix::of(self.classes, &self.truth, &self.predicted, weight)
    }

    /// The area under the ROC curve of each class against the rest.
    pub fn roc_auc_by_class(&self, weight: Option<&[f64]>) -> Vec<Option<f64>> {
        self.rankings.iter().map(|ranking| ranking.roc_auc(weight)).collect()
    }

    /// All measures, by name.
    pub fn values(&self, weight: Option<&[f64]>) -> Values {
        let matrix = self.confusion(weight);
        let (precision_macro, precision_weighted) = averages(&matrix, self.classes, Confusion::precision);
        let (recall_macro, recall_weighted) = averages(&matrix, self.classes, Confusion::recall);
        let (f1_macro, f1_weighted) = averages(&matrix, self.classes, Confusion::f1);
        let recalls = (0..self.classes).filter_map(|class| matrix.one_against_rest(class).recall());
        let areas = self.roc_auc_by_class(weight);
        let known: Option<Vec<f64>> = areas.iter().copied().collect();
        let area_weighted = known.as_ref().and_then(|areas| {
            ratio(areas.iter().enumerate().map(|(class, area)| area * matrix.actual(class)).sum(), matrix.total())
        });
        vec![
            ("roc_auc_ovr", known.as_ref().and_then(|areas| mean(areas.iter().copied()))),
            ("roc_auc_ovr_weighted", area_weighted),
            ("accuracy", ratio(matrix.right(), matrix.total())),
            ("balanced_accuracy", mean(recalls)),
            ("precision_macro", precision_macro),
            ("recall_macro", recall_macro),
            ("f1_macro", f1_macro),
            ("precision_weighted", precision_weighted),
            ("recall_weighted", recall_weighted),
            ("f1_weighted", f1_weighted),
            ("mcc", matrix.mcc()),
            ("cohen_kappa", matrix.cohen_kappa()),
            ("log_loss", weighted_mean(self.losses.iter().copied(), weight)),
        ]
    }
}

/// The index of the largest value, the first at ties.
pub(crate) fn most_probable(row: &[f64]) -> usize {
    let mut best = 0;
    for (class, probability) in row.iter().enumerate() {
        if *probability > row[best] {
            best = class;
        }
    }
    best
}

/// The plain mean over the classes that occur or are predicted, and the mean weighted by how often they occur. Where the
/// measure of a class is undefined it counts as zero, as in scikit-learn.
fn averages(
    matrix: &ConfusionMatrix,
    classes: usize,
    measure: impl Fn(&Confusion) -> Option<f64>,
) -> (Option<f64>, Option<f64>) {
    let present = || (0..classes).filter(|class| matrix.actual(*class) > 0.0 || matrix.predicted(*class) > 0.0);
    let value = |class: usize| measure(&matrix.one_against_rest(class)).unwrap_or(0.0);
    let weighted = present().map(|class| matrix.actual(class) * value(class)).sum();
    (mean(present().map(value)), ratio(weighted, matrix.total()))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    ratio(sum, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_does_not_occur_leaves_the_area_undefined_and_the_rest_measured() {
        let scores = MulticlassScores::new(3, vec![0, 1], &[0.8, 0.1, 0.1, 0.2, 0.7, 0.1]);
        let values = scores.values(None);
        assert_eq!(values[0], ("roc_auc_ovr", None));
        assert_eq!(values[2], ("accuracy", Some(1.0)));
        assert_eq!(values[6], ("f1_macro", Some(1.0)));
    }
}
