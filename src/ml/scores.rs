//! Predictions put beside the truth of a data set, ready to be measured.

use super::dataset::Dataset;
use super::metrics::{BinaryScores, MulticlassScores, RegressionScores, Values};
use super::model::Predictions;

/// The scores of a model on a data set, by task.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scores {
    Binary(BinaryScores),
    Multiclass(MulticlassScores),
    Regression(RegressionScores),
}

impl Scores {
    /// Puts `predictions` for all rows beside the truth. `threshold` decides between two classes.
    pub fn new(dataset: &Dataset, predictions: Predictions, threshold: f64) -> Scores {
        match predictions {
            Predictions::Binary(scores) => {
                let truth = dataset.labels().into_iter().map(|label| label == 1).collect();
                Scores::Binary(BinaryScores::new(truth, scores, threshold))
            }
            Predictions::Multiclass { classes, probabilities } => {
                Scores::Multiclass(MulticlassScores::new(classes, dataset.labels(), &probabilities))
            }
            Predictions::Regression(values) => {
                Scores::Regression(RegressionScores::new(dataset.target.clone(), values))
            }
        }
    }

    /// All measures of the task, by name.
    pub fn values(&self, weight: Option<&[f64]>) -> Values {
        match self {
            Self::Binary(scores) => scores.values(weight),
            Self::Multiclass(scores) => scores.values(weight),
            Self::Regression(scores) => scores.values(weight),
        }
    }
}
