//! What a model answers for a row, and whoever can answer.

use arrow::record_batch::RecordBatch;

/// The answer for one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// A class.
    Class {
        /// The label of the most probable class.
        label: String,
        /// For two classes the probability of the positive one, whichever label was answered, so that rows can be
        /// ranked by it; for more classes that of the label.
        probability: f64,
        /// The probability of each class, in the order of the model's labels.
        probabilities: Vec<f64>,
    },
    /// A number.
    Value(f64),
}

/// Why rows that fit the schema could not be scored.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ScoreError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ScoreError {
    /// A failure without a deeper cause.
    pub fn new(message: impl Into<String>) -> ScoreError {
        ScoreError { message: message.into(), source: None }
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ScoreError {
        ScoreError { source: Some(source.into()), ..self }
    }
}

/// Something that predicts from raw columns: a deployed bundle, or a double in tests.
pub trait Scorer: Send + 'static {
    /// One prediction for each row, in order.
    fn score(&self, rows: &RecordBatch) -> Result<Vec<Prediction>, ScoreError>;
}
