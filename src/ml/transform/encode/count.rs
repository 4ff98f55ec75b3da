//! `count`: how many rows of the fit table a category has.

use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::infrequent::Counting;
use crate::ml::transform::TransformError;
use crate::ml::transform::category::{Dictionary, UNKNOWN};
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{need_categories, unseen};
use crate::ml::transform::plan::{Columns, Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;

/// What becomes of a value that the fit table does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CountUnknown")]
pub(in crate::ml::transform) enum HandleUnknown {
    /// It counts as 0 rows.
    #[default]
    Zero,
    /// It is missing.
    Missing,
    /// The table or request is refused.
    Error,
}

/// Replaces each category by the number of rows that have it (category_encoders' `CountEncoder`, feature-engine's
/// `CountFrequencyEncoder`). A missing value is a category of its own if the fit table has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Count")]
pub(in crate::ml::transform) struct Params {
    /// Whether to give the share of the rows instead of their number.
    #[serde(default)]
    normalize: bool,
    /// What becomes of a value that the fit table does not have.
    #[serde(default)]
    handle_unknown: HandleUnknown,
}

impl Transform for Params {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{count: {normalize: true}, columns: [town]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_categories("count", name, column)?;
        let learner = Counts { params: self.clone(), counting: Counting::of("count", name) };
        Ok(Plan::Learn(Box::new(learner), Promise::numbers()))
    }
}

struct Counts {
    params: Params,
    counting: Counting,
}

impl Learner for Counts {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.counting.learn(frame)
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, categories, counts) = self.counting.sorted();
        let rows = counts.iter().sum::<u64>() as f64;
        let divisor = if self.params.normalize { rows } else { 1.0 };
        let counts = counts.into_iter().map(|count| count as f64 / divisor).collect();
        Ok(Unit::Count(Count { column, categories, counts, handle_unknown: self.params.handle_unknown }))
    }
}

/// The fitted counts of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Count {
    column: String,
    categories: Dictionary,
    counts: Vec<f64>,
    handle_unknown: HandleUnknown,
}

impl Fitted for Count {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = &frame.column(&self.column)?.array;
        let codes = self.categories.codes(array);
        if self.handle_unknown == HandleUnknown::Error
            && let Some(row) = codes.iter().position(|code| *code == UNKNOWN)
        {
            return Err(unseen(&self.column, array, row, "set `handle_unknown: zero` or `missing` in `count`"));
        }
        let unknown = (self.handle_unknown != HandleUnknown::Missing).then_some(0.0);
        let counts = codes.into_iter().map(|code| self.counts.get(code as usize).copied().or(unknown));
        let counts: Float64Array = counts.collect();
        frame.set(&self.column, Column::number(Arc::new(counts)));
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
