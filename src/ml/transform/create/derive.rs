//! `derive`: a column from an expression over the columns there are.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::expr::Expr;
use crate::ml::transform::column::canonical;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::plan::{Columns, Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::{ColumnType, TransformError};

/// Makes a column from an expression over the columns there are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Derive")]
pub(in crate::ml::transform) struct Params {
    /// The name of the new column.
    name: String,
    /// The expression, such as `total / (months + 1)`.
    #[serde(rename = "as", deserialize_with = "text")]
    #[schemars(with = "String")]
    expression: String,
}

/// An expression; one that is a number or a boolean needs no quotes.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("name");
    const BESIDE: &'static [(&'static str, &'static str)] = &[("as", "the expression")];
    const COLUMNS: Columns = Columns::Named;
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{derive: per_month, as: amount / (months + 1)}";

    fn check(&self) -> Result<(), String> {
        Expr::parse(&self.expression).map(drop).map_err(|error| error.to_string())
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let derive = Derive::new(&self.name, &self.expression)?;
        if planning.is_open && derive.reads.iter().any(|read| !planning.frame.has(read)) {
            return Ok(Plan::Wait);
        }
        Ok(Plan::Ready(Unit::Derive(derive)))
    }
}

/// A derived column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Derive {
    column: String,
    expression: Formula,
    /// The columns that the expression reads.
    reads: Vec<String>,
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
    fn new(column: &str, expression: &str) -> Result<Derive, TransformError> {
        let expression = Expr::parse(expression).map_err(|error| failed(column, expression, &error.to_string()))?;
        let reads = expression.paths().into_iter().map(|path| path.join(".")).collect();
        Ok(Derive { column: column.to_owned(), expression: Formula(expression), reads })
    }
}

impl Fitted for Derive {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
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

    fn inputs(&self) -> Vec<&str> {
        names(&self.reads)
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn overwrites(&self) -> bool {
        true
    }
}

fn failed(column: &str, expression: &str, reason: &str) -> TransformError {
    TransformError::input(
        "expression",
        format!("the column `{column}` cannot be derived from `{expression}`: {reason}"),
    )
}
