//! How a transform learns from the fit table: batch by batch, from the columns it works on.

use std::path::PathBuf;

use super::TransformError;
use super::frame::Frame;
use super::registry::Unit;
use crate::ml::sentence::Models;
use crate::units::size;

/// What a kept value takes: eight bytes, and as many again while its list grows.
pub(super) const BYTES_PER_KEPT_VALUE: u64 = 16;

/// What a category takes in a dictionary, unless it is a long text.
pub(super) const BYTES_PER_CATEGORY: usize = 96;

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

/// Refuses what a transform has gathered of the values of a column where it takes more than the step may use. How many
/// different values there are is not known before.
pub(super) fn refuse_beyond(
    limit: Option<u64>,
    (key, column): (&str, &str),
    values: usize,
    bytes_per_value: usize,
) -> Result<(), TransformError> {
    let bytes = values as u64 * bytes_per_value as u64;
    let Some(limit) = limit.filter(|limit| bytes > *limit) else { return Ok(()) };
    let message = format!(
        "`{key}` keeps {} of the {values} different values of column `{column}` that it has seen so far, and the step may use {}",
        size(bytes),
        size(limit)
    );
    Err(TransformError::input("memory", message).help(format!(
        "raise `resources.memory` of the step, join rare values with `rare_label` before, or put `{column}` under `drop` if it names a row"
    )))
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
    /// and is refused where it exceeds the step's memory. What grows with the different values of a column is refused
    /// as it comes, by [`refuse_beyond`].
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
