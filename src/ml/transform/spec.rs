//! Transforms as they are written in a manifest: one key that names the transform, and the columns beside it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::TransformError;
use super::frame::{Frame, Kind};
use super::plan::Columns;
use super::registry::{ENTRIES, Entry, Operation};
use super::selector::Selector;

/// One transform of a feature pipeline.
#[derive(Debug, Clone)]
pub struct TransformSpec {
    /// What the list of transforms says of it.
    pub(super) entry: &'static Entry,
    /// What to do.
    pub(super) operation: Operation,
    /// The columns to do it with; each transform has its own default.
    columns: Selector,
    /// Columns that are left out although selected.
    except: Option<Selector>,
    /// Whether it is done at all.
    pub(super) is_on: bool,
}

impl TransformSpec {
    /// What is wrong with the text itself, before any table is known.
    pub fn check(&self) -> Result<(), String> {
        self.columns.check()?;
        self.except.as_ref().map_or(Ok(()), Selector::check)?;
        self.operation.check()
    }

    /// The key that names it.
    pub fn key(&self) -> &'static str {
        self.entry.key
    }

    /// Files and folders that it reads, if it is done at all; their content enters the cache key.
    pub fn files(&self) -> Vec<&str> {
        if self.is_on { self.operation.files() } else { Vec::new() }
    }

    /// The selected columns of `frame`.
    pub(super) fn select(&self, frame: &Frame) -> Result<Vec<String>, TransformError> {
        let mut selected = self.columns.select(frame)?;
        if let Some(except) = &self.except {
            let left_out = except.select(frame)?;
            selected.retain(|column| !left_out.contains(column));
        }
        Ok(selected)
    }

    /// Whether columns of these kinds that are not known yet could be among the selected ones.
    pub(super) fn may_grow(&self, frame: &Frame, open: &[Kind]) -> bool {
        self.columns.may_grow(frame, open) || self.except.as_ref().is_some_and(|except| except.may_grow(frame, open))
    }
}

impl<'de> Deserialize<'de> for TransformSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TransformSpec, D::Error> {
        let map = Map::deserialize(deserializer)?;
        from_map(map).map_err(D::Error::custom)
    }
}

fn from_map(mut map: Map<String, Value>) -> Result<TransformSpec, String> {
    let named: Vec<&Entry> = ENTRIES.iter().filter(|entry| map.contains_key(entry.key)).collect();
    let entry = match named.as_slice() {
        [one] => *one,
        [] => {
            let written = map.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
            let known = ENTRIES.iter().map(|entry| entry.key).collect::<Vec<_>>().join(", ");
            return Err(format!("`{written}` names no transform; there are: {known}"));
        }
        [one, two, ..] => {
            return Err(format!("a transform is one of `{}` and `{}`, write two list items", one.key, two.key));
        }
    };
    let key = entry.key;
    let value = map.remove(key).unwrap_or(Value::Null);
    let (params, own_columns) = match entry.columns {
        Columns::Value => (Value::Object(Map::new()), Some(selector(key, value)?)),
        Columns::Named => (params(entry, value, &mut map)?, Some(Selector::Many(Vec::new()))),
        Columns::Selected(_) => (params(entry, value, &mut map)?, None),
    };
    let operation = (entry.read)(params).map_err(|error| format!("{key}{error}"))?;
    let columns = match (own_columns, map.remove("columns")) {
        (Some(columns), None) => columns,
        (Some(_), Some(_)) => return Err(format!("`{key}` names its columns itself, so it takes no `columns`")),
        (None, Some(columns)) => selector("columns", columns)?,
        (None, None) => match entry.columns {
            Columns::Selected(default) => Selector::One(default.to_owned()),
            Columns::Value | Columns::Named => Selector::Many(Vec::new()),
        },
    };
    let except = map.remove("except").map(|except| selector("except", except)).transpose()?;
    let is_on = match map.remove("when") {
        None => true,
        Some(Value::Bool(is_on)) => is_on,
        Some(other) => {
            return Err(format!(
                "`when` beside `{key}` is {other}, and must be true or false, such as `${{{{ params.with_it }}}}`"
            ));
        }
    };
    if let Some(extra) = map.keys().next() {
        return Err(format!(
            "unknown key `{extra}` beside `{key}`; params of `{key}` go inside it: `{key}: {{{extra}: ...}}`"
        ));
    }
    Ok(TransformSpec { entry, operation, columns, except, is_on })
}

