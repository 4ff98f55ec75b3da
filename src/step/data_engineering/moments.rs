//! The column that says when a row was: its values as numbers that grow with time.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};

use crate::step::understanding::csv::value;
use crate::step::{StepContext, StepError};
use crate::table::TableReader;

/// The time of every row on one scale, and whether that scale is time.
pub(super) fn of(table: &TableReader, name: &str, context: &StepContext) -> Result<(Vec<f64>, bool), StepError> {
    let mut keys = Vec::with_capacity(usize::try_from(table.rows()).unwrap_or(0));
    let mut is_time = true;
    for batch in table.select(&[name])? {
        context.check_cancelled()?;
        let column = Arc::clone(batch?.column(0));
        if column.null_count() > 0 {
            let row = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or(0) + keys.len() + 1;
            return Err(StepError::input("time_missing", format!("row {row} has no value in column `{name}`"))
                .help("filter such rows out before the split"));
        }
        match column.data_type() {
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
                let moments = cast(&column, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                keys.extend(moments.as_primitive::<TimestampMicrosecondType>().values().iter().map(|it| *it as f64));
            }
            kind if kind.is_numeric() => {
                is_time = false;
                keys.extend(cast(&column, &DataType::Float64)?.as_primitive::<Float64Type>().values());
            }
            DataType::Utf8 => {
                for text in column.as_string::<i32>().iter().flatten() {
                    let moment = value::timestamp(text.as_bytes()).ok_or_else(|| {
                        let row = keys.len() + 1;
                        StepError::input(
                            "time_value",
                            format!("row {row} holds `{text}` in column `{name}`, which is no time"),
                        )
                        .help("write times like 2026-02-28 or 2026-02-28 12:00:00")
                    })?;
                    keys.push(moment.0 as f64);
                }
            }
            other => {
                return Err(StepError::input(
                    "time_type",
                    format!("column `{name}` of type {other} cannot order rows"),
                ));
            }
        }
    }
    Ok((keys, is_time))
}
