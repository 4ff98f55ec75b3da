//! Transforms as they are written in a manifest: one key that names the transform, and the columns beside it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::frame::{Column, Frame};
use super::learn::{FitFacts, Plan};
use super::scale::{MinMax, Standardize};
use super::selector::Selector;
use super::{TransformError, bin, date_parts, hash, impute, log1p, one_hot, ordinal, target_encoding, winsorize};
use crate::expr::Expr;

/// One transform of a feature pipeline.
#[derive(Debug, Clone)]
pub struct TransformSpec {
    /// What to do.
    pub(super) operation: Operation,
    /// The columns to do it with; each operation has its own default.
    pub(super) columns: Selector,
    /// Columns that are left out although selected.
    pub(super) except: Option<Selector>,
}

/// What a transform does.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Impute(impute::Params),
    Winsorize(winsorize::Params),
    Standardize(Standardize),
    MinMax(MinMax),
    Log1p(log1p::Params),
    OneHot(one_hot::Params),
    Ordinal(ordinal::Params),
    Target(target_encoding::Params),
    Hash(hash::Params),
    Bin(bin::Params),
    DateParts(date_parts::Params),
    Derive { name: String, expression: String },
    Drop,
    Select,
}

/// The key of each transform, the key that a bare value stands for, and the columns it works on by default.
const KEYS: &[(&str, Option<&str>, &str)] = &[
    ("impute", Some("strategy"), "@numeric"),
    ("winsorize", Some("method"), "@numeric"),
    ("standardize", None, "@numeric"),
    ("min_max", None, "@numeric"),
    ("log1p", None, "@numeric"),
    ("one_hot", None, "@categorical"),
    ("ordinal", None, "@categorical"),
    ("target", None, "@categorical"),
    ("hash", Some("n_features"), "@categorical"),
    ("bin", Some("n_bins"), "@numeric"),
    ("date_parts", Some("parts"), "@datetime"),
    ("derive", None, ""),
    ("drop", None, ""),
    ("select", None, ""),
];

impl TransformSpec {
    /// What is wrong with the text itself, before any table is known.
    pub fn check(&self) -> Result<(), String> {
        self.columns.check()?;
        self.except.as_ref().map_or(Ok(()), Selector::check)?;
        match &self.operation {
            Operation::Winsorize(params) => params.check(),
            Operation::MinMax(params) => params.check(),
            Operation::OneHot(params) => params.check(),
            Operation::Ordinal(params) => params.check(),
            Operation::Target(params) => params.check(),
            Operation::Hash(params) => params.check(),
            Operation::Bin(params) => params.check(),
            Operation::DateParts(params) => params.check(),
            Operation::Derive { expression, .. } => {
                Expr::parse(expression).map(drop).map_err(|error| error.to_string())
            }
            Operation::Impute(_)
            | Operation::Standardize(_)
            | Operation::Log1p(_)
            | Operation::Drop
            | Operation::Select => Ok(()),
        }
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

    /// Whether columns that are not known yet, all of them encoded, could be among the selected ones.
    pub(super) fn may_grow(&self, frame: &Frame) -> bool {
        self.columns.may_grow(frame) || self.except.as_ref().is_some_and(|except| except.may_grow(frame))
    }
}

impl Operation {
    /// What it takes to have this transform of the column called `name`.
    pub(super) fn plan(&self, name: &str, column: &Column, facts: &FitFacts) -> Result<Plan, TransformError> {
        match self {
            Operation::Impute(params) => params.plan(name, column),
            Operation::Winsorize(params) => params.plan(name, column),
            Operation::Standardize(params) => params.plan(name, column),
            Operation::MinMax(params) => params.plan(name, column),
            Operation::Log1p(log1p::Params {}) => log1p::plan(name, column),
            Operation::OneHot(params) => params.plan(name, column),
            Operation::Ordinal(params) => params.plan(name, column),
            Operation::Target(params) => params.plan(name, column, facts),
            Operation::Bin(params) => params.plan(name, column),
            Operation::DateParts(params) => params.plan(name, column),
            Operation::Hash(_) | Operation::Derive { .. } | Operation::Drop | Operation::Select => {
                unreachable!("these work on the frame and are never planned by column")
            }
        }
    }
}

impl<'de> Deserialize<'de> for TransformSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TransformSpec, D::Error> {
        let map = Map::deserialize(deserializer)?;
        from_map(map).map_err(D::Error::custom)
    }
}

