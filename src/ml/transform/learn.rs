//! How a transform learns from the fit table: batch by batch, one column at a time.

use super::frame::{Column, Kind};
use super::unit::Unit;
use super::{ColumnType, TransformError};

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
}

/// Gathers what one transform needs to know of one column.
pub(super) trait Learner {
    /// Takes in the next rows.
    fn learn(&mut self, column: &Column, rows: &LearningRows<'_>) -> Result<(), TransformError>;
    /// The transform, when all rows were seen.
    fn finish(self: Box<Self>) -> Result<Unit, TransformError>;
    /// Whether it keeps every value, which bounds how many may learn in one pass.
    fn keeps_values(&self) -> bool {
        false
    }
}

/// What a transform that has not learnt yet will give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promise {
    /// The type and kind of the column of the same name; none if that column goes away.
    pub(super) same: Option<(ColumnType, Kind)>,
    /// Whether there may be further columns, all encoded, whose names are not known yet.
    pub(super) is_open: bool,
}

impl Promise {
    /// The same column as numbers.
    pub(super) const NUMBER: Promise = Promise { same: Some((ColumnType::Float, Kind::Number)), is_open: false };
    /// Encoded columns in the place of the column.
    pub(super) const OPEN: Promise = Promise { same: None, is_open: true };
}

/// What it takes to have a transform.
#[expect(clippy::large_enum_variant, reason = "a plan is taken apart as soon as it is made")]
pub(super) enum Plan {
    /// Nothing: it is fixed by its params.
    Ready(Unit),
    /// A pass over the fit table.
    Learn(Box<dyn Learner>, Promise),
}
