//! The types that columns of a query get: those of the manifest before those of the database.

use indexmap::IndexMap;

use crate::step::StepError;
use crate::step::understanding::csv::ColumnType;
use crate::table::TableError;

/// Types by the names of columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    /// As the manifest says.
    types: IndexMap<String, ColumnType>,
    /// Columns of which no digit may be lost until a contract has looked at them.
    exact: Vec<String>,
}

impl Targets {
    pub(super) fn new(types: IndexMap<String, ColumnType>, exact: Vec<String>) -> Targets {
        Targets { types, exact }
    }

    /// The columns that are read to the last digit for a contract.
    pub(super) fn exact(&self) -> &[String] {
        &self.exact
    }

    /// The type that a column gets, whatever the database says.
    pub(super) fn of(&self, column: &str) -> Option<ColumnType> {
        let as_text = || self.exact.iter().any(|name| name == column).then_some(ColumnType::Text);
        self.types.get(column).copied().or_else(as_text)
    }

    /// Whether a decimal column is read to the last digit, for a type other than a double.
    pub(super) fn is_exact(&self, column: &str) -> bool {
        self.of(column).is_some_and(|column_type| column_type != ColumnType::Float64)
    }

    /// The columns of a query with their types.
    pub(super) fn apply(&self, found: Vec<(String, ColumnType)>) -> Result<Vec<(String, ColumnType)>, StepError> {
        if let Some(missing) = self.types.keys().find(|name| !found.iter().any(|(known, _)| known == *name)) {
            let available = found.into_iter().map(|(name, _)| name).collect();
            return Err(TableError::NoColumn { column: missing.clone(), available }.into());
        }
        let typed = |(name, found): (String, ColumnType)| {
            let column_type = self.of(&name).unwrap_or(found);
            (name, column_type)
        };
        Ok(found.into_iter().map(typed).collect())
    }
}
