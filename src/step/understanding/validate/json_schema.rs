//! The part of JSON Schema that says what a value looks like, for `json_schema`.
//!
//! Keywords that point elsewhere (`$ref`, `$dynamicRef`) and the rarer ones are refused by name, so that no schema is
//! ever checked in part.

use regex::Regex;
use serde_json::{Map, Value};

use super::patterns;

/// A schema that was read and found sound.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
enum Rule {
    Never,
    Type(Vec<String>),
    Enum(Vec<Value>),
    Number {
        bound: f64,
        is_upper: bool,
        is_strict: bool,
    },
    MultipleOf(f64),
    /// Of characters, items or members.
    Size {
        of: Extent,
        bound: u64,
        is_upper: bool,
    },
    Pattern(Regex),
    Required(Vec<String>),
    Members {
        known: Vec<(String, Shape)>,
        patterns: Vec<(Regex, Shape)>,
        others: Option<Box<Shape>>,
    },
    Items {
        first: Vec<Shape>,
        others: Option<Box<Shape>>,
    },
    UniqueItems,
    Contains(Box<Shape>),
    All(Vec<Shape>),
    Any(Vec<Shape>),
    One(Vec<Shape>),
    Not(Box<Shape>),
    If {
        condition: Box<Shape>,
        then: Option<Box<Shape>>,
        otherwise: Option<Box<Shape>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Text,
    List,
    Object,
}

/// What says nothing about values.
const REMARKS: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
];

impl Shape {
    /// Reads a schema: a map, true or false, or the JSON text of one.
    pub(super) fn compile(schema: &Value) -> Result<Shape, String> {
        match schema {
            Value::Bool(true) => Ok(Shape { rules: Vec::new() }),
            Value::Bool(false) => Ok(Shape { rules: vec![Rule::Never] }),
            Value::Object(schema) => Shape::of(schema),
            Value::String(text) => {
                let schema = serde_json::from_str(text).map_err(|error| format!("the schema is no JSON: {error}"))?;
                if Value::is_string(&schema) {
                    Err("the schema is no object".to_owned())
                } else {
                    Shape::compile(&schema)
                }
            }
            _ => Err("the schema is no object".to_owned()),
        }
    }

    fn of(schema: &Map<String, Value>) -> Result<Shape, String> {
        let mut rules = Vec::new();
        for (keyword, value) in schema {
            let misfit = || format!("`{keyword}` cannot be {value}");
            let list =
                || value.as_array().ok_or_else(misfit)?.iter().map(Shape::compile).collect::<Result<Vec<_>, _>>();
            let one = || Shape::compile(value).map(Box::new);
            let number = |is_upper, is_strict| {
                value.as_f64().map(|bound| Rule::Number { bound, is_upper, is_strict }).ok_or_else(misfit)
            };
            let size = |of, is_upper| value.as_u64().map(|bound| Rule::Size { of, bound, is_upper }).ok_or_else(misfit);
            rules.push(match keyword.as_str() {
                "type" => Rule::Type(texts(value).ok_or_else(misfit)?),
                "enum" => Rule::Enum(value.as_array().ok_or_else(misfit)?.clone()),
                "const" => Rule::Enum(vec![value.clone()]),
                "minimum" => number(false, false)?,
                "maximum" => number(true, false)?,
                "exclusiveMinimum" => number(false, true)?,
                "exclusiveMaximum" => number(true, true)?,
                "multipleOf" => Rule::MultipleOf(value.as_f64().filter(|step| *step > 0.0).ok_or_else(misfit)?),
                "minLength" => size(Extent::Text, false)?,
                "maxLength" => size(Extent::Text, true)?,
                "minItems" => size(Extent::List, false)?,
                "maxItems" => size(Extent::List, true)?,
                "minProperties" => size(Extent::Object, false)?,
                "maxProperties" => size(Extent::Object, true)?,
                "pattern" => Rule::Pattern(patterns::regex(value.as_str().ok_or_else(misfit)?)?),
                "required" => Rule::Required(value.as_array().and_then(|_| texts(value)).ok_or_else(misfit)?),
                "uniqueItems" if value == &Value::Bool(true) => Rule::UniqueItems,
                "uniqueItems" if value == &Value::Bool(false) => continue,
                "contains" => Rule::Contains(one()?),
                "allOf" => Rule::All(list()?),
                "anyOf" => Rule::Any(list()?),
                "oneOf" => Rule::One(list()?),
                "not" => Rule::Not(one()?),
                // These are read with their companions below.
                "properties"
                | "patternProperties"
                | "additionalProperties"
                | "items"
                | "prefixItems"
                | "additionalItems"
                | "if"
                | "then"
                | "else" => continue,
                remark if REMARKS.contains(&remark) => continue,
                _ => return Err(format!("the keyword `{keyword}` of JSON Schema is not supported")),
            });
        }
        rules.extend(members(schema)?);
        rules.extend(items(schema)?);
        if let Some(condition) = schema.get("if") {
            let branch = |name: &str| schema.get(name).map(Shape::compile).transpose().map(|shape| shape.map(Box::new));
            let condition = Box::new(Shape::compile(condition)?);
            rules.push(Rule::If { condition, then: branch("then")?, otherwise: branch("else")? });
        }
        Ok(Shape { rules })
    }

