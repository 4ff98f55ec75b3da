//! Checks of whole columns: something is measured over all rows and compared with what is expected.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef};
use serde_json::{Value, json};

use super::check::{Outcome, Part};
use super::column::Column;
use super::expectation::Expectation;
use crate::table::not_finite;

/// How many values keep quantiles exact: 32 MiB.
pub(super) const EXACT_QUANTILES: usize = 4 << 20;

/// Something that is measured over all rows.
pub(super) trait Summary: Send {
    /// Takes the values of a batch in, column by column.
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String>;

    /// Whether what was measured is as expected.
    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String>;
}

/// How many rows a summary has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    pub(super) rows: u64,
    /// Rows without a value in the first column.
    pub(super) missing: u64,
}

impl Seen {
    /// Rows with a value in the first column.
    pub(super) fn present(self) -> u64 {
        self.rows - self.missing
    }
}

/// A summary with the columns that it is fed with.
pub(super) struct Summarised {
    columns: Vec<Column>,
    seen: Seen,
    summary: Box<dyn Summary>,
}

impl Summarised {
    pub(super) fn new(columns: Vec<Column>, summary: Box<dyn Summary>) -> Summarised {
        Summarised { columns, seen: Seen::default(), summary }
    }

    /// The same columns, fed to what `around` makes of the summary.
    pub(super) fn wrap(self, around: impl FnOnce(Box<dyn Summary>) -> Box<dyn Summary>) -> Summarised {
        Summarised { summary: around(self.summary), ..self }
    }

    pub(super) fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    pub(super) fn batch(&mut self, part: &Part) -> Result<(), String> {
        let values: Vec<ArrayRef> =
            self.columns.iter().map(|column| column.read(&part.batch)).collect::<Result<_, _>>()?;
        self.seen.rows += part.batch.num_rows() as u64;
        self.seen.missing += values.first().map_or(0, |first| first.logical_null_count() as u64);
        self.summary.take(&values)
    }

    pub(super) fn outcome(&self, expectation: &Expectation) -> Result<Outcome, String> {
        self.summary.outcome(self.seen, expectation)
    }
}

/// One measured value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Observed {
    /// There was nothing to measure.
    Nothing,
    Count(u64),
    Number(f64),
    Text(String),
    /// A date or timestamp as ISO text.
    Moment(String),
}

impl Observed {
    /// A number, or nothing.
    pub(super) fn number(number: Option<f64>) -> Observed {
        number.filter(|number| !number.is_nan()).map_or(Observed::Nothing, Observed::Number)
    }

    /// A part of a whole, or nothing if there is no whole.
    pub(super) fn share(part: u64, whole: u64) -> Observed {
        if whole == 0 { Observed::Nothing } else { Observed::Number(part as f64 / whole as f64) }
    }

    /// As it stands in the report.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Observed::Nothing => Value::Null,
            Observed::Count(count) => json!(count),
            Observed::Number(number) if number.is_finite() => json!(number),
            Observed::Number(number) => json!(not_finite(*number)),
            Observed::Text(text) | Observed::Moment(text) => json!(text),
        }
    }

    /// The verdict: whether it is `equals`, or lies between `min` and `max`. Nothing does not.
    pub(super) fn judge(&self, expectation: &Expectation) -> Result<Outcome, String> {
        Ok(Outcome::observed(self.lies_between(expectation)?, self.to_json()))
    }

    fn lies_between(&self, expectation: &Expectation) -> Result<bool, String> {
        if *self == Observed::Nothing {
            return Ok(false);
        }
        if let Some(equals) = expectation.equals {
            return Ok(*self == Observed::Count(equals));
        }
        let bound = |bound: &Option<Value>, strict: Option<bool>, wanted: Ordering| match bound {
            None => Ok::<bool, String>(true),
            Some(bound) => {
                let order = self.compare(bound)?;
                Ok(order == Some(wanted) || (order == Some(Ordering::Equal) && !strict.unwrap_or(false)))
            }
        };
        Ok(bound(&expectation.min, expectation.strict_min, Ordering::Greater)?
            && bound(&expectation.max, expectation.strict_max, Ordering::Less)?)
    }

    fn compare(&self, bound: &Value) -> Result<Option<Ordering>, String> {
        match (self, bound.as_f64(), bound.as_str()) {
            (Observed::Count(count), Some(bound), _) => Ok((*count as f64).partial_cmp(&bound)),
            (Observed::Number(number), Some(bound), _) => Ok(number.partial_cmp(&bound)),
            (Observed::Text(text), _, Some(bound)) => Ok(Some(text.as_str().cmp(bound))),
            // ISO dates and timestamps of one kind are in the order of their text.
            (Observed::Moment(text), _, Some(bound)) => Ok(Some(text.as_str().cmp(&bound.replace(' ', "T")))),
            _ => Err(format!("the measured value {} cannot be compared with {bound}", self.to_json())),
        }
    }
}
