//! What a row must fulfil: kernels over whole batches that give true, false, or null where there is nothing to look at.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::boolean::{is_not_null, is_null};
use arrow::compute::kernels::cmp;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use regex::Regex;

use super::expectation::IgnoreRowIf;
use crate::expr::Expr;
use crate::table::cast;
use crate::table::keys::{KeySet, Keys};

/// A condition on rows and the columns whose values it looks at.
pub(super) struct RowTest {
    pub(super) columns: Vec<Expr>,
    pub(super) condition: Condition,
}

/// A condition on the values of one row.
pub(super) enum Condition {
    Present,
    Missing,
    Within(Limits),
    InSet { keys: KeySet<u128>, kind: DataType, wanted: bool },
    Matches { pattern: Regex, wanted: bool },
    Length(Range<i64>),
    Ordered { descending: bool, strict: bool, last: Option<Last> },
    Pair { comparison: Comparison, ignore: IgnoreRowIf },
    Holds(Expr),
}

/// How two columns are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Greater,
    GreaterOrEqual,
    Equal,
}

/// The last value of the batch before.
pub(super) enum Last {
    Whole(i64),
    Real(f64),
    Text(String),
}

/// Bounds, each with whether the bound itself is refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range<T> {
    pub(super) min: Option<(T, bool)>,
    pub(super) max: Option<(T, bool)>,
}

impl<T: PartialOrd> Range<T> {
    pub(super) fn contains(&self, value: &T) -> bool {
        self.min.as_ref().is_none_or(|(min, strict)| value > min || (!strict && value == min))
            && self.max.as_ref().is_none_or(|(max, strict)| value < max || (!strict && value == max))
    }
}

/// Bounds in the type in which they are compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Limits {
    Whole(Range<i64>),
    Real(Range<f64>),
    Text(Range<String>),
    /// Microseconds since 1970.
    Time(Range<i64>),
}

impl RowTest {
    /// The values looked at, and for each row whether it passes.
    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<(Vec<ArrayRef>, BooleanArray), String> {
        let values: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|column| column.eval_column(batch).map_err(|error| error.message))
            .collect::<Result<_, _>>()?;
        let passes = match &mut self.condition {
            Condition::Holds(expr) => {
                let holds = expr.eval_column(batch).map_err(|error| error.message)?;
                cast(&holds, &DataType::Boolean).as_boolean().clone()
            }
            condition => condition.test(&values),
        };
        Ok((values, passes))
    }
}

impl Condition {
    fn test(&mut self, values: &[ArrayRef]) -> BooleanArray {
        let value = &values[0];
        match self {
            Condition::Present => is_not_null(value.as_ref()).expect("every array knows its nulls"),
            Condition::Missing => is_null(value.as_ref()).expect("every array knows its nulls"),
            Condition::Within(limits) => within(limits, value),
            Condition::InSet { keys, kind, wanted } => {
                let value = cast(value, kind);
                let row_keys = Keys::of(&value);
                let found = |row: usize| value.is_valid(row).then(|| keys.contains(&row_keys.at(row)) == *wanted);
                (0..value.len()).map(found).collect()
            }
            Condition::Matches { pattern, wanted } => {
                let texts = value.as_string::<i32>();
                texts.iter().map(|text| text.map(|text| pattern.is_match(text) == *wanted)).collect()
            }
            Condition::Length(range) => {
                let characters = |text: &str| i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
                let texts = value.as_string::<i32>();
                texts.iter().map(|text| text.map(|text| range.contains(&characters(text)))).collect()
            }
            Condition::Ordered { descending, strict, last } => ordered(value, *descending, *strict, last),
            Condition::Pair { comparison, ignore } => pair(value, &values[1], *comparison, *ignore),
            Condition::Holds(_) => unreachable!("expressions are evaluated over the batch"),
        }
    }
}

