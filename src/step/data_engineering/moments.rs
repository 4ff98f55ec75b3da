//! The column that says when a row was: its values as numbers that grow with time.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, TimestampMicrosecondType};

use crate::step::understanding::csv::value;
use crate::step::{StepContext, StepError};
use crate::table::{TableReader, canonical, cast};

const MICROSECONDS_OF_A_DAY: f64 = 86_400e6;

/// When something was that only a day is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    /// As the day began.
    Begins,
    /// In its last microsecond: by then it is known, whenever in the day it was.
    Ends,
}

impl Day {
    /// What is added to the day's beginning.
    fn later(self) -> f64 {
        if self == Day::Ends { MICROSECONDS_OF_A_DAY - 1.0 } else { 0.0 }
    }
}

/// The time of every row on one scale, and whether that scale is time.
pub(super) fn of(
    table: &TableReader,
    name: &str,
    day: Day,
    context: &StepContext,
) -> Result<(Vec<f64>, bool), StepError> {
    let mut keys = Vec::with_capacity(usize::try_from(table.rows()).unwrap_or(0));
    let mut is_time = true;
    for batch in table.select(&[name])? {
        context.check_cancelled()?;
        let batch = batch?;
        let column = batch.column(0);
        let Some(canonical) = canonical(column) else { return Err(wrong_type(name, column)) };
        // What is no number or beyond the times that there are has become null.
        if let Some(row) = first_null(&canonical) {
            let is_missing = column.logical_nulls().is_some_and(|nulls| nulls.is_null(row));
            let has = if is_missing { "no value" } else { "a value that has no place in time" };
            let message = format!("row {} has {has} in column `{name}`", keys.len() + row + 1);
            return Err(StepError::input("time_missing", message).help("filter such rows out before"));
        }
        match canonical.data_type() {
            DataType::Date32 => {
                let days = canonical.as_primitive::<Date32Type>().values();
                keys.extend(days.iter().map(|days| f64::from(*days) * MICROSECONDS_OF_A_DAY + day.later()));
            }
            DataType::Timestamp(..) => {
                let moments = canonical.as_primitive::<TimestampMicrosecondType>().values();
                keys.extend(moments.iter().map(|moment| *moment as f64));
            }
            DataType::Int64 | DataType::Float64 => {
                is_time = false;
                keys.extend(cast(&canonical, &DataType::Float64).as_primitive::<Float64Type>().values());
            }
            DataType::Utf8 => {
                for text in canonical.as_string::<i32>().iter().flatten() {
                    let moment = value::timestamp(text.as_bytes()).ok_or_else(|| {
                        let row = keys.len() + 1;
                        StepError::input(
                            "time_value",
                            format!("row {row} holds `{text}` in column `{name}`, which is no time"),
                        )
                        .help("write times like 2026-02-28 or 2026-02-28 12:00:00")
                    })?;
                    let later = if value::date(text.as_bytes()).is_some() { day.later() } else { 0.0 };
                    keys.push(moment.0 as f64 + later);
                }
            }
            _ => return Err(wrong_type(name, column)),
        }
    }
    Ok((keys, is_time))
}

fn first_null(array: &ArrayRef) -> Option<usize> {
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0)?;
    (0..array.len()).find(|row| nulls.is_null(*row))
}

fn wrong_type(name: &str, column: &ArrayRef) -> StepError {
    let message = format!("column `{name}` of type {} cannot order rows", column.data_type());
    StepError::input("time_type", message).help("take a column of dates, numbers or texts such as 2026-02-28")
}
