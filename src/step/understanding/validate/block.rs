//! Expectations as a block of YAML that can be put into a manifest.

use serde_json::{Map, Value};

/// How wide a line may be before an expectation is broken into lines.
const WIDTH: usize = 140;

/// A step `checked` with these expectations over the input `table`. `remarks` stand above it as comments.
pub fn validate_block(table: &str, expectations: &[Map<String, Value>], remarks: &[String]) -> String {
    let lines: Vec<String> =
        remarks.iter().flat_map(|remark| remark.lines()).map(|line| format!("# {line}\n")).collect();
    let mut text = lines.concat();
    text += &["checked:\n  uses: validate.table\n  inputs: {table: ", &plain(table), "}\n  with:\n"].concat();
    if expectations.is_empty() {
        text.push_str("    expect: []\n");
        return text;
    }
    text.push_str("    expect:\n");
    for expectation in expectations {
        let members: Vec<String> =
            in_order(expectation).map(|(member, value)| format!("{}: {}", name(member), flow(value))).collect();
        let line = format!("      - {{{}}}", members.join(", "));
        if line.chars().count() <= WIDTH {
            text.push_str(&line);
            text.push('\n');
        } else {
            for (place, member) in members.iter().enumerate() {
                text.push_str(if place == 0 { "      - " } else { "        " });
                text.push_str(member);
                text.push('\n');
            }
        }
    }
    text
}

/// What is asked about first, then the check, then all else as it stands.
fn in_order(expectation: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    const FIRST: [&str; 3] = ["column", "columns", "check"];
    let first = FIRST.into_iter().filter_map(|name| expectation.get_key_value(name));
    first.chain(expectation.iter().filter(|(name, _)| !FIRST.contains(&name.as_str())))
}

/// A value in flow style. What JSON calls a value is one in YAML too.
pub fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(member, value)| format!("{}: {}", name(member), flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// What YAML, or readers of its older versions, take for something else than a text.
const WORDS: [&str; 12] = ["null", "true", "false", "yes", "no", "on", "off", "nan", "inf", "y", "n", "none"];

/// A text without quotes where YAML reads it as nothing else.
fn plain(text: &str) -> String {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins = text.as_bytes().first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    if is_word && begins && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

/// The name of a member: as a text, or the share of a quantile as the number that people write.
fn name(text: &str) -> String {
    let is_share = text.starts_with("0.") && text[2..].bytes().all(|byte| byte.is_ascii_digit()) && text.len() > 2;
    if is_share { text.to_owned() } else { plain(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_reads_as_what_it_was_written_from() {
        let expectations = [
            json!({"check": "in_set", "values": ["Yes", "no", "", "a: b", "ü # x", null, 1.5, "0.5", "1e3", "~", "2026-01-01"], "column": "a b"}),
            json!({"check": "quantiles", "column": "x", "quantiles": {"0.05": [null, 2], "1": [3, 4]}}),
            json!({"check": "regex", "column": "y", "pattern": "^[a-z]{2,3}\\d+\"'\n$", "mostly": 0.5}),
            json!({"check": "in_set", "column": "long", "values": (0..40).map(|n| format!("value {n}")).collect::<Vec<_>>()}),
        ];
        let maps: Vec<Map<String, Value>> = expectations.iter().map(|it| it.as_object().unwrap().clone()).collect();
        let text = validate_block("customers", &maps, &["from a suite\nof two lines".to_owned()]);
        assert!(text.starts_with("# from a suite\n# of two lines\nchecked:\n"), "{text}");
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        for (place, expectation) in expectations.iter().enumerate() {
            let read = &read["checked"]["with"]["expect"][place];
            for (name, value) in expectation.as_object().unwrap().iter().filter(|(name, _)| *name != "quantiles") {
                assert_eq!(&read[name], value, "{text}");
            }
        }
        assert!(text.contains("quantiles: {0.05: [null, 2], \"1\": [3, 4]}"), "{text}");
    }
}
