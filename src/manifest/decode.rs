//! Reading typed values out of a tree: what does not fit is noted, and the reading goes on.

use std::str::FromStr;
use std::time::Duration;

use super::nearest::suggest;
use super::node::{Entry, Node, Yaml};
use super::rejected::Mistake;
use super::source::{Span, Spanned};
use crate::id::InvalidId;
use crate::units;

/// Collects mistakes while values are read.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pub(super) mistakes: Vec<Mistake>,
}

impl Decoder {
    /// Notes a mistake.
    pub(super) fn note(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// Notes that `node` is not `expected`.
    pub(super) fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        let message = format!("{what} must be {expected}, not {}", node.what());
        self.note(Mistake::new("wrong_type", node.span.clone(), message));
    }

    /// The entries of a map; nothing counts as an empty map.
    pub(super) fn map<'node>(&mut self, node: &'node Node, what: &str) -> &'node [Entry] {
        match &node.value {
            Yaml::Map(entries) => entries,
            Yaml::Null => &[],
            _ => {
                self.wrong_type(node, what, "a map");
                &[]
            }
        }
    }

    /// The entries of a map that may have only `known` keys.
    pub(super) fn fields<'node>(&mut self, node: &'node Node, what: &str, known: &[&str]) -> Fields<'node> {
        let entries = self.map(node, what);
        for entry in entries {
            if !known.contains(&entry.key.value.as_str()) {
                let message = format!("unknown key `{}` in {what}", entry.key.value);
                self.note(
                    Mistake::new("unknown_key", entry.key.span.clone(), message)
                        .maybe_help(suggest(&entry.key.value, known.iter().copied())),
                );
            }
        }
        Fields { entries }
    }

    /// The items of a list; a value that is not a list counts as a list of one.
    pub(super) fn one_or_many(node: &Node) -> &[Node] {
        match &node.value {
            Yaml::List(items) => items,
            Yaml::Null => &[],
            _ => std::slice::from_ref(node),
        }
    }

    /// The items of a list.
    pub(super) fn list<'node>(&mut self, node: &'node Node, what: &str) -> &'node [Node] {
        if let Yaml::List(items) = &node.value {
            return items;
        }
        self.wrong_type(node, what, "a list");
        &[]
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match &node.value {
            Yaml::Text(text) | Yaml::Literal(text) if !text.trim().is_empty() => {
                Some(Spanned::new(text.clone(), node.span.clone()))
            }
            Yaml::Text(_) | Yaml::Literal(_) | Yaml::Null => {
                self.note(Mistake::new("empty", node.span.clone(), format!("{what} is empty")));
                None
            }
            _ => {
                self.note(
                    Mistake::new("wrong_type", node.span.clone(), format!("{what} must be text, not {}", node.what()))
                        .help("put quotes around it"),
                );
                None
            }
        }
    }

    /// A finite number.
    pub(super) fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        if let Yaml::Number(number) = &node.value {
            return number.as_f64();
        }
        self.wrong_type(node, what, "a number");
        None
    }

    /// A whole number within a range.
    pub(super) fn count(&mut self, node: &Node, what: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let Yaml::Number(number) = &node.value else {
            self.wrong_type(node, what, "a whole number");
            return None;
        };
        let count = number.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|count| range.contains(count));
        if count.is_none() {
            let message = format!("{what} must be a whole number from {} to {}", range.start(), range.end());
            self.note(Mistake::new("out_of_range", node.span.clone(), message));
        }
        count
    }

    /// A length of time with its unit.
    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let duration = match &node.value {
            Yaml::Text(text) => units::duration(text),
            _ => None,
        };
        if duration.is_none() {
            let message = format!("{what} is not a length of time");
            self.note(
                Mistake::new("bad_duration", node.span.clone(), message)
                    .help("write a number and a unit: `500ms`, `30s`, `5m`, `2h` or `7d`"),
            );
        }
        duration
    }

    /// A number of bytes with its unit.
    pub(super) fn bytes(&mut self, node: &Node, what: &str) -> Option<u64> {
        let bytes = match &node.value {
            Yaml::Text(text) => units::bytes(text),
            _ => None,
        };
        if bytes.is_none() {
            self.note(
                Mistake::new("bad_size", node.span.clone(), format!("{what} is not a size"))
                    .help("write a number and a unit: `512MiB`, `6GiB` or `2GB`"),
            );
        }
        bytes
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let known = || words.iter().map(|(word, _)| *word);
        let Yaml::Text(text) = &node.value else {
            let all: Vec<String> = known().map(|word| format!("`{word}`")).collect();
            self.wrong_type(node, what, &format!("one of {}", all.join(", ")));
            return None;
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| word == text) {
            return Some(*value);
        }
        let message = format!("`{text}` is not a value of {what}");
        self.note(Mistake::new("unknown_value", node.span.clone(), message).maybe_help(suggest(text, known())));
        None
    }

    /// A bare expression, with or without `${{ }}` around it.
    pub(super) fn expression(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match &node.value {
            Yaml::Bool(value) => Some(Spanned::new(value.to_string(), node.span.clone())),
            Yaml::Text(text) if !text.trim().is_empty() => {
                let text = text.trim();
                let inner = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text);
                Some(Spanned::new(inner.trim().to_owned(), node.span.clone()))
            }
            _ => {
                self.wrong_type(node, what, "an expression");
                None
            }
        }
    }

    /// A key or a text that must be a name.
    pub(super) fn name<T: FromStr<Err = InvalidId>>(&mut self, text: &str, span: &Span) -> Option<Spanned<T>> {
        match text.parse() {
            Ok(name) => Some(Spanned::new(name, span.clone())),
            Err(error) => {
                self.note(Mistake::new("bad_name", span.clone(), error.to_string()).maybe_help(rename(text)));
                None
            }
        }
    }

    /// A key that is missing from what stands at `span`.
    pub(super) fn missing(&mut self, key: &str, what: &str, span: &Span) {
        self.note(Mistake::new("missing_key", span.clone(), format!("{what} has no `{key}`")));
    }
}

/// A valid name close to `text`, as a help line.
fn rename(text: &str) -> Option<String> {
    let mut name = String::new();
    for char in text.to_lowercase().chars() {
        match char {
            'a'..='z' => name.push(char),
            '0'..='9' if !name.is_empty() => name.push(char),
            _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    let name = name.trim_end_matches('_');
    crate::id::is_name(name).then(|| format!("write `{name}`"))
}

/// The entries of a map whose keys were checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'node> {
    entries: &'node [Entry],
}

impl<'node> Fields<'node> {
    /// The value under `key`, if it is given and not null.
    pub(super) fn get(self, key: &str) -> Option<&'node Node> {
        self.entry(key).map(|entry| &entry.value).filter(|node| node.value != Yaml::Null)
    }

    /// The entry under `key`, even if its value is null.
    pub(super) fn entry(self, key: &str) -> Option<&'node Entry> {
        self.entries.iter().find(|entry| entry.key.value == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_close_to_the_refused_one_is_offered() {
        assert_eq!(rename("Train-Model 2"), Some("write `train_model_2`".to_owned()));
        assert_eq!(rename("2nd"), Some("write `nd`".to_owned()));
        assert_eq!(rename("--"), None);
    }
}
