//! Conditions on rows: those of pandas and of Great Expectations, as text or as a tree, in our expressions.

use serde_json::Value;

/// The condition as an expression.
pub(super) fn condition(condition: &Value) -> Result<String, String> {
    match condition {
        Value::String(text) => text_condition(text),
        Value::Object(tree) => {
            let kind = tree.get("type").and_then(Value::as_str).unwrap_or_default();
            let column = || {
                let column = tree.get("column").ok_or("the condition names no column")?;
                let name = column.as_str().or_else(|| column.get("name")?.as_str());
                name.map(|name| format!("col({})", quoted(name))).ok_or("the condition names no column")
            };
            match kind {
                "comparison" => compare(&column()?, tree.get("operator"), tree.get("parameter")),
                "nullity" => {
                    let negation = if tree.get("is_null").and_then(Value::as_bool) == Some(false) { "!" } else { "" };
                    Ok(format!("{negation}isnull({})", column()?))
                }
                "and" | "or" => {
                    let parts = tree.get("conditions").and_then(Value::as_array).ok_or("the condition has no parts")?;
                    let parts: Vec<String> = parts.iter().map(self::condition).collect::<Result<_, _>>()?;
                    Ok(format!("({})", parts.join(if kind == "and" { " && " } else { " || " })))
                }
                "pass_through" => {
                    text_condition(tree.get("pass_through_filter").and_then(Value::as_str).unwrap_or_default())
                }
                other => Err(format!("the condition `{other}` is not known")),
            }
        }
        other => Err(format!("{other} is no condition")),
    }
}

fn compare(column: &str, operator: Option<&Value>, parameter: Option<&Value>) -> Result<String, String> {
    let parameter = parameter.ok_or("the condition compares with nothing")?;
    match operator.and_then(Value::as_str) {
        Some(operator @ ("==" | "!=" | "<" | "<=" | ">" | ">=")) => {
            Ok(format!("({column} {operator} {})", literal(parameter)?))
        }
        Some(operator @ ("IN" | "NOT_IN")) => {
            let values = parameter.as_array().ok_or("`IN` needs a list")?;
            let values: Vec<String> = values.iter().map(literal).collect::<Result<_, _>>()?;
            Ok(format!("{}({column} in [{}])", if operator == "IN" { "" } else { "!" }, values.join(", ")))
        }
        other => Err(format!("the operator {other:?} is not known")),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn literal(value: &Value) -> Result<String, String> {
    match value {
        Value::Array(_) | Value::Object(_) => Err(format!("{value} cannot be compared with")),
        plain => Ok(plain.to_string()),
    }
}

/// A condition as pandas' `query` reads it, or `col("a").notNull()`.
fn text_condition(text: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text.trim();
    while let Some(letter) = rest.chars().next() {
        let taken = if letter == '"' || letter == '\'' || letter == '`' {
            let end = rest[1..].find(letter).ok_or("a quote is not closed")? + 2;
            result.push_str(&rest[..end]);
            end
        } else if letter.is_alphabetic() || letter == '_' {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            match listed_after(&rest[end..]).filter(|_| &rest[..end] == "not") {
                Some((list, length)) => {
                    let operand = result.split_off(operand_start(result.trim_end()));
                    result += &["!(", operand.trim_end(), " in ", list, ")"].concat();
                    end + length
                }
                None => {
                    word(&rest[..end], &mut result);
                    end
                }
            }
        } else if let Some((method, negation)) = method(rest) {
            let start = operand_start(&result);
            let operand = result.split_off(start);
            result += &[negation, "isnull(", &operand, ")"].concat();
            method.len()
        } else {
            match letter {
                '&' => result.push_str("&&"),
                '|' => result.push_str("||"),
                '~' => result.push('!'),
                '@' => return Err("a variable (`@name`) has no value here".to_owned()),
                other => result.push(other),
            }
            let doubled = rest.starts_with("&&") || rest.starts_with("||");
            if doubled { 2 } else { letter.len_utf8() }
        };
        rest = &rest[taken..];
    }
    if result.trim().is_empty() { Err("the condition is empty".to_owned()) } else { Ok(format!("({})", result.trim())) }
}

/// The list after `in` at the beginning of a text, and where it ends.
fn listed_after(text: &str) -> Option<(&str, usize)> {
    let list = text.trim_start().strip_prefix("in")?.trim_start();
    let start = text.len() - list.len();
    let length = list.starts_with('[').then(|| list.find(']'))?? + 1;
    Some((&list[..length], start + length))
}

fn word(word: &str, result: &mut String) {
    match word {
        "and" => result.push_str("&&"),
        "or" => result.push_str("||"),
        "True" => result.push_str("true"),
        "False" => result.push_str("false"),
        "None" => result.push_str("null"),
        "not" => result.push('!'),
        other => result.push_str(other),
    }
}

/// A test for missing values at the beginning of a text, and what negates it.
fn method(text: &str) -> Option<(&'static str, &'static str)> {
    const METHODS: &[(&str, &str)] = &[
        (".notnull()", "!"),
        (".notna()", "!"),
        (".notNull()", "!"),
        (".isnull()", ""),
        (".isna()", ""),
        (".isNull()", ""),
    ];
    METHODS.iter().find(|(method, _)| text.starts_with(method)).copied()
}

/// Where the name or call at the end of a text begins.
fn operand_start(text: &str) -> usize {
    let bytes = text.as_bytes();
    if let Some(quoted) = text.strip_suffix('`') {
        return quoted.rfind('`').unwrap_or(0);
    }
    let mut start = text.len();
    if text.ends_with(')') {
        start = text.rfind('(').unwrap_or(0);
    }
    while start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || bytes[start - 1] == b'_' || bytes[start - 1] > 127)
    {
        start -= 1;
    }
    start
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::expr::Expr;

    #[test]
    fn conditions_are_expressions() {
        let check = |given: Value, expected: &str| {
            let found = condition(&given).unwrap();
            assert_eq!(found, expected);
            Expr::parse(&found).unwrap();
        };
        check(json!("n > 0"), "(n > 0)");
        check(json!("n > 0 and `a b` == 'x or y'"), "(n > 0 && `a b` == 'x or y')");
        check(json!("(n > 0) & ~(m.isnull()) | flag == True"), "((n > 0) && !(isnull(m)) || flag == true)");
        check(json!("col(\"n\").notNull()"), "(!isnull(col(\"n\")))");
        check(json!("plan not in ['a', 'b']"), "(!(plan in ['a', 'b']))");
        check(
            json!({"type": "and", "conditions": [
                {"type": "comparison", "column": {"name": "a b"}, "operator": "==", "parameter": "x"},
                {"type": "comparison", "column": {"name": "n"}, "operator": "NOT_IN", "parameter": [1, 2]},
                {"type": "nullity", "column": {"name": "c"}, "is_null": false},
            ]}),
            "((col(\"a b\") == \"x\") && !(col(\"n\") in [1, 2]) && !isnull(col(\"c\")))",
        );
        assert!(condition(&json!("n > @limit")).is_err());
        assert!(condition(&json!("")).is_err());
    }
}
