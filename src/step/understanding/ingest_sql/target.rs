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

/// A column of a query as its database knows it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    /// Whether its numbers may have digits that the type loses and a text keeps.
    pub(super) has_digits: bool,
}

impl Targets {
    pub(super) fn new(types: IndexMap<String, ColumnType>, exact: Vec<String>) -> Targets {
        Targets { types, exact }
    }

    /// The columns that are read to the last digit for a contract.
    pub(super) fn exact(&self) -> &[String] {
        &self.exact
    }

    /// The columns of a query with their types.
    pub(super) fn apply(&self, found: Vec<Found>) -> Result<Vec<(String, ColumnType)>, StepError> {
        if let Some(missing) = self.types.keys().find(|name| !found.iter().any(|known| known.name == **name)) {
            let available = found.into_iter().map(|known| known.name).collect();
            return Err(TableError::NoColumn { column: missing.clone(), available }.into());
        }
        let typed = |Found { name, column_type, has_digits }: Found| {
            let keeps_digits = has_digits && self.exact.contains(&name);
            let column_type = if keeps_digits { ColumnType::Text } else { column_type };
            let column_type = self.types.get(&name).copied().unwrap_or(column_type);
            (name, column_type)
        };
        Ok(found.into_iter().map(typed).collect())
    }
}
