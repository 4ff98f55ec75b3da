//! `missing_indicator`: says where values are missing.

use arrow::array::Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::simple::indicate;
use crate::ml::transform::TransformError;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::plan::{Columns, Plan, Planning, Promise, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// Adds a column `NAME_missing` for each selected column, which is 1 where the value is missing (feature-engine's
/// `AddMissingIndicator`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MissingIndicator")]
pub(in crate::ml::transform) struct Params {
    /// Whether only columns with missing values in the fit table get one.
    #[serde(default = "yes")]
    missing_only: bool,
}

fn yes() -> bool {
    true
}

impl Transform for Params {
    const COLUMNS: Columns = Columns::Selected("@all");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{missing_indicator: {missing_only: true}, columns: [amount, plan]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let columns = planning.columns.to_vec();
        if !self.missing_only {
            return Ok(Plan::Ready(Unit::MissingIndicator(Indicators::of(columns))));
        }
        let seen = vec![false; columns.len()];
        Ok(Plan::Learn(Box::new(Holes { columns, seen }), Promise::beside(Kind::Encoded)))
    }
}

struct Holes {
    columns: Vec<String>,
    seen: Vec<bool>,
}

impl Learner for Holes {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        for (name, seen) in self.columns.iter().zip(&mut self.seen) {
            *seen |= frame.column(name)?.array.null_count() > 0;
        }
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let columns = self.columns.into_iter().zip(self.seen).filter(|(_, seen)| *seen).map(|(name, _)| name);
        Ok(Unit::MissingIndicator(Indicators::of(columns.collect())))
    }
}

/// Columns whose missing values are told by others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Indicators {
    reads: Vec<String>,
    columns: Vec<String>,
}

impl Indicators {
    fn of(reads: Vec<String>) -> Indicators {
        let columns = reads.iter().map(|name| format!("{name}_missing")).collect();
        Indicators { reads, columns }
    }
}

impl Fitted for Indicators {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        for (read, name) in self.reads.iter().zip(&self.columns) {
            let indicator = indicate(&frame.column(read)?.array);
            frame.set(name, indicator);
        }
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<&str> {
        names(&self.reads)
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }

    fn fills(&self, column: &str) -> bool {
        self.outputs().contains(&column)
    }
}