/// The params that `key: value` means, with those that stand beside the key.
fn params(entry: &Entry, value: Value, map: &mut Map<String, Value>) -> Result<Value, String> {
    let mut params = match (value, entry.bare) {
        (value, Some(bare)) if !entry.beside.is_empty() => Map::from_iter([(bare.to_owned(), value)]),
        (Value::Null, _) => Map::new(),
        (Value::Object(params), _) => params,
        (value, None) => return Ok(value),
        (value, Some(bare)) => Map::from_iter([(bare.to_owned(), value)]),
    };
    for (name, what) in entry.beside {
        let value = map.remove(*name).ok_or_else(|| format!("`{}` needs `{name}`, {what}", entry.key))?;
        params.insert((*name).to_owned(), value);
    }
    Ok(Value::Object(params))
}

fn selector(key: &str, value: Value) -> Result<Selector, String> {
    serde_json::from_value(value).map_err(|error| format!("{key}: {error}"))
}

impl JsonSchema for TransformSpec {
    fn schema_name() -> Cow<'static, str> {
        "Transform".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let forms: Vec<Schema> = ENTRIES.iter().map(|entry| form(entry, generator)).collect();
        json_schema!({"description": "One transform: the key that names it, and the columns it works on.", "oneOf": forms})
    }
}

/// The list item of one transform.
fn form(entry: &Entry, generator: &mut SchemaGenerator) -> Schema {
    let key = entry.key;
    let selector = generator.subschema_for::<Selector>();
    let params = (entry.schema)(generator);
    let param = |name: &str| params.get("properties").and_then(|properties| properties.get(name)).cloned();
    let description = params.get("description").cloned().unwrap_or_default();
    let mut properties = Map::new();
    let mut required = vec![Value::from(key)];
    let bare = entry.bare.and_then(param);
    match (entry.columns, bare) {
        (Columns::Value, _) => drop(properties.insert(key.to_owned(), selector.clone().to_value())),
        (_, Some(bare)) if !entry.beside.is_empty() => drop(properties.insert(key.to_owned(), bare)),
        (_, Some(bare)) => {
            let either = json_schema!({"anyOf": [params.clone(), bare]});
            properties.insert(key.to_owned(), either.to_value());
        }
        (_, None) => drop(properties.insert(key.to_owned(), params.clone().to_value())),
    }
    for (name, _) in entry.beside {
        properties.insert((*name).to_owned(), param(name).unwrap_or_default());
        required.push(Value::from(*name));
    }
    if let Columns::Selected(_) = entry.columns {
        properties.insert("columns".to_owned(), selector.clone().to_value());
    }
    if entry.columns != Columns::Named {
        properties.insert("except".to_owned(), selector.to_value());
    }
    let when = json_schema!({"type": "boolean", "description": "Whether it is done at all; for comparing a pipeline with it and without."});
    properties.insert("when".to_owned(), when.to_value());
    let compare = json_schema!({"const": ["with", "without"], "description": "Train every model a second time without it, and say what it is worth on validation rows."});
    properties.insert("compare".to_owned(), compare.to_value());
    json_schema!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": false
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ml::transform::impute::simple::Strategy;

    fn error(value: Value) -> String {
        serde_json::from_value::<TransformSpec>(value).unwrap_err().to_string()
    }

    #[test]
    fn a_bare_value_stands_for_the_main_param() {
        let spec: TransformSpec = serde_json::from_value(json!({"impute": "median", "columns": ["a"]})).unwrap();
        assert!(matches!(spec.operation, Operation::Impute(params) if params.strategy == Strategy::Median));
        let spec: TransformSpec = serde_json::from_value(json!({"one_hot": null})).unwrap();
        assert_eq!(spec.columns, Selector::One("@categorical".to_owned()));
    }

    #[test]
    fn mistakes_name_the_key_and_what_there_is() {
        let unknown = error(json!({"onehot": {}}));
        assert!(unknown.starts_with("`onehot` names no transform; there are: impute, "), "{unknown}");
        insta::assert_snapshot!(error(json!({"impute": "medain"})), @"impute.strategy: unknown variant `medain`, expected one of `mean`, `median`, `most_frequent`, `constant`, `missing_label`, `end_tail`");
        insta::assert_snapshot!(error(json!({"impute": "mean", "add_indicator": true})), @"unknown key `add_indicator` beside `impute`; params of `impute` go inside it: `impute: {add_indicator: ...}`");
        insta::assert_snapshot!(error(json!({"derive": "x"})), @"`derive` needs `as`, the expression");
        insta::assert_snapshot!(error(json!({"drop": "x", "one_hot": {}})), @"a transform is one of `one_hot` and `drop`, write two list items");
        assert!(error(json!({"one_hot": {"max_categories": -1}})).starts_with("one_hot.max_categories"));
        insta::assert_snapshot!(error(json!({"log1p": {}, "when": "yes"})), @r#"`when` beside `log1p` is "yes", and must be true or false, such as `${{ params.with_it }}`"#);
    }
}
