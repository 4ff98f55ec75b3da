//! One check on its way through the table: prepared, fed with batches, and at the end a verdict.

use arrow::array::{AsArray, UInt64Array};
use arrow::compute::{filter, filter_record_batch};
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value};

use super::aggregate::Aggregate;
use super::expectation::Expectation;
use super::row_check::RowCheck;
use super::unique::UniqueCheck;
use crate::expr::Expr;

/// A check with what it has measured so far.
pub(super) struct Check {
    pub(super) id: String,
    pub(super) expectation: Expectation,
    filter: Option<Expr>,
    pub(super) state: State,
}

/// What a check measures.
pub(super) enum State {
    /// Each row by itself.
    Rows(RowCheck),
    /// Each row against all others.
    Unique(UniqueCheck),
    /// The column or table as a whole.
    Aggregate(Aggregate),
    /// Known without looking at rows.
    Known(Outcome),
    /// The check could not be carried out, for the reason said; that counts as a failure.
    Raised(String),
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) success: bool,
    /// Whether it succeeded for want of anything to look at.
    pub(super) vacuous: bool,
    /// The result under Great Expectations' keys.
    pub(super) result: Map<String, Value>,
}

/// The rows of a batch that a check looks at: a part of the table, with the place of each row in it.
pub(super) struct Part {
    pub(super) batch: RecordBatch,
    /// The number of the first row, if all rows of the batch are looked at; else the number of each.
    numbers: Numbers,
}

enum Numbers {
    From(u64),
    Each(UInt64Array),
}

impl Part {
    /// The number in the table, counted from 0, of a row of the part.
    pub(super) fn row(&self, index: usize) -> u64 {
        match &self.numbers {
            Numbers::From(first) => first + index as u64,
            Numbers::Each(numbers) => numbers.value(index),
        }
    }
}

impl Check {
    pub(super) fn new(id: String, expectation: Expectation, filter: Option<Expr>, state: State) -> Check {
        Check { id, expectation, filter, state }
    }

    /// Whether rows have to be read for it.
    pub(super) fn reads_rows(&self) -> bool {
        matches!(self.state, State::Rows(_) | State::Unique(_) | State::Aggregate(_))
    }

    /// Takes a batch in, whose first row is row `first` of the table.
    pub(super) fn batch(&mut self, batch: &RecordBatch, first: u64) {
        if !self.reads_rows() {
            return;
        }
        let part = match self.part(batch, first) {
            Ok(part) => part,
            Err(reason) => {
                self.state = State::Raised(reason);
                return;
            }
        };
        let fed = match &mut self.state {
            State::Rows(check) => check.batch(&part),
            State::Unique(check) => check.batch(&part),
            State::Aggregate(check) => check.batch(&part),
            State::Known(_) | State::Raised(_) => Ok(()),
        };
        if let Err(reason) = fed {
            self.state = State::Raised(reason);
        }
    }

    /// The rows of `batch` that the check looks at.
    pub(super) fn part(&self, batch: &RecordBatch, first: u64) -> Result<Part, String> {
        let Some(condition) = &self.filter else {
            return Ok(Part { batch: batch.clone(), numbers: Numbers::From(first) });
        };
        let mask = condition.eval_column(batch).map_err(|error| error.message)?;
        let mask = mask.as_boolean_opt().ok_or("`where` is neither true nor false")?;
        let rows = UInt64Array::from_iter_values(first..first + batch.num_rows() as u64);
        let rows = filter(&rows, mask).map_err(|error| error.to_string())?;
        let kept = filter_record_batch(batch, mask).map_err(|error| error.to_string())?;
        Ok(Part { batch: kept, numbers: Numbers::Each(rows.as_primitive().clone()) })
    }

    /// What the check found, when all rows have passed. Unique checks with failures need a second pass before.
    pub(super) fn outcome(&self) -> Result<Outcome, String> {
        let mostly = self.expectation.mostly.unwrap_or(1.0);
        match &self.state {
            State::Rows(check) => Ok(check.outcome(mostly)),
            State::Unique(check) => Ok(check.outcome(mostly)),
            State::Aggregate(check) => check.outcome(&self.expectation),
            State::Known(outcome) => Ok(outcome.clone()),
            State::Raised(reason) => Err(reason.clone()),
        }
    }
}
