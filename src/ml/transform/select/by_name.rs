//! `drop` and `select`: columns that the manifest names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::Frame;
use crate::ml::transform::plan::{Columns, Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// Takes the columns away.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct Drop {}

/// Keeps these columns and takes all others away.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct Select {}

impl Transform for Drop {
    const COLUMNS: Columns = Columns::Value;
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{drop: [plan, town]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        Ok(Plan::Ready(Unit::Drop(Dropped { columns: planning.columns.to_vec() })))
    }
}

impl Transform for Select {
    const COLUMNS: Columns = Columns::Value;
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{select: [amount, \"month*\"]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open {
            return Ok(Plan::Wait);
        }
        let others = planning.frame.columns().map(|(name, _)| name.to_owned());
        let columns = others.filter(|name| !planning.columns.contains(name)).collect();
        Ok(Plan::Ready(Unit::Select(Dropped { columns })))
    }
}

/// Columns that are taken away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Dropped {
    columns: Vec<String>,
}

impl Fitted for Dropped {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        self.columns.iter().for_each(|column| frame.remove(column));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<&str> {
        Vec::new()
    }
}