    /// Whether a value fulfils the schema.
    pub(super) fn fits(&self, value: &Value) -> bool {
        self.rules.iter().all(|rule| rule.fits(value))
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn members(schema: &Map<String, Value>) -> Result<Option<Rule>, String> {
    let object = |name: &str| match schema.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Object(members)) => {
            members.iter().map(|(name, shape)| Ok((name.clone(), Shape::compile(shape)?))).collect()
        }
        Some(other) => Err(format!("`{name}` cannot be {other}")),
    };
    let known = object("properties")?;
    let patterns = object("patternProperties")?
        .into_iter()
        .map(|(pattern, shape)| Ok((patterns::regex(&pattern)?, shape)))
        .collect::<Result<Vec<_>, String>>()?;
    let others = schema.get("additionalProperties").map(Shape::compile).transpose()?.map(Box::new);
    let says_nothing = known.is_empty() && patterns.is_empty() && others.is_none();
    Ok((!says_nothing).then_some(Rule::Members { known, patterns, others }))
}

fn items(schema: &Map<String, Value>) -> Result<Option<Rule>, String> {
    let list =
        |value: &Value| value.as_array().into_iter().flatten().map(Shape::compile).collect::<Result<Vec<_>, _>>();
    let (first, others) = match (schema.get("prefixItems"), schema.get("items")) {
        // Before draft 2020 a list under `items` was what `prefixItems` is now.
        (None, Some(items @ Value::Array(_))) => (list(items)?, schema.get("additionalItems")),
        (prefix, others) => (prefix.map(list).transpose()?.unwrap_or_default(), others),
    };
    let others = others.map(Shape::compile).transpose()?.map(Box::new);
    let says_nothing = first.is_empty() && others.is_none();
    Ok((!says_nothing).then_some(Rule::Items { first, others }))
}

