//! The params of a step held against the JSON Schema of its kind, so that all simple mistakes are found at once and
//! shown where they stand. What the schema cannot say is left to the kind itself.

use regex::Regex;
use serde_json::Value;

use crate::manifest::{Mistake, Node, Yaml, nearest, suggest};

/// What a schema finds wrong with `node`; `what` names it in messages.
pub(super) fn check(schema: &Value, node: &Node, what: &str) -> Vec<Mistake> {
    let mut checker = Checker { root: schema, mistakes: Vec::new() };
    checker.node(schema, node, what, 0);
    checker.mistakes
}

struct Checker<'schema> {
    root: &'schema Value,
    mistakes: Vec<Mistake>,
}

/// Schemas refer to themselves; values are not nested as deep as this.
const MAX_STEPS: usize = 200;

impl<'schema> Checker<'schema> {
    fn node(&mut self, schema: &'schema Value, node: &Node, what: &str, depth: usize) {
        let Some(schema) = self.follow(schema, node) else { return };
        if depth > MAX_STEPS || !self.check_type(schema, node, what) || !self.check_choices(schema, node, what) {
            return;
        }
        match &node.value {
            Yaml::Map(_) => self.map(schema, node, what, depth),
            Yaml::List(items) => {
                if let Some(item_schema) = schema.get("items").filter(|items| items.is_object()) {
                    for (index, item) in items.iter().enumerate() {
                        self.node(item_schema, item, &format!("item {} of {what}", index + 1), depth + 1);
                    }
                }
            }
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) | Yaml::Literal(_) => {}
        }
    }

    /// The schema behind `$ref`, and of alternatives the only one that can be meant; none where several can.
    fn follow(&self, mut schema: &'schema Value, node: &Node) -> Option<&'schema Value> {
        for _ in 0..MAX_STEPS {
            if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
                schema = self.root.pointer(reference.strip_prefix('#')?)?;
                continue;
            }
            if let Some(condition) = schema.get("if") {
                schema = schema.get(if holds(condition, node) { "then" } else { "else" })?;
                continue;
            }
            let Some(alternatives) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
            else {
                return Some(schema);
            };
            let is_null = |schema: &&Value| schema.get("type").is_some_and(|name| name == "null");
            if node.value == Yaml::Null && alternatives.iter().any(|alternative| is_null(&alternative)) {
                return None;
            }
            let mut rest = alternatives.iter().filter(|alternative| !is_null(alternative));
            match (rest.next(), rest.next()) {
                (Some(only), None) => schema = only,
                _ if words(schema).is_some() => return Some(schema),
                _ => return None,
            }
        }
        None
    }

    fn check_type(&mut self, schema: &Value, node: &Node, what: &str) -> bool {
        let names: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => return true,
        };
        let fits = names.iter().any(|name| match &node.value {
            Yaml::Null => *name == "null",
            Yaml::Bool(_) => *name == "boolean",
            Yaml::Number(number) => *name == "number" || (*name == "integer" && !number.is_f64()),
            Yaml::Text(_) | Yaml::Literal(_) => *name == "string",
            Yaml::List(_) => *name == "array",
            Yaml::Map(_) => *name == "object",
        });
        if !fits {
            let expected: Vec<&str> = names.iter().filter(|name| **name != "null").map(|name| plain(name)).collect();
            let message = format!("{what} must be {}, not {}", expected.join(" or "), node.what());
            let quotes = names.contains(&"string") && matches!(node.value, Yaml::Bool(_) | Yaml::Number(_));
            let help = quotes.then(|| "put quotes around it".to_owned());
            self.mistakes.push(Mistake::new("wrong_type", node.span.clone(), message).maybe_help(help));
        }
        fits
    }

    fn check_choices(&mut self, schema: &Value, node: &Node, what: &str) -> bool {
        let listed = schema.get("enum").and_then(Value::as_array).map(|choices| choices.iter().collect());
        let Some(choices) = listed.or_else(|| words(schema)) else { return true };
        let value = node.to_json();
        if choices.contains(&&value) {
            return true;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let message = format!("`{text}` is not a value of {what}");
        let help = suggest(&text, choices.iter().filter_map(|choice| choice.as_str()));
        self.mistakes.push(Mistake::new("unknown_value", node.span.clone(), message).maybe_help(help));
        false
    }

    fn map(&mut self, schema: &'schema Value, node: &Node, what: &str, depth: usize) {
        let Yaml::Map(entries) = &node.value else { return };
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for entry in entries {
            let key = entry.key.value.as_str();
            if let Some(property) = properties.and_then(|properties| properties.get(key)) {
                self.node(property, &entry.value, &format!("`{key}`"), depth + 1);
            } else if others == Some(&Value::Bool(false)) {
                let known = properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
                let message = format!("unknown key `{key}` in {what}");
                let help = suggest(key, known);
                self.mistakes.push(Mistake::new("unknown_key", entry.key.span.clone(), message).maybe_help(help));
            } else if let Some(others) = others.filter(|others| others.is_object()) {
                self.node(others, &entry.value, &format!("`{key}`"), depth + 1);
            }
        }
        // A misspelled key is one mistake, not two.
        let is_meant = |key: &str| {
            entries.iter().any(|entry| {
                properties.is_some_and(|known| !known.contains_key(&entry.key.value))
                    && nearest(&entry.key.value, [key]).is_some()
            })
        };
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if node.entry(key).is_none() && !is_meant(key) {
                let help = properties
                    .and_then(|properties| properties.get(key)?.get("description")?.as_str())
                    .map(|description| format!("`{key}`: {}", first_sentence(description)));
                let message = format!("{what} has no `{key}`");
                self.mistakes.push(Mistake::new("missing_key", first_line(node), message).maybe_help(help));
            }
        }
    }
}

/// The words of alternatives that are nothing but words, which is how documented enums are written.
fn words(schema: &Value) -> Option<Vec<&Value>> {
    let alternatives = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    let words = alternatives.iter().map(|alternative| match (alternative.get("const"), alternative.get("enum")) {
        (Some(word), _) => Some(vec![word]),
        (None, Some(Value::Array(words))) => Some(words.iter().collect()),
        _ => None,
    });
    words.collect::<Option<Vec<_>>>().map(|words| words.concat())
}

/// Whether the texts of a map fit the patterns that a condition has for them; no other conditions occur.
fn holds(condition: &Value, node: &Node) -> bool {
    let properties = condition.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().all(|(key, schema)| {
        let pattern = schema.get("pattern").and_then(Value::as_str).and_then(|pattern| Regex::new(pattern).ok());
        match (pattern, node.entry(key).map(|entry| &entry.value.value)) {
            (Some(pattern), Some(Yaml::Text(text) | Yaml::Literal(text))) => pattern.is_match(text),
            _ => false,
        }
    })
}

/// A map is shown by its beginning.
fn first_line(node: &Node) -> crate::manifest::Span {
    match &node.value {
        Yaml::Map(entries) => entries.first().map_or(node.span.clone(), |entry| entry.key.span.clone()),
        _ => node.span.clone(),
    }
}

/// The first sentence of a description, on one line.
fn first_sentence(description: &str) -> String {
    let line = description.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match line.find(". ") {
        Some(end) => line[..end].to_owned(),
        None => line.trim_end_matches('.').to_owned(),
    }
}

/// A type of JSON in the words of the manifest.
fn plain(name: &str) -> &str {
    match name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
}
