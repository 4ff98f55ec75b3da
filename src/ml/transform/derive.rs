//! `derive`: a column from an expression over the columns there are.

use serde::{Deserialize, Serialize};

use super::TransformError;
use super::column::canonical;
use super::frame::{Column, Frame, Kind};
use crate::expr::Expr;
use crate::ml::transform::ColumnType;

/// A derived column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Derive {
    pub(super) column: String,
    expression: Formula,
    /// The columns that the expression reads.
    pub(super) reads: Vec<String>,
}

/// An expression that is text in JSON and parsed in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Formula(Expr);

impl TryFrom<String> for Formula {
    type Error = String;

    fn try_from(text: String) -> Result<Formula, String> {
        Expr::parse(&text).map(Formula).map_err(|error| error.to_string())
    }
}

impl From<Formula> for String {
    fn from(formula: Formula) -> String {
        formula.0.text().to_owned()
    }
}

impl Derive {
    /// The column called `column` from `expression`; types are checked when it is first applied.
    pub(super) fn new(column: &str, expression: &str) -> Result<Derive, TransformError> {
        let expression = Expr::parse(expression).map_err(|error| failed(column, expression, &error.to_string()))?;
        let reads = expression.paths().into_iter().map(|path| path.join(".")).collect();
        Ok(Derive { column: column.to_owned(), expression: Formula(expression), reads })
    }

    pub(super) fn apply(&self, frame: &mut Frame) -> Result<(), TransformError> {
        let batch = frame.batch()?;
        let expression = &self.expression.0;
        let data_type = expression
            .column_type(batch.schema_ref())
            .map_err(|error| failed(&self.column, expression.text(), &error.to_string()))?;
        let array = expression
            .eval_column(&batch)
            .map_err(|error| failed(&self.column, expression.text(), &error.to_string()))?;
        let Some(column_type) = ColumnType::of(&data_type) else {
            return Err(failed(&self.column, expression.text(), &format!("it gives {data_type}, which is no column")));
        };
        let array = canonical(&self.column, &array, column_type)?;
        frame.set(&self.column, Column { array, kind: Kind::of(column_type), categories: None });
        Ok(())
    }
}

fn failed(column: &str, expression: &str, reason: &str) -> TransformError {
    TransformError::input(
        "expression",
        format!("the column `{column}` cannot be derived from `{expression}`: {reason}"),
    )
}
