//! Two parts of a table, by a column or by the order of the rows.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::quantile::quantile;
use crate::ml::transform::column::numbers;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::plan::Planning;
use crate::ml::transform::{ColumnType, TransformError};

/// Where the first part ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum CutOff {
    /// At this value.
    One(Value),
    /// It has these values and no others.
    Many(Vec<Value>),
}

/// A value of the splitting column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "CutOffValue")]
pub(super) enum Value {
    /// A number.
    Number(f64),
    /// A text, a date or a timestamp.
    Text(String),
}

/// The column that splits, with its values.
pub(super) struct Parts {
    column: Option<String>,
    column_type: ColumnType,
    values: Values,
}

/// Values that have an order.
enum Values {
    Numbers(Vec<f64>),
    Moments(Vec<i64>),
    Texts(Vec<String>),
}

impl Parts {
    /// By `column`, or by the order of the rows.
    pub(super) fn new(column: Option<&str>, planning: &Planning<'_>) -> Result<Parts, TransformError> {
        let column_type = match column {
            Some(name) => planning.frame.column(name)?.column_type(),
            None => ColumnType::Float,
        };
        let values = match column_type {
            ColumnType::Int | ColumnType::Float | ColumnType::Bool => Values::Numbers(Vec::new()),
            ColumnType::Date | ColumnType::Timestamp => Values::Moments(Vec::new()),
            ColumnType::Text => Values::Texts(Vec::new()),
        };
        Ok(Parts { column: column.map(str::to_owned), column_type, values })
    }

    /// The column that splits.
    pub(super) fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// Takes in the next rows.
    pub(super) fn learn(&mut self, frame: &Frame) -> Result<(), TransformError> {
        let Some(name) = &self.column else { return Ok(()) };
        let array = &frame.column(name)?.array;
        if array.null_count() > 0 {
            let message = format!("column `{name}` splits the rows and is null in some of them");
            return Err(TransformError::input("missing_values", message)
                .help("leave these rows out before, or take another `split_col`"));
        }
        match &mut self.values {
            Values::Numbers(values) => values.extend(numbers(array)?.values()),
            Values::Moments(values) => values.extend(moments(array)?),
            Values::Texts(values) => values.extend(array.as_string::<i32>().iter().flatten().map(str::to_owned)),
        }
        Ok(())
    }

    /// Whether each row is in the first part.
    pub(super) fn split(
        mut self,
        rows: usize,
        share: f64,
        distinct: bool,
        cut_off: Option<&CutOff>,
    ) -> Result<Vec<bool>, TransformError> {
        if self.column.is_none() {
            self.values = Values::Numbers((0..rows).map(|row| row as f64).collect());
        }
        Ok(match &self.values {
            Values::Numbers(values) => {
                let given = self.given(cut_off, |value| match value {
                    Value::Number(number) => Some(*number),
                    Value::Text(_) => None,
                })?;
                split(values, given, distinct, |sorted| quantile(sorted, share), f64::total_cmp)
            }
            Values::Moments(values) => {
                let given = self.given(cut_off, |value| match value {
                    Value::Text(text) => self.moment(text),
                    Value::Number(_) => None,
                })?;
                split(values, given, distinct, |sorted| nearest(sorted, share), Ord::cmp)
            }
            Values::Texts(values) => {
                let given = self.given(cut_off, |value| match value {
                    Value::Text(text) => Some(text.clone()),
                    Value::Number(_) => None,
                })?;
                split(values, given, distinct, |sorted| nearest(sorted, share), Ord::cmp)
            }
        })
    }

    /// The cut-off in the type of the column.
    fn given<T>(
        &self,
        cut_off: Option<&CutOff>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<Given<T>>, TransformError> {
        let read = |value: &Value| {
            read(value).ok_or_else(|| {
                let what = match value {
                    Value::Number(number) => number.to_string(),
                    Value::Text(text) => format!("`{text}`"),
                };
                let column = self.column().unwrap_or("the number of the row");
                let message = format!("`cut_off` has {what}, but `{column}` holds {}", self.column_type.describe());
                TransformError::input("column_type", message).help("dates are written like `2024-01-31`")
            })
        };
        Ok(match cut_off {
            None => None,
            Some(CutOff::One(value)) => Some(Given::Last(read(value)?)),
            Some(CutOff::Many(values)) => Some(Given::These(values.iter().map(read).collect::<Result<_, _>>()?)),
        })
    }

    fn moment(&self, text: &str) -> Option<i64> {
        let array = StringArray::from(vec![text]);
        let cast = arrow::compute::cast(&array, &self.column_type.arrow()).ok()?;
        if cast.is_null(0) { None } else { moments(&cast).ok()?.first().copied() }
    }
}

enum Given<T> {
    Last(T),
    These(Vec<T>),
}

fn split<T: Clone>(
    values: &[T],
    given: Option<Given<T>>,
    distinct: bool,
    find: impl Fn(&[T]) -> T,
    order: impl Fn(&T, &T) -> std::cmp::Ordering + Copy,
) -> Vec<bool> {
    let last = match given {
        Some(Given::These(these)) => {
            let is_one = |value: &T| these.iter().any(|one| order(value, one).is_eq());
            return values.iter().map(is_one).collect();
        }
        Some(Given::Last(last)) => last,
        None if values.is_empty() => return Vec::new(),
        None => {
            let mut sorted = values.to_vec();
            sorted.sort_unstable_by(order);
            if distinct {
                sorted.dedup_by(|one, other| order(one, other).is_eq());
            }
            find(&sorted)
        }
    };
    values.iter().map(|value| order(value, &last).is_le()).collect()
}

/// The value up to which the share of sorted values is nearest to `share`.
fn nearest<T: Ord + Clone>(sorted: &[T], share: f64) -> T {
    let mut best = (f64::INFINITY, &sorted[0]);
    for (place, value) in sorted.iter().enumerate() {
        if sorted.get(place + 1).is_some_and(|next| next == value) {
            continue;
        }
        let distance = ((place + 1) as f64 / sorted.len() as f64 - share).abs();
        if distance < best.0 {
            best = (distance, value);
        }
    }
    best.1.clone()
}

fn moments(array: &ArrayRef) -> Result<Vec<i64>, TransformError> {
    let whole = match array.data_type() {
        DataType::Date32 => arrow::compute::cast(&arrow::compute::cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => arrow::compute::cast(array, &DataType::Int64)?,
    };
    Ok(whole.as_primitive::<Int64Type>().values().to_vec())
}
