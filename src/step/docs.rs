//! The reference of all kinds as Markdown, from the same doc comments that make the JSON Schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{Effect, KindInfo, StepRegistry};
use crate::ml::transform::catalogue;
use crate::phase::Phase;

/// Every kind by phase: what it does, an example, and its params.
pub fn reference(registry: &StepRegistry) -> String {
    let mut text = String::from(
        "# Steps\n\nEvery kind of step with an example and its params. This page is made from the code; \
         `phaseline schema` gives the same to editors.\n",
    );
    for phase in Phase::ALL {
        let kinds: Vec<&KindInfo> = registry.kinds().filter(|kind| kind.phase == phase).collect();
        if kinds.is_empty() {
            continue;
        }
        push(&mut text, format!("\n## {phase}"));
        for kind in kinds {
            describe(kind, &mut text);
        }
    }
    text
}

fn push(text: &mut String, line: impl std::fmt::Display) {
    writeln!(text, "{line}").expect("a string takes everything");
}

fn describe(kind: &KindInfo, text: &mut String) {
    push(text, format!("\n### `{}`\n\n{}", kind.name, kind.summary));
    if kind.effect == Effect::External {
        push(text, "\nIt changes something outside its outputs, so it runs every time.");
    }
    push(text, format!("\n```yaml\n{}\n```", kind.example.trim()));
    let schema = (kind.schema)();
    if let Some(root) = schema.as_object() {
        params(root, text, |_| String::new());
    }
}

/// The table of params of an object schema; `more` adds to what is said of each.
fn params(root: &Map<String, Value>, text: &mut String, more: impl Fn(&Map<String, Value>) -> String) {
    let properties = properties(root);
    if properties.is_empty() {
        return;
    }
    push(text, "\n| param | type | default | |\n|---|---|---|---|");
    for (name, property, is_required) in properties {
        let default = match property.get("default") {
            _ if is_required => "required".to_owned(),
            None | Some(Value::Null) => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let description = format!("{}{}", described(property), more(property)).replace('|', "\\|");
        push(text, format!("| `{name}` | {} | {default} | {description} |", kind_of(property, root)));
    }
}

/// The description of a schema on one line.
fn described(schema: &Map<String, Value>) -> String {
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    description.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every transform of `feature.pipeline` by family: what it does, an example, and its params.
pub fn transform_reference() -> String {
    let mut text = String::from(TRANSFORMS);
    let mut family = "";
    for listed in catalogue() {
        if listed.family != family {
            family = listed.family;
            push(&mut text, format!("\n## {family}"));
        }
        let Some(root) = listed.schema.as_object() else { continue };
        push(&mut text, format!("\n### `{}`\n\n{}", listed.key, described(root)));
        if let Some(columns) = listed.columns {
            push(&mut text, format!("\nWithout `columns`: `\"{columns}\"`."));
        }
        push(&mut text, format!("\n```yaml\n- {}\n```", listed.example));
        params(root, &mut text, |property| choices(property, root));
    }
    text
}

/// The beginning of the page of all transforms.
const TRANSFORMS: &str = "# Transforms

The items of `transforms` in a `feature.pipeline` step. This page is made from the code.

An item has one key that names the transform, with its params; `columns` says which columns it works on, `except` which \
of them not. Both take names, patterns (`charge_*`), regular expressions (`/^charge_/`) and kinds: `@numeric` (numbers \
that do not stand for categories), `@categorical` (text and booleans), `@datetime`, `@encoded` (0/1 columns and codes) \
and `@all`. Transforms apply in the order they are written, each to what the ones before it made.

Everything is learnt from the `fit` table alone and saved as JSON. A row gets the same numbers in a table and in a \
request. Transforms that learn from the target are cross-fitted: a row of the fit table gets what other rows taught, so \
a model does not learn from its own answers; all other rows get what all rows of the fit table taught. Quantiles are \
linear between neighbours, as numpy's, where nothing else is said. A missing value stays missing where nothing else \
is said, and a NaN is a missing value.
";

/// What each choice of an enumeration means.
fn choices(property: &Map<String, Value>, root: &Map<String, Value>) -> String {
    if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let target = root.get("$defs").and_then(|definitions| definitions.get(name)).and_then(Value::as_object);
        return target.map(|target| choices(target, root)).unwrap_or_default();
    }
    let options =
        ["anyOf", "oneOf"].into_iter().filter_map(|key| property.get(key).and_then(Value::as_array)).flatten();
    let choice = |option: &Map<String, Value>| match option.get("const").and_then(Value::as_str) {
        Some(name) => format!(" `{name}`: {}", described(option)),
        None => choices(option, root),
    };
    options.filter_map(Value::as_object).map(choice).collect()
}

/// The properties of an object schema with their names, and whether they are required.
fn properties(schema: &Map<String, Value>) -> Vec<(&str, &Map<String, Value>, bool)> {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| Some((name.as_str(), property.as_object()?, required.contains(&name.as_str()))))
        .collect()
}

/// The type of a property in words.
fn kind_of(property: &Map<String, Value>, root: &Map<String, Value>) -> String {
    if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let target = root.get("$defs").and_then(|definitions| definitions.get(name));
        return match target.and_then(Value::as_object) {
            Some(target) => kind_of(target, root),
            None => "object".to_owned(),
        };
    }
    if let Some(choices) = property.get("enum").and_then(Value::as_array) {
        return choices.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    }
    if let Some(constant) = property.get("const") {
        return constant.as_str().map_or_else(|| constant.to_string(), str::to_owned);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = property.get(key).and_then(Value::as_array) {
            let mut kinds: Vec<String> = options
                .iter()
                .filter_map(Value::as_object)
                .map(|option| kind_of(option, root))
                .filter(|kind| kind != "null")
                .collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
    }
    match property.get("type") {
        Some(Value::String(kind)) if kind == "array" => match property.get("items").and_then(Value::as_object) {
            Some(items) => format!("list of {}", kind_of(items, root)),
            None => "list".to_owned(),
        },
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_of_all_transforms_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/transforms.md");
        let now = super::transform_reference();
        if std::env::var_os("PHASELINE_UPDATE").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(before == now, "docs/transforms.md is out of date: run the tests once with PHASELINE_UPDATE=1");
    }
}
