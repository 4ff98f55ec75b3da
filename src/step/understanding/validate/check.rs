//! One check on its way through the table: prepared, fed with batches, and at the end a verdict.

use arrow::array::{Array, AsArray, BooleanArray, UInt64Array};
use arrow::compute::{filter, filter_record_batch};
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value};

use super::column::Column;
use super::expectation::{Consequence, Expectation};
use super::outliers::OutlierCheck;
use super::row_check::{RowCheck, Tally};
use super::summary::{Summarised, Summary};
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
    /// Each row against where most of the others lie.
    Outliers(OutlierCheck),
    /// Columns or the table as a whole.
    Whole(Summarised),
    /// Known without looking at rows.
    Known(Outcome),
    /// The check could not be carried out, for the reason said; that counts as a failure.
    Raised(String),
}

impl State {
    /// A check of whole columns by `summary`.
    pub(super) fn of_columns(columns: Vec<Column>, summary: impl Summary + 'static) -> State {
        State::Whole(Summarised::new(columns, Box::new(summary)))
    }
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

impl Outcome {
    /// A verdict over one observed value.
    pub(super) fn observed(success: bool, observed: Value) -> Outcome {
        Outcome { success, vacuous: false, result: Map::new() }.with("observed_value", observed)
    }

    /// The same outcome with a further key in its result.
    pub(super) fn with(mut self, key: &str, value: Value) -> Outcome {
        self.result.insert(key.to_owned(), value);
        self
    }
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
        matches!(self.state, State::Rows(_) | State::Unique(_) | State::Outliers(_) | State::Whole(_))
    }

    /// Whether it reads texts as well with their dictionary.
    pub(super) fn is_by_text(&self) -> bool {
        self.filter.is_none() && matches!(&self.state, State::Rows(check) if check.is_by_text())
    }

    /// The names of the columns that it reads.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.state {
            State::Rows(check) => check.columns(),
            State::Unique(check) => check.columns(),
            State::Outliers(check) => vec![check.column().to_owned()],
            State::Whole(check) => check.columns(),
            State::Known(_) | State::Raised(_) => return Vec::new(),
        };
        let conditions = self.filter.iter().flat_map(Expr::paths);
        names.extend(conditions.map(|path| path.join(".")));
        names
    }

    /// Takes a batch in, whose first row is row `first` of the table.
    pub(super) fn batch(&mut self, batch: &RecordBatch, first: u64) {
        if !self.reads_rows() {
            return;
        }
        let fed = self.part(batch, first).and_then(|part| match &mut self.state {
            State::Rows(check) => check.batch(&part).map(drop),
            State::Unique(check) => check.batch(&part),
            State::Outliers(check) => check.batch(&part),
            State::Whole(check) => check.batch(&part),
            State::Known(_) | State::Raised(_) => Ok(()),
        });
        if let Err(reason) = fed {
            self.state = State::Raised(reason);
        }
    }

    /// Counts what can only be counted when all rows have passed.
    pub(super) fn finish(&mut self) {
        match &mut self.state {
            State::Unique(unique) => unique.finish(),
            State::Outliers(outliers) => outliers.finish(),
            _ => {}
        }
    }

    /// Whether rows have to pass a second time, to know which of them fail.
    pub(super) fn looks_again(&self) -> bool {
        match &self.state {
            State::Outliers(_) => true,
            State::Unique(unique) => unique.tally.unexpected > 0,
            State::Rows(rows) => self.puts_aside() && rows.tally.unexpected > 0,
            _ => false,
        }
    }

    /// Whether the rows that fail are put aside.
    pub(super) fn puts_aside(&self) -> bool {
        self.expectation.on_fail == Some(Consequence::Quarantine)
    }

    /// Looks at a batch on the second pass; says for each row of the batch whether it fails.
    pub(super) fn again(&mut self, batch: &RecordBatch, first: u64) -> Option<BooleanArray> {
        let judged = self.part(batch, first).and_then(|part| {
            let passes = match &mut self.state {
                State::Rows(check) => check.again(&part),
                State::Unique(check) => check.again(&part),
                State::Outliers(check) => check.again(&part),
                _ => return Ok(None),
            }?;
            let mut fails = vec![false; batch.num_rows()];
            for row in 0..passes.len() {
                let place = usize::try_from(part.row(row) - first).expect("a row of the batch");
                fails[place] = passes.is_valid(row) && !passes.value(row);
            }
            Ok(Some(BooleanArray::from(fails)))
        });
        judged.unwrap_or_else(|reason| {
            self.state = State::Raised(reason);
            None
        })
    }

    /// The counts of rows, if it looks at rows one by one.
    pub(super) fn tally(&self) -> Option<&Tally> {
        match &self.state {
            State::Rows(check) => Some(&check.tally),
            State::Unique(check) => Some(&check.tally),
            State::Outliers(check) => Some(&check.tally),
            _ => None,
        }
    }

    /// The rows of `batch` that the check looks at.
    fn part(&self, batch: &RecordBatch, first: u64) -> Result<Part, String> {
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

    /// What the check found, when all rows have passed as often as it needs.
    pub(super) fn outcome(&self) -> Result<Outcome, String> {
        let mostly = self.expectation.mostly.unwrap_or(1.0);
        match &self.state {
            State::Rows(check) => Ok(check.tally.outcome(mostly)),
            State::Unique(check) => Ok(check.tally.outcome(mostly)),
            State::Outliers(check) => Ok(check.outcome(mostly)),
            State::Whole(check) => check.outcome(&self.expectation),
            State::Known(outcome) => Ok(outcome.clone()),
            State::Raised(reason) => Err(reason.clone()),
        }
    }
}
