//! What all records of a source have in common: the names of their columns, and a type that takes all values of each.

use indexmap::IndexMap;

use super::Flat;
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::csv::value::Class;
use crate::step::understanding::source::Cell;

/// The columns of all records seen, in the order of their first appearance, each with the class that takes all its values.
#[derive(Debug, Clone, Default)]
pub struct Columns(IndexMap<String, Seen>);

#[derive(Debug, Clone, Default)]
struct Seen {
    class: Class,
    odd: Option<String>,
}

impl Columns {
    /// Learns from a row; `place` names it.
    pub fn see(&mut self, row: &Flat, place: &dyn Fn() -> String) {
        for (name, cell) in row {
            let class = match cell {
                Cell::Null => Class::Unseen,
                Cell::Bool(_) => Class::Bool,
                Cell::Int(_) => Class::Int,
                Cell::Float(_) => Class::Float,
                _ => Class::Text,
            };
            let known = match self.0.get_mut(name.as_str()) {
                Some(known) => known,
                None => self.0.entry(name.clone()).or_default(),
            };
            let joined = known.class.join(class);
            let is_odd = joined == Class::Text && known.class != class && known.class != Class::Unseen;
            if is_odd && class != Class::Unseen && known.odd.is_none() {
                known.odd = Some(format!("{} holds `{}`", place(), cell.shown()));
            }
            known.class = joined;
        }
    }

    /// Names and types; `declared` goes before what was seen.
    pub fn types(&self, declared: &IndexMap<String, ColumnType>) -> Vec<(String, ColumnType)> {
        self.0
            .iter()
            .map(|(name, seen)| (name.clone(), declared.get(name).copied().unwrap_or(seen.class.column_type())))
            .collect()
    }

    /// Columns whose values are of several types, each with the first value that made it a text.
    pub fn mixed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, seen)| Some((name.as_str(), seen.odd.as_deref()?)))
    }

    /// Whether a column has no value in any row.
    pub fn is_unseen(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(|seen| seen.class == Class::Unseen)
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
