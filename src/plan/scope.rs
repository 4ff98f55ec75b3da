//! What expressions see while a plan is made: params, the matrix of the instance and the pipeline itself.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::expr::Expr;
use crate::manifest::{Entry, Mistake, Node, Part, Source, Span, Spanned, Yaml, split, suggest, whole};

/// The values that are known before a run.
#[derive(Debug, Clone)]
pub(super) struct Scope<'manifest> {
    source: &'manifest Source,
    /// Shared by the scopes of all instances: a list of a hundred thousand values is there once.
    values: Arc<Map<String, Value>>,
    /// What one instance has of its own.
    own: Map<String, Value>,
}

impl<'manifest> Scope<'manifest> {
    pub(super) fn new(
        source: &'manifest Source,
        roots: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Scope<'manifest> {
        let values: Map<String, Value> = roots.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Scope { source, values: Arc::new(values), own: Map::new() }
    }

    /// The same scope with one more root.
    pub(super) fn with(&self, root: &str, value: Value) -> Scope<'manifest> {
        let mut scope = self.clone();
        scope.own.insert(root.to_owned(), value);
        scope
    }

    /// The value that a path leads to.
    pub(super) fn get(&self, path: &[String]) -> Option<&Value> {
        let (root, path) = path.split_first()?;
        let value = self.own.get(root).or_else(|| self.values.get(root))?;
        path.iter().try_fold(value, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => value.get(part),
        })
    }

    /// The values at these paths, and nothing else.
    fn read<'path>(&self, paths: impl Iterator<Item = &'path [String]>) -> Value {
        let mut read = Value::Object(Map::new());
        for path in paths {
            let mut place = &mut read;
            for length in 1..=path.len() {
                let Some(value) = self.get(&path[..length]) else { break };
                place = &mut place[path[length - 1].as_str()];
                if length == path.len() || !value.is_object() {
                    *place = value.clone();
                    break;
                }
                if place.is_null() {
                    *place = Value::Object(Map::new());
                }
            }
        }
        read
    }

    /// The tree with all its expressions replaced by their values.
    pub(super) fn resolve(&self, node: &Node, mistakes: &mut Vec<Mistake>) -> Node {
        let value = match &node.value {
            Yaml::Text(text) => match self.resolve_text(text, &node.span) {
                Ok(value) => return value,
                Err(found) => {
                    mistakes.extend(found);
                    Yaml::Null
                }
            },
            Yaml::List(items) => Yaml::List(items.iter().map(|item| self.resolve(item, mistakes)).collect()),
            Yaml::Map(entries) => Yaml::Map(
                entries
                    .iter()
                    .map(|entry| Entry { key: entry.key.clone(), value: self.resolve(&entry.value, mistakes) })
                    .collect(),
            ),
            other => other.clone(),
        };
        Node::new(value, node.span.clone())
    }

    fn resolve_text(&self, text: &str, span: &Span) -> Result<Node, Vec<Mistake>> {
        let parts = split(text, span, &self.source.text).map_err(|mistake| vec![mistake])?;
        if let Some(expression) = whole(&parts) {
            return Ok(Node::from_json(&self.evaluate(expression)?, span));
        }
        let (mut resolved, mut mistakes) = (String::new(), Vec::new());
        for part in &parts {
            match part {
                Part::Text(text) => resolved.push_str(text),
                Part::Expression(expression) => match self.evaluate(expression) {
                    Ok(Value::String(text)) => resolved.push_str(&text),
                    Ok(value @ (Value::Number(_) | Value::Bool(_))) => resolved.push_str(&value.to_string()),
                    Ok(_) => {
                        let message = format!(
                            "`{}` is neither text nor a number, so it cannot stand in a text",
                            expression.value
                        );
                        mistakes.push(Mistake::new("expression", expression.span.clone(), message));
                    }
                    Err(found) => mistakes.extend(found),
                },
            }
        }
        if mistakes.is_empty() { Ok(Node::new(Yaml::Text(resolved), span.clone())) } else { Err(mistakes) }
    }

    fn evaluate(&self, expression: &Spanned<String>) -> Result<Value, Vec<Mistake>> {
        let parsed = Expr::parse(&expression.value)
            .map_err(|error| vec![mistake(expression, &error.span, error.message).maybe_help(error.help)])?;
        let paths = parsed.spanned_paths();
        let unknown: Vec<Mistake> =
            paths.iter().filter_map(|(path, span)| self.check(path, &place(expression, span))).collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        // A bare reference keeps lists and maps, which expressions do not compute with.
        if let [(path, _)] = paths.as_slice()
            && path.join(".") == expression.value
        {
            return Ok(self.get(path).cloned().unwrap_or(Value::Null));
        }
        parsed
            .eval_scalar(&self.read(paths.iter().map(|(path, _)| path.as_slice())))
            .map_err(|error| vec![mistake(expression, &error.span, error.message).maybe_help(error.help)])
    }

    /// What is wrong with a reference.
    pub(super) fn check(&self, path: &[String], span: &Span) -> Option<Mistake> {
        let root = path.first().map_or("", String::as_str);
        if matches!(root, "steps" | "criteria") {
            let message = format!("`{root}` is not known before the run");
            return Some(
                Mistake::new("unknown_name", span.clone(), message)
                    .help("only `when` and a gate's `check` read what steps have measured"),
            );
        }
        for length in 1..=path.len() {
            if self.get(&path[..length]).is_some() {
                continue;
            }
            let name = &path[length - 1];
            let known: Vec<&str> = match self.get(&path[..length - 1]) {
                Some(Value::Object(known)) => known.keys().map(String::as_str).collect(),
                None if length == 1 => self.values.keys().chain(self.own.keys()).map(String::as_str).collect(),
                _ => Vec::new(),
            };
            let of = path[..length - 1].join(".");
            let message =
                if of.is_empty() { format!("there is no `{name}` here") } else { format!("`{of}` has no `{name}`") };
            return Some(Mistake::new("unknown_name", span.clone(), message).maybe_help(suggest(name, known)));
        }
        None
    }
}

