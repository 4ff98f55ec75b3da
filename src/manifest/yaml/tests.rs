use proptest::prelude::*;
use serde_json::json;

use std::fmt::Write;

use super::read;
use crate::manifest::node::Yaml;

fn value(text: &str) -> serde_json::Value {
    let (root, mistakes) = read(text);
    assert_eq!(mistakes, [], "{text}");
    root.unwrap().to_json()
}

fn codes(text: &str) -> Vec<&'static str> {
    read(text).1.iter().map(|mistake| mistake.code).collect()
}

#[test]
fn values_read_as_yaml_1_2_means_them() {
    assert_eq!(
        value("on: no\nport: 0123\nlist: [1, 2.5, \"3\", ~]\ntext: |\n  a\n  b\n"),
        json!({"on": "no", "port": 123, "list": [1, 2.5, "3", null], "text": "a\nb\n"})
    );
}

#[test]
fn every_value_knows_its_bytes() {
    let text = "a: {b: [1, 'é x']}\nc: >\n  long\n";
    let (root, _) = read(text);
    let root = root.unwrap();
    let b = &root.entry("a").unwrap().value.entry("b").unwrap().value;
    let Yaml::List(items) = &b.value else { panic!("{b:?}") };
    assert_eq!(&text[items[1].span.clone()], "'é x'");
    assert_eq!(&text[root.entry("c").unwrap().key.span.clone()], "c");
}

#[test]
fn an_anchor_can_be_repeated_and_merged() {
    assert_eq!(
        value("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\n"),
        json!({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"y": 3, "x": 1}})
    );
}

#[test]
fn all_duplicate_keys_are_reported_at_once() {
    assert_eq!(codes("a: 1\na: 2\nb: {c: 1, c: 2}\n"), ["duplicate_key", "duplicate_key"]);
}

#[test]
fn hostile_documents_are_refused() {
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (previous, next) in ('a'..='i').zip('b'..='j') {
        writeln!(laughs, "{next}: &{next} [{}]", vec![format!("*{previous}"); 10].join(", ")).unwrap();
    }
    assert_eq!(codes(&laughs), ["too_many_values"]);

    let mut deep = "a: &a [x]\n".to_owned();
    for (previous, next) in (0..200).zip(1..201) {
        deep = format!(
            "{deep}k{next}: &k{next} [*{}]\n",
            if previous == 0 { "a".to_owned() } else { format!("k{previous}") }
        );
    }
    assert_eq!(codes(&deep), ["too_deep"]);
    assert_eq!(codes(&"[".repeat(10_000)).len(), 1);
    assert_eq!(codes(&"- ".repeat(10_000)).len(), 1);
    assert_eq!(codes("a: &a [*a]\n"), ["recursive_alias"]);
}

#[test]
fn what_yaml_allows_and_a_manifest_cannot_use_is_refused() {
    assert_eq!(codes("a: 1\n---\nb: 1\n"), ["many_documents"]);
    assert_eq!(codes("a: .nan\n"), ["bad_number"]);
    assert_eq!(codes("a: !python/object x\n"), ["unknown_tag"]);
    assert_eq!(codes("{[1, 2]: x}\n"), ["wrong_type"]);
    assert_eq!(codes("a: *nowhere\n"), ["syntax"]);
    assert_eq!(codes("a:\n\t- x\n"), ["syntax"]);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        read(&text);
    }

    #[test]
    fn no_yaml_like_text_makes_the_reader_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&x ", "*x", "!!str ", "|\n", ">\n", "'", "\"", "#", "---\n", "<<: ", "é", "\t", "? ", "%",
        ]), 0..60)
    ) {
        let text = parts.concat();
        let (root, _) = read(&text);
        if let Some(root) = root {
            prop_assert!(text.get(root.span).is_some(), "places lie on characters");
        }
    }
}
