//! The types that a manifest gives to columns of a query.

use indexmap::IndexMap;
use serde_json::Value;

use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::source::CellType;
use crate::step::{ParamError, ParamErrors, StepError};
use crate::table::TableError;

/// The most digits of a decimal number.
const MOST_DIGITS: u8 = 38;

/// Types by the names of columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets(IndexMap<String, CellType>);

impl Targets {
    /// Reads the types as they are written: `text`, `decimal(20,2)`.
    pub(super) fn new(written: &IndexMap<String, String>) -> Result<Targets, ParamErrors> {
        let (mut types, mut errors) = (IndexMap::new(), Vec::new());
        for (name, text) in written {
            match cell_type(text) {
                Ok(kind) => {
                    types.insert(name.clone(), kind);
                }
                Err(message) => {
                    errors.push(ParamError { path: vec!["types".to_owned(), name.clone()], message, help: None });
                }
            }
        }
        if errors.is_empty() { Ok(Targets(types)) } else { Err(ParamErrors(errors)) }
    }

    /// The type that the manifest gives to a column.
    pub(super) fn of(&self, column: &str) -> Option<CellType> {
        self.0.get(column).copied()
    }

    /// Whether a decimal column is read to the last digit, for a type other than a double.
    pub(super) fn is_exact(&self, column: &str) -> bool {
        self.of(column).is_some_and(|kind| kind != CellType::Plain(ColumnType::Float64))
    }

    /// The columns of a query with their types: those of the manifest before those of the database.
    pub(super) fn apply(&self, found: Vec<(String, ColumnType)>) -> Result<Vec<(String, CellType)>, StepError> {
        if let Some(missing) = self.0.keys().find(|name| !found.iter().any(|(known, _)| known == *name)) {
            let available = found.into_iter().map(|(name, _)| name).collect();
            return Err(TableError::NoColumn { column: missing.clone(), available }.into());
        }
        Ok(found
            .into_iter()
            .map(|(name, kind)| (self.of(&name).unwrap_or(kind.into()), name))
            .map(|(kind, name)| (name, kind))
            .collect())
    }
}

fn cell_type(text: &str) -> Result<CellType, String> {
    let Some(digits) = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) else {
        let known = serde_json::from_value::<ColumnType>(Value::String(text.to_owned()));
        return known.map(CellType::Plain).map_err(|_| {
            format!("`{text}` is none of int64, float64, text, bool, date, timestamp, instant and decimal(digits,after the point)")
        });
    };
    let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
    match (precision.trim().parse(), scale.trim().parse()) {
        (Ok(precision @ 1..=MOST_DIGITS), Ok(scale)) if scale <= precision => {
            Ok(CellType::Decimal { precision, scale })
        }
        _ => Err(format!(
            "`{text}` is no decimal type: it has 1 to {MOST_DIGITS} digits, not more of them after the point"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        assert_eq!(cell_type("integer"), Ok(CellType::Plain(ColumnType::Int64)));
        assert_eq!(cell_type("decimal(20, 2)"), Ok(CellType::Decimal { precision: 20, scale: 2 }));
        assert_eq!(cell_type("decimal(38)"), Ok(CellType::Decimal { precision: 38, scale: 0 }));
        for wrong in ["decimal(39,0)", "decimal(2,3)", "decimal()", "decimal", "blob", "decimal(0)"] {
            assert!(cell_type(wrong).is_err(), "{wrong}");
        }
    }
}
