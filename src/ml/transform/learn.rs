//! How a transform learns from the fit table: batch by batch, from the columns it works on.

use std::path::PathBuf;

use super::TransformError;
use super::frame::Frame;
use super::registry::Unit;
use crate::ml::sentence::Models;

/// What a kept value takes: eight bytes, and as many again while its list grows.
pub(super) const BYTES_PER_KEPT_VALUE: u64 = 16;

/// The rows of the fit table that a batch holds.
pub(super) struct LearningRows<'batch> {
    /// The target of each row: the class index, or the number.
    pub(super) targets: &'batch [f64],
    /// The number of the first row, counted over all batches.
    pub(super) first: u64,
}

/// What is known of the whole fit before its first pass over the features.
#[derive(Debug, Clone)]
pub(super) struct FitFacts {
    /// The rows of the fit table, an upper bound if rows without a target are left out.
    pub(super) rows: u64,
    /// The class labels; empty for regression.
    pub(super) classes: Vec<String>,
    /// The seed of everything random.
    pub(super) seed: u64,
    /// How many bytes the fit may use, if there is a limit.
    pub(super) memory_bytes: Option<u64>,
    /// Where relative paths start.
    pub(super) base_folder: PathBuf,
    /// The models that transforms have opened.
    pub(super) models: Models,
}

/// Gathers what one transform needs to know of the columns it works on.
pub(super) trait Learner {
    /// Takes in the next rows; `frame` holds the columns that the transform was planned for.
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError>;

    /// The transform, when all rows were seen.
    fn finish(self: Box<Self>) -> Result<Unit, TransformError>;

    /// Whether it needs to see all rows once more; asked after each pass.
    fn needs_another_pass(&mut self) -> Result<bool, TransformError> {
        Ok(false)
    }

    /// How many bytes it keeps after `rows` rows, if that grows with them: it bounds how many may learn in one pass,
    /// and is refused where it exceeds the step's memory.
    fn kept_bytes(&self, _rows: u64) -> u64 {
        0
    }

    /// Whether it also reads texts that come with their dictionary.
    fn takes_encoded(&self) -> bool {
        false
    }

    /// Columns that it learns from beside those that it was planned for.
    fn reads(&self) -> Vec<&str> {
        Vec::new()
    }
}
