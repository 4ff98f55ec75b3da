//! `log1p`: the natural logarithm of one more than the value.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::{map_present, numbers};
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;

/// Takes `ln(1 + x)`, for amounts with a long tail. Values of -1 or less are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Log1p")]
pub(in crate::ml::transform) struct Params {}

/// `ln(1 + x)` of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Log1p {
    column: String,
}

impl Transform for Params {
    const EXAMPLE: &'static str = "{log1p: {}, columns: [amount]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("log1p", name, column)?;
        Ok(Plan::Ready(Unit::Log1p(Log1p { column: name.to_owned() })))
    }
}

impl Fitted for Log1p {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
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
        let logs = map_present(&values, f64::ln_1p);
        frame.set(&self.column, Column::number(Arc::new(logs)));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