fn from_map(mut map: Map<String, Value>) -> Result<TransformSpec, String> {
    let named: Vec<&(&str, Option<&str>, &str)> = KEYS.iter().filter(|(key, _, _)| map.contains_key(*key)).collect();
    let known = || KEYS.iter().map(|(key, _, _)| *key).collect::<Vec<_>>().join(", ");
    let (key, bare, default) = match named.as_slice() {
        [one] => **one,
        [] => {
            let written = map.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
            return Err(format!("`{written}` names no transform; there are: {}", known()));
        }
        [one, two, ..] => {
            return Err(format!("a transform is one of `{}` and `{}`, write two list items", one.0, two.0));
        }
    };
    let value = map.remove(key).unwrap_or(Value::Null);
    let (operation, own_columns) = operation(key, bare, value, &mut map)?;
    let columns = match (own_columns, map.remove("columns")) {
        (Some(columns), None) => columns,
        (Some(_), Some(_)) => return Err(format!("`{key}` names its columns itself, so it takes no `columns`")),
        (None, Some(columns)) => decode("columns", columns)?,
        (None, None) => Selector::One(default.to_owned()),
    };
    let except = map.remove("except").map(|except| decode("except", except)).transpose()?;
    if let Some(extra) = map.keys().next() {
        return Err(format!(
            "unknown key `{extra}` beside `{key}`; params of `{key}` go inside it: `{key}: {{{extra}: ...}}`"
        ));
    }
    Ok(TransformSpec { operation, columns, except })
}

/// The operation that `key: value` means, and the columns if the value names them.
fn operation(
    key: &str,
    bare: Option<&str>,
    value: Value,
    map: &mut Map<String, Value>,
) -> Result<(Operation, Option<Selector>), String> {
    let params = || -> Value {
        match (&value, bare) {
            (Value::Null, _) => Value::Object(Map::new()),
            (Value::Object(_), _) | (_, None) => value.clone(),
            (_, Some(bare)) => Value::Object(Map::from_iter([(bare.to_owned(), value.clone())])),
        }
    };
    let operation = match key {
        "impute" => Operation::Impute(decode(key, params())?),
        "winsorize" => Operation::Winsorize(decode(key, params())?),
        "log1p" => Operation::Log1p(decode(key, params())?),
        "ordinal" => Operation::Ordinal(decode(key, params())?),
        "target" => Operation::Target(decode(key, params())?),
        "hash" => Operation::Hash(decode(key, params())?),
        "bin" => Operation::Bin(decode(key, params())?),
        "date_parts" => Operation::DateParts(decode(key, params())?),
        "standardize" => Operation::Standardize(decode(key, params())?),
        "min_max" => Operation::MinMax(decode(key, params())?),
        "one_hot" => Operation::OneHot(decode(key, params())?),
        "drop" => return Ok((Operation::Drop, Some(decode(key, value)?))),
        "select" => return Ok((Operation::Select, Some(decode(key, value)?))),
        _ => {
            let name = decode(key, value)?;
            let expression = map.remove("as").ok_or("`derive` needs `as`, the expression")?;
            let expression = match expression {
                Value::String(text) => text,
                other => other.to_string(),
            };
            return Ok((Operation::Derive { name, expression }, Some(Selector::Many(Vec::new()))));
        }
    };
    Ok((operation, None))
}

fn decode<T: DeserializeOwned>(key: &str, value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        if path == "." { format!("{key}: {}", error.inner()) } else { format!("{key}.{path}: {}", error.inner()) }
    })
}