impl Rule {
    fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Rule::Never, _) => false,
            (Rule::Type(types), value) => types.iter().any(|name| is_a(value, name)),
            (Rule::Enum(values), value) => values.iter().any(|known| equal(known, value)),
            (Rule::Number { bound, is_upper, is_strict }, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                let (low, high) = if *is_upper { (number, *bound) } else { (*bound, number) };
                low < high || (!is_strict && low <= high)
            }
            (Rule::MultipleOf(step), Value::Number(number)) => {
                let quotient = number.as_f64().unwrap_or(f64::NAN) / step;
                (quotient - quotient.round()).abs() < 1e-9
            }
            (Rule::Size { of, bound, is_upper }, value) => {
                let size = match (of, value) {
                    (Extent::Text, Value::String(text)) => text.chars().count(),
                    (Extent::List, Value::Array(items)) => items.len(),
                    (Extent::Object, Value::Object(members)) => members.len(),
                    _ => return true,
                };
                if *is_upper { size as u64 <= *bound } else { size as u64 >= *bound }
            }
            (Rule::Pattern(pattern), Value::String(text)) => pattern.is_match(text),
            (Rule::Required(names), Value::Object(members)) => names.iter().all(|name| members.contains_key(name)),
            (Rule::Members { known, patterns, others }, Value::Object(members)) => {
                members.iter().all(|(name, value)| {
                    let own = known.iter().filter(|(known, _)| known == name).map(|(_, shape)| shape);
                    let matching =
                        patterns.iter().filter(|(pattern, _)| pattern.is_match(name)).map(|(_, shape)| shape);
                    let shapes: Vec<&Shape> = own.chain(matching).collect();
                    shapes.iter().all(|shape| shape.fits(value))
                        && (!shapes.is_empty() || others.as_ref().is_none_or(|others| others.fits(value)))
                })
            }
            (Rule::Items { first, others }, Value::Array(items)) => {
                items.iter().enumerate().all(|(place, item)| match first.get(place) {
                    Some(shape) => shape.fits(item),
                    None => others.as_ref().is_none_or(|others| others.fits(item)),
                })
            }
            (Rule::UniqueItems, Value::Array(items)) => {
                (1..items.len()).all(|place| !items[..place].iter().any(|earlier| equal(earlier, &items[place])))
            }
            (Rule::Contains(shape), Value::Array(items)) => items.iter().any(|item| shape.fits(item)),
            (Rule::All(shapes), value) => shapes.iter().all(|shape| shape.fits(value)),
            (Rule::Any(shapes), value) => shapes.iter().any(|shape| shape.fits(value)),
            (Rule::One(shapes), value) => shapes.iter().filter(|shape| shape.fits(value)).count() == 1,
            (Rule::Not(shape), value) => !shape.fits(value),
            (Rule::If { condition, then, otherwise }, value) => {
                let branch = if condition.fits(value) { then } else { otherwise };
                branch.as_ref().is_none_or(|branch| branch.fits(value))
            }
            // A rule about another type says nothing about this one.
            _ => true,
        }
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

/// Equality as JSON Schema has it: 1 and 1.0 are one number.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_fits_a_schema_or_does_not() {
        let check = |schema: Value, good: &[Value], bad: &[Value]| {
            let shape = Shape::compile(&schema).unwrap();
            for value in good {
                assert!(shape.fits(value), "{value} fits {schema}");
            }
            for value in bad {
                assert!(!shape.fits(value), "{value} does not fit {schema}");
            }
        };
        check(json!({"type": "integer", "minimum": 0}), &[json!(0), json!(2.0)], &[json!(-1), json!(0.5), json!("1")]);
        check(
            json!({"properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}),
            &[json!({"a": "x"}), json!(3)],
            &[json!({}), json!({"a": 1}), json!({"a": "x", "b": 1})],
        );
        check(
            json!({"items": {"enum": [1, "x"]}, "uniqueItems": true}),
            &[json!([1, "x"])],
            &[json!([1, 1.0]), json!([2])],
        );
        check(json!({"oneOf": [{"type": "number"}, {"minimum": 5}]}), &[json!(1), json!("x")], &[json!(6)]);
        check(json!({"minLength": 2, "pattern": "^a"}), &[json!("aü"), json!(1)], &[json!("a"), json!("ba")]);
        check(
            json!({"if": {"type": "string"}, "then": {"minLength": 1}, "else": false}),
            &[json!("a")],
            &[json!(""), json!(1)],
        );
        check(json!({"not": {"const": null}}), &[json!(1)], &[json!(null)]);
        assert!(Shape::compile(&json!({"$ref": "#/x"})).unwrap_err().contains("`$ref`"));
        assert!(Shape::compile(&json!({"pattern": "("})).is_err());
        check(json!("{\"type\": \"null\"}"), &[json!(null)], &[json!(1)]);
    }
}
