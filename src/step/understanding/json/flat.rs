//! Nested records to flat columns: `{"a": {"b": 1}}` has the column `a.b`; lists are kept as JSON text.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::csv::value::Class;
use crate::step::understanding::source::Cell;

/// The columns of all records seen, in the order of their first appearance, each with the class that takes all its values.
#[derive(Debug, Clone, Default)]
pub struct Columns(IndexMap<String, Class>);

impl Columns {
    /// Learns from a record.
    pub fn see(&mut self, record: Map<String, Value>) {
        cells(record, &mut |name, cell| {
            let class = match cell {
                Cell::Null => Class::Unseen,
                Cell::Bool(_) => Class::Bool,
                Cell::Int(_) => Class::Int,
                Cell::Float(_) => Class::Float,
                _ => Class::Text,
            };
            let known = self.0.entry(name).or_default();
            *known = known.join(class);
        });
    }

    /// Names and types; `declared` goes before what was seen.
    pub fn types(&self, declared: &IndexMap<String, ColumnType>) -> Vec<(String, ColumnType)> {
        self.0
            .iter()
            .map(|(name, class)| (name.clone(), declared.get(name).copied().unwrap_or(class.column_type())))
            .collect()
    }

    /// The position of a column.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.0.get_index_of(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Gives every value of a record with the name of its column.
pub fn cells(record: Map<String, Value>, give: &mut dyn FnMut(String, Cell)) {
    fn walk(prefix: &str, record: Map<String, Value>, give: &mut dyn FnMut(String, Cell)) {
        for (key, value) in record {
            let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            match value {
                Value::Object(inner) => walk(&name, inner, give),
                Value::Null => give(name, Cell::Null),
                Value::Bool(value) => give(name, Cell::Bool(value)),
                Value::String(text) => give(name, Cell::Text(text)),
                Value::Array(_) => give(name, Cell::Text(value.to_string())),
                Value::Number(number) => {
                    // Whole numbers beyond 64 bits lose digits as doubles, as everywhere in JSON.
                    let cell =
                        number.as_i64().map_or_else(|| Cell::Float(number.as_f64().unwrap_or(f64::NAN)), Cell::Int);
                    give(name, cell);
                }
            }
        }
    }
    walk("", record, give);
}