fn within(limits: &Limits, value: &ArrayRef) -> BooleanArray {
    match limits {
        Limits::Whole(range) => {
            BooleanArray::from_unary(value.as_primitive::<Int64Type>(), |value| range.contains(&value))
        }
        Limits::Real(range) => {
            let value = cast(value, &DataType::Float64);
            BooleanArray::from_unary(value.as_primitive::<Float64Type>(), |value| range.contains(&value))
        }
        Limits::Time(range) => {
            let value = cast(value, &crate::table::MICROSECONDS);
            BooleanArray::from_unary(value.as_primitive::<TimestampMicrosecondType>(), |value| range.contains(&value))
        }
        Limits::Text(range) => {
            let below = |text: &str| {
                range.min.as_ref().is_none_or(|(min, strict)| text > min.as_str() || (!strict && text == min))
                    && range.max.as_ref().is_none_or(|(max, strict)| text < max.as_str() || (!strict && text == max))
            };
            value.as_string::<i32>().iter().map(|text| text.map(below)).collect()
        }
    }
}

/// Compares each value with the one before it; missing values are stepped over.
fn ordered(value: &ArrayRef, descending: bool, strict: bool, last: &mut Option<Last>) -> BooleanArray {
    fn steps<T: PartialOrd + Copy>(
        values: impl Iterator<Item = Option<T>>,
        mut last: Option<T>,
        follows: impl Fn(T, T) -> bool,
    ) -> (BooleanArray, Option<T>) {
        let passes = values
            .map(|value| {
                let value = value?;
                let passes = last.is_none_or(|last| follows(last, value));
                last = Some(value);
                Some(passes)
            })
            .collect();
        (passes, last)
    }
    // A macro, since a closure has one type and this compares numbers and texts.
    macro_rules! follows {
        () => {
            |last, value| {
                let (low, high) = if descending { (value, last) } else { (last, value) };
                low < high || (!strict && low <= high)
            }
        };
    }
    match value.data_type() {
        DataType::Float64 => {
            let before = if let Some(Last::Real(value)) = last { Some(*value) } else { None };
            let (passes, after) = steps(value.as_primitive::<Float64Type>().iter(), before, follows!());
            *last = after.map(Last::Real);
            passes
        }
        DataType::Utf8 => {
            let before = if let Some(Last::Text(value)) = last.take() { Some(value) } else { None };
            let (passes, after) = steps(value.as_string::<i32>().iter(), before.as_deref(), follows!());
            *last = after.map(|value| Last::Text(value.to_owned()));
            passes
        }
        kind => {
            let before = if let Some(Last::Whole(value)) = last { Some(*value) } else { None };
            let (passes, after) = match kind {
                DataType::Date32 => {
                    let days = value.as_primitive::<Date32Type>().iter().map(|day| day.map(i64::from));
                    steps(days, before, follows!())
                }
                DataType::Timestamp(..) => {
                    steps(value.as_primitive::<TimestampMicrosecondType>().iter(), before, follows!())
                }
                DataType::Boolean => {
                    steps(value.as_boolean().iter().map(|flag| flag.map(i64::from)), before, follows!())
                }
                _ => steps(value.as_primitive::<Int64Type>().iter(), before, follows!()),
            };
            *last = after.map(Last::Whole);
            passes
        }
    }
}

fn pair(left: &ArrayRef, right: &ArrayRef, comparison: Comparison, ignore: IgnoreRowIf) -> BooleanArray {
    let kernel = match comparison {
        Comparison::Greater => cmp::gt,
        Comparison::GreaterOrEqual => cmp::gt_eq,
        Comparison::Equal => cmp::eq,
    };
    let compared = kernel(left, right).expect("both columns were prepared in one type");
    if ignore == IgnoreRowIf::EitherValueIsMissing || compared.null_count() == 0 {
        return compared;
    }
    (0..compared.len())
        .map(|row| {
            let both_missing = left.is_null(row) && right.is_null(row);
            let ignored = both_missing && ignore == IgnoreRowIf::BothValuesAreMissing;
            (!ignored).then(|| compared.is_valid(row) && compared.value(row))
        })
        .collect()
}
