//! [`Expr`]: one parsed expression and what can be done with it.

use std::fmt;
use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use serde_json::Value;

use super::check::{beyond, column_index, type_of, unreadable};
use super::eval::{Scope, evaluate};
use super::json::evaluate_json;
use super::lower;
use super::operand::Operand;
use super::syntax::{Kind, Node};
use super::{EvalError, ExprError};
use crate::table::misfit;

/// A parsed expression: gates, conditions, params, derived columns and row checks.
#[derive(Debug, Clone)]
pub struct Expr {
    text: String,
    tree: Node,
}

impl Expr {
    /// Parses an expression. Functions, patterns and limits are checked; names are not, for they need a scope.
    ///
    /// # Errors
    /// The first mistake, with its place in `text`.
    pub fn parse(text: &str) -> Result<Expr, ExprError> {
        Ok(Expr { text: text.to_owned(), tree: lower::parse(text)? })
    }

    /// The expression that reads the column `name`, whatever characters it has.
    pub fn column(name: &str) -> Expr {
        let text = format!("col({name:?})");
        let span = 0..text.len();
        Expr { text, tree: Node { span, kind: Kind::Path(vec![name.to_owned()]) } }
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The references that the expression reads, each once, in the order in which they first appear.
    pub fn paths(&self) -> Vec<Vec<String>> {
        self.spanned_paths().into_iter().map(|(path, _)| path).collect()
    }

    /// The references that the expression reads, each once, with the place where it first appears.
    pub fn spanned_paths(&self) -> Vec<(Vec<String>, Range<usize>)> {
        let mut paths = Vec::new();
        gather(&self.tree, &mut paths);
        paths
    }

    /// The value over `scope`, an object of roots such as `params` and `steps`.
    ///
    /// A missing path is null, and null spreads, so that a gate over a metric that was not measured is not evaluable.
    ///
    /// # Errors
    /// Values whose types do not fit, such as text compared with a number.
    pub fn eval_scalar(&self, scope: &Value) -> Result<Value, EvalError> {
        evaluate_json(&self.tree, scope)
    }

    /// The type of the column that the expression makes of a table with `schema`; the columns are the names in scope.
    ///
    /// # Errors
    /// An unknown column, with the nearest name, or types that do not fit.
    pub fn column_type(&self, schema: &Schema) -> Result<DataType, ExprError> {
        Ok(type_of(&self.tree, schema)?.data_type())
    }

    /// The column that the expression makes of `batch`, one value a row, of the type that [`Expr::column_type`] says.
    ///
    /// # Errors
    /// As [`Expr::column_type`] for the batch's schema, and a value that none of the types holds: see [`misfit`].
    pub fn eval_column(&self, batch: &RecordBatch) -> Result<ArrayRef, EvalError> {
        let value = evaluate(&self.tree, &BatchScope(batch))?;
        // Over a batch without rows a scalar still broadcasts, to nothing.
        Ok(value.broadcast(batch.num_rows()))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.text == other.text
    }
}

impl Eq for Expr {}

fn gather(node: &Node, paths: &mut Vec<(Vec<String>, Range<usize>)>) {
    if let Kind::Path(path) = &node.kind
        && !paths.iter().any(|(known, _)| known == path)
    {
        paths.push((path.clone(), node.span.clone()));
    }
    node.children().into_iter().for_each(|child| gather(child, paths));
}

struct BatchScope<'a>(&'a RecordBatch);

impl Scope for BatchScope<'_> {
    fn value(&self, path: &[String], span: &Range<usize>) -> Result<Operand, EvalError> {
        let column = self.0.column(column_index(path, span, self.0.schema_ref())?);
        if let Some(value) = misfit(column) {
            return Err(beyond(&path.join("."), &value, span).into());
        }
        Operand::column(column).ok_or_else(|| unreadable(&path.join("."), &column.data_type().to_string(), span).into())
    }

    fn list(&self, _path: &[String]) -> Option<Vec<Operand>> {
        None
    }

    fn is_structured(&self, _path: &[String]) -> bool {
        false
    }
}