/// A mistake inside an expression.
pub(super) fn mistake(expression: &Spanned<String>, span: &Span, message: String) -> Mistake {
    Mistake::new("expression", place(expression, span), message)
}

/// The place of a part of an expression, if the expression stands in the source as it is.
pub(super) fn place(expression: &Spanned<String>, span: &Span) -> Span {
    let start = expression.span.start + span.start;
    if expression.span.len() == expression.value.len() && start <= expression.span.end {
        start..(expression.span.start + span.end).min(expression.span.end)
    } else {
        expression.span.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str) -> String {
        let source = Source::new("a.yaml", text);
        let scope = Scope::new(&source, [("params", json!({"n": 3, "name": "x", "list": [1, "a"]}))]);
        let mut mistakes = Vec::new();
        let node = scope.resolve(&Node::new(Yaml::Text(text.to_owned()), 0..text.len()), &mut mistakes);
        match mistakes.first() {
            Some(mistake) => format!("{} at {:?}", mistake.message, &text[mistake.span.clone()]),
            None => node.to_json().to_string(),
        }
    }

    #[test]
    fn a_whole_expression_keeps_its_type_and_a_part_becomes_text() {
        assert_eq!(check("${{ params.n }}"), "3");
        assert_eq!(check("${{ params.n * 2 }}"), "6");
        assert_eq!(check("${{ params.n + params.n }}-${{ size(params.list) + params.n }}"), r#""6-5""#);
        assert_eq!(check("${{ params.list }}"), r#"[1,"a"]"#);
        assert_eq!(check("a-${{ params.name }}-${{ params.n }}"), r#""a-x-3""#);
        assert_eq!(check("plain $HOME"), r#""plain $HOME""#);
    }

    #[test]
    fn an_unknown_name_is_shown_where_it_stands() {
        assert_eq!(check("${{ params.nam }}"), "`params` has no `nam` at \"params.nam\"");
        assert_eq!(check("${{ prams.n }}"), "there is no `prams` here at \"prams.n\"");
        assert_eq!(check("${{ steps.a.metrics.x }}"), "`steps` is not known before the run at \"steps.a.metrics.x\"");
        assert_eq!(
            check("a ${{ params.list }}"),
            "`params.list` is neither text nor a number, so it cannot stand in a text at \"params.list\""
        );
    }
}
