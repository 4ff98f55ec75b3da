//! `binary`: the digits of a category's number.

use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::infrequent::Counting;
use crate::ml::transform::TransformError;
use crate::ml::transform::category::{Dictionary, UNKNOWN};
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{need_categories, unseen};
use crate::ml::transform::plan::{Columns, Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;

/// What becomes of a value that the fit table does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BinaryUnknown")]
pub(in crate::ml::transform) enum HandleUnknown {
    /// All digits are 0.
    #[default]
    Zero,
    /// The table or request is refused.
    Error,
}

/// Numbers the categories from 1 in the order of their first rows, the missing value last, and gives a 0/1 column `NAME_0`, `NAME_1`, ... for
/// each binary digit, the greatest first (category_encoders' `BinaryEncoder`). A missing value is a category of its own
/// if the fit table has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Binary")]
pub(in crate::ml::transform) struct Params {
    /// What becomes of a value that the fit table does not have.
    #[serde(default)]
    handle_unknown: HandleUnknown,
}

impl Transform for Params {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{binary: {}, columns: [town]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_categories("binary", name, column)?;
        let learner = Listing { handle_unknown: self.handle_unknown, counting: Counting::of("binary", name) };
        Ok(Plan::Learn(Box::new(learner), Promise::open(Kind::Encoded)))
    }
}

struct Listing {
    handle_unknown: HandleUnknown,
    counting: Counting,
}

impl Learner for Listing {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.counting.learn(frame)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, categories) = self.counting.by_first_row();
        let digits = usize::BITS - categories.len().leading_zeros();
        let columns = (0..digits).map(|digit| format!("{column}_{digit}")).collect();
        Ok(Unit::Binary(Binary {
            column,
            categories,
            columns,
            refuses_unknown: self.handle_unknown == HandleUnknown::Error,
        }))
    }
}

/// The fitted digits of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Binary {
    column: String,
    categories: Dictionary,
    columns: Vec<String>,
    refuses_unknown: bool,
}

impl Fitted for Binary {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = &frame.column(&self.column)?.array;
        let codes = self.categories.codes(array);
        if self.refuses_unknown
            && let Some(row) = codes.iter().position(|code| *code == UNKNOWN)
        {
            return Err(unseen(&self.column, array, row, "set `handle_unknown: zero` in `binary`"));
        }
        let columns = self.columns.iter().enumerate().map(|(place, name)| {
            let shift = self.columns.len() - 1 - place;
            // The number of an unknown value is 0.
            let digits = codes.iter().map(|code| f64::from((code.wrapping_add(1) >> shift) & 1));
            (name.clone(), Column::encoded(Arc::new(Float64Array::from_iter_values(digits))))
        });
        let columns: Vec<(String, Column)> = columns.collect();
        frame.replace(&self.column, columns);
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
