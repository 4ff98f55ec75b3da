//! Nested records to flat rows: `{"a": {"b": 1}}` has the column `a.b`; lists are kept as JSON text, or one of them
//! becomes a row per element.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::step::understanding::source::{Cell, wrong_name};

/// A row: values with the names of their columns, each name once.
pub type Flat = Vec<(String, Cell)>;

/// The rows of one record. What they have in common is held once, so that a long text beside many elements is.
pub struct Rows {
    /// The values that stand in every row, before its own.
    pub shared: Flat,
    /// The values of each row.
    pub each: Vec<Flat>,
}

impl Rows {
    /// The same rows, with the values of the columns `of` as `exact` has them: rows of the same record, in which numbers that a
    /// double would round are texts.
    #[must_use]
    pub fn with_digits(mut self, exact: Rows, of: &BTreeSet<String>) -> Rows {
        let rows = std::iter::once(&mut self.shared).chain(&mut self.each);
        for (row, exact) in rows.zip(std::iter::once(exact.shared).chain(exact.each)) {
            for ((_, cell), (_, exact)) in row.iter_mut().zip(exact).filter(|((name, _), _)| of.contains(name)) {
                *cell = exact;
            }
        }
        self
    }
}

/// How records become rows.
#[derive(Debug, Clone, Default)]
pub struct Flattening {
    /// How many levels of objects become columns; all of them without it.
    pub levels: Option<usize>,
    /// The list that becomes a row per element.
    pub explode: Option<String>,
}

impl Flattening {
    /// The rows of a record, or what is wrong with it. Without elements to explode there is one.
    pub fn rows(&self, record: Map<String, Value>) -> Result<Rows, String> {
        let mut walk = Walk { flattening: self, row: Vec::new(), elements: None, has_dots: false };
        walk.object("", record, 0)?;
        let (mut shared, has_dots) = (walk.row, walk.has_dots);
        let Some(path) = &self.explode else {
            check_names(&shared, &[], has_dots)?;
            return Ok(Rows { shared: Vec::new(), each: vec![shared] });
        };
        let elements = walk.elements.unwrap_or_default();
        if elements.is_empty() {
            shared.push((format!("{path}_index"), Cell::Null));
            check_names(&shared, &[], true)?;
            return Ok(Rows { shared: Vec::new(), each: vec![shared] });
        }
        let row = |(element, index)| {
            let row = vec![(format!("{path}_index"), Cell::Int(index))];
            let mut walk = Walk { flattening: self, row, elements: None, has_dots };
            match element {
                Value::Object(inner) => walk.object(&format!("{path}."), inner, 0)?,
                element => walk.row.push((path.clone(), scalar(element))),
            }
            check_names(&shared, &walk.row, true)?;
            Ok(walk.row)
        };
        let each = elements.into_iter().zip(0..).map(row).collect::<Result<_, String>>()?;
        Ok(Rows { shared, each })
    }
}

struct Walk<'flat> {
    flattening: &'flat Flattening,
    row: Flat,
    elements: Option<Vec<Value>>,
    has_dots: bool,
}

impl Walk<'_> {
    fn object(&mut self, prefix: &str, record: Map<String, Value>, level: usize) -> Result<(), String> {
        for (key, value) in record {
            self.has_dots |= key.contains('.');
            if let Some(wrong) = wrong_name(&key) {
                return Err(format!("a key {wrong}"));
            }
            let name = if prefix.is_empty() { key } else { format!("{prefix}{key}") };
            match value {
                Value::Array(elements) if self.flattening.explode.as_ref() == Some(&name) => {
                    if self.elements.replace(elements).is_some() {
                        return Err(twice(&name));
                    }
                }
                Value::Null if self.flattening.explode.as_ref() == Some(&name) => {}
                Value::Object(inner) if self.flattening.levels.is_none_or(|levels| level < levels) => {
                    self.object(&format!("{name}."), inner, level + 1)?;
                }
                value if self.flattening.explode.as_ref() == Some(&name) => {
                    return Err(format!("`{name}` is no list: {}", scalar(value).shown()));
                }
                value => self.row.push((name, scalar(value))),
            }
        }
        Ok(())
    }
}

fn scalar(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(value),
        Value::String(text) => Cell::Text(text),
        Value::Array(_) | Value::Object(_) => Cell::Text(value.to_string()),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Cell::Float(number.as_f64().unwrap_or(f64::NAN)), Cell::Int)
        }
    }
}

/// Keys with dots can make a name that a nested object makes too.
fn check_names(shared: &Flat, own: &[(String, Cell)], may_collide: bool) -> Result<(), String> {
    let mut known = BTreeSet::new();
    match shared.iter().chain(own).find(|(name, _)| may_collide && !known.insert(name.as_str())) {
        Some((name, _)) => Err(twice(name)),
        None => Ok(()),
    }
}

fn twice(name: &str) -> String {
    format!("two of its values are in the column `{name}`")
}
