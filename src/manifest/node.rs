//! The tree of a YAML document in which every value knows its place.

use serde_json::{Map, Number, Value};

use super::source::{Span, Spanned};

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Yaml,
    /// Its place.
    pub span: Span,
}

/// What a YAML value can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A finite number.
    Number(Number),
    /// Text, in which `${{ }}` is an expression.
    Text(String),
    /// Text from a file or an expression, taken as it is.
    Literal(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written; keys are unique.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A value at a place.
    pub fn new(value: Yaml, span: Span) -> Node {
        Node { value, span }
    }

    /// The node of a JSON value, all of it at one place.
    pub fn from_json(value: &Value, span: &Span) -> Node {
        let value = match value {
            Value::Null => Yaml::Null,
            Value::Bool(bool) => Yaml::Bool(*bool),
            Value::Number(number) => Yaml::Number(number.clone()),
            Value::String(text) => Yaml::Literal(text.clone()),
            Value::Array(items) => Yaml::List(items.iter().map(|item| Node::from_json(item, span)).collect()),
            Value::Object(map) => Yaml::Map(
                map.iter()
                    .map(|(key, value)| Entry {
                        key: Spanned::new(key.clone(), span.clone()),
                        value: Node::from_json(value, span),
                    })
                    .collect(),
            ),
        };
        Node { value, span: span.clone() }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(bool) => Value::Bool(*bool),
            Yaml::Number(number) => Value::Number(number.clone()),
            Yaml::Text(text) | Yaml::Literal(text) => Value::String(text.clone()),
            Yaml::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Yaml::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.value.clone(), entry.value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The entry under `key`, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Yaml::Map(entries) => entries.iter().find(|entry| entry.key.value == key),
            _ => None,
        }
    }

    /// The place of what `path` leads to, or of the last part of it that there is.
    pub fn place(&self, path: &[String]) -> Span {
        let Some((first, rest)) = path.split_first() else { return self.span.clone() };
        match &self.value {
            Yaml::Map(entries) => match entries.iter().find(|entry| entry.key.value == *first) {
                Some(entry) if matches!(entry.value.value, Yaml::Null) => entry.key.span.clone(),
                Some(entry) if rest.is_empty() && !is_scalar(&entry.value) => entry.key.span.clone(),
                Some(entry) => match entry.value.place(rest) {
                    // A path that ends inside a map names something that is missing there: show the map's key.
                    span if span == entry.value.span && !is_scalar(&entry.value) => entry.key.span.clone(),
                    span => span,
                },
                None => self.span.clone(),
            },
            Yaml::List(items) => first
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index))
                .map_or(self.span.clone(), |item| item.place(rest)),
            _ => self.span.clone(),
        }
    }

    /// What kind of value it is, for messages.
    pub fn what(&self) -> &'static str {
        match &self.value {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "true or false",
            Yaml::Number(number) if number.is_f64() => "a number",
            Yaml::Number(_) => "a whole number",
            Yaml::Text(_) | Yaml::Literal(_) => "text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a map",
        }
    }
}

fn is_scalar(node: &Node) -> bool {
    !matches!(node.value, Yaml::List(_) | Yaml::Map(_))
}