impl JsonSchema for TransformSpec {
    fn schema_name() -> Cow<'static, str> {
        "Transform".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let selector = generator.subschema_for::<Selector>();
        let strategy = generator.subschema_for::<impute::Strategy>();
        let method = generator.subschema_for::<winsorize::Method>();
        let parts = generator.subschema_for::<Vec<date_parts::Part>>();
        let count = || Some(json_schema!({"type": "integer", "minimum": 1}));
        let params = [
            ("impute", generator.subschema_for::<impute::Params>(), Some(strategy)),
            ("winsorize", generator.subschema_for::<winsorize::Params>(), Some(method)),
            ("standardize", generator.subschema_for::<Standardize>(), None),
            ("min_max", generator.subschema_for::<MinMax>(), None),
            ("log1p", generator.subschema_for::<log1p::Params>(), None),
            ("one_hot", generator.subschema_for::<one_hot::Params>(), None),
            ("ordinal", generator.subschema_for::<ordinal::Params>(), None),
            ("target", generator.subschema_for::<target_encoding::Params>(), None),
            ("hash", generator.subschema_for::<hash::Params>(), count()),
            ("bin", generator.subschema_for::<bin::Params>(), count()),
            ("date_parts", generator.subschema_for::<date_parts::Params>(), Some(parts)),
        ];
        let mut forms = Vec::new();
        for (key, schema, bare) in params {
            let value = match bare {
                Some(bare) => json_schema!({"anyOf": [schema, bare]}),
                None => schema,
            };
            forms.push(json_schema!({
                "type": "object",
                "properties": {key: value, "columns": selector, "except": selector},
                "required": [key],
                "additionalProperties": false
            }));
        }
        for (key, description) in
            [("drop", "Takes the columns away."), ("select", "Keeps these columns and takes all others away.")]
        {
            forms.push(json_schema!({
                "type": "object",
                "description": description,
                "properties": {key: selector, "except": selector},
                "required": [key],
                "additionalProperties": false
            }));
        }
        forms.push(json_schema!({
            "type": "object",
            "description": "Makes a column from an expression over the columns there are.",
            "properties": {
                "derive": {"type": "string", "description": "The name of the new column."},
                "as": {"type": "string", "description": "The expression, such as `total / (months + 1)`."}
            },
            "required": ["derive", "as"],
            "additionalProperties": false
        }));
        json_schema!({"description": "One transform: the key that names it, and the columns it works on.", "oneOf": forms})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(value: Value) -> String {
        serde_json::from_value::<TransformSpec>(value).unwrap_err().to_string()
    }

    #[test]
    fn a_bare_value_stands_for_the_main_param() {
        let spec: TransformSpec = serde_json::from_value(json!({"impute": "median", "columns": ["a"]})).unwrap();
        assert!(matches!(spec.operation, Operation::Impute(params) if params.strategy == impute::Strategy::Median));
        let spec: TransformSpec = serde_json::from_value(json!({"one_hot": null})).unwrap();
        assert_eq!(spec.columns, Selector::One("@categorical".to_owned()));
    }

    #[test]
    fn mistakes_name_the_key_and_what_there_is() {
        insta::assert_snapshot!(error(json!({"onehot": {}})), @"`onehot` names no transform; there are: impute, winsorize, standardize, min_max, log1p, one_hot, ordinal, target, hash, bin, date_parts, derive, drop, select");
        insta::assert_snapshot!(error(json!({"impute": "medain"})), @"impute.strategy: unknown variant `medain`, expected one of `mean`, `median`, `most_frequent`, `constant`");
        insta::assert_snapshot!(error(json!({"impute": "mean", "add_indicator": true})), @"unknown key `add_indicator` beside `impute`; params of `impute` go inside it: `impute: {add_indicator: ...}`");
        insta::assert_snapshot!(error(json!({"derive": "x"})), @"`derive` needs `as`, the expression");
        insta::assert_snapshot!(error(json!({"drop": "x", "one_hot": {}})), @"a transform is one of `one_hot` and `drop`, write two list items");
        assert!(error(json!({"one_hot": {"max_categories": -1}})).starts_with("one_hot.max_categories"));
    }
}
