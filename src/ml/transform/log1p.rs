//! `log1p`: the natural logarithm of one more than the value.

use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TransformError;
use super::column::numbers;
use super::frame::{Column, Frame};
use super::learn::Plan;
use super::unit::{Unit, need_numbers};

/// Takes `ln(1 + x)`, for amounts with a long tail. Values of -1 or less are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Log1p")]
pub(super) struct Params {}

/// `ln(1 + x)` of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Log1p {
    pub(super) column: String,
}

pub(super) fn plan(name: &str, column: &Column) -> Result<Plan, TransformError> {
    need_numbers("log1p", name, column)?;
    Ok(Plan::Ready(Unit::Log1p(Log1p { column: name.to_owned() })))
}

impl Log1p {
    pub(super) fn apply(&self, frame: &mut Frame) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        if let Some((row, value)) =
            values.iter().enumerate().find(|(_, value)| value.is_some_and(|value| value <= -1.0))
        {
            let message =
                format!("`log1p` of {} in column `{}`, row {row}, is undefined", value.unwrap_or(-1.0), self.column);
            return Err(
                TransformError::input("domain", message).help("`winsorize` or `derive` the column into range before")
            );
        }
        let logs: Float64Array = values.unary(f64::ln_1p);
        frame.set(&self.column, Column::number(Arc::new(logs)));
        Ok(())
    }
}
