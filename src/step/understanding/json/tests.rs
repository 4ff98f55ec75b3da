//! What `ingest.json` promises, on small files.

use serde_json::{Value, json};

use crate::step::StepError;
use crate::step::testing::{Ran, Workbench, show};
use crate::table::BATCH_ROWS;

fn read(text: impl AsRef<[u8]>, mut with: Value) -> Result<Ran, StepError> {
    let bench = Workbench::new();
    bench.file("t.json", text);
    with["path"] = json!("t.json");
    bench.run("ingest.json", with, &[])
}

fn check(text: &str, with: Value) -> String {
    match read(text, with) {
        Ok(ran) => show(&ran.table("table")),
        Err(error) => format!("{}: {error}", error.code()),
    }
}

#[test]
fn nested_records_become_flat_columns() {
    let lines = r#"{"id": 1, "at": "2024-01-31 10:00:00", "who": {"age": 30}, "tags": ["a"]}
        {"id": 2.5, "who": {"age": null, "ok": true}}"#;
    insta::assert_snapshot!(check(lines, json!({"types": {"at": "timestamp"}})), @r#"
    id:Float64 at:Timestamp(µs) who.age:Int64 tags:Utf8 who.ok:Boolean
    1.0 2024-01-31T10:00:00 30 ["a"] ~
    2.5 ~ ~ ~ true
    "#);
    insta::assert_snapshot!(check(r#"{"a": {"b": {"c": 1}}, "d": 2}"#, json!({"flatten": 1})), @r#"
    a.b:Utf8 d:Int64
    {"c":1} 2
    "#);
    insta::assert_snapshot!(check(r#"{"a": {"b": 1}}"#, json!({"flatten": 0})), @r#"
    a:Utf8
    {"b":1}
    "#);
}

#[test]
fn a_list_can_become_a_row_per_element() {
    let orders = r#"[{"id": 1, "order": {"items": [{"sku": "a", "n": 2}, {"sku": "b"}, 5]}},
        {"id": 2, "order": {"items": []}}, {"id": 3, "order": {"items": null}}]"#;
    insta::assert_snapshot!(check(orders, json!({"explode": "order.items"})), @r"
    id:Int64 order.items_index:Int64 order.items.sku:Utf8 order.items.n:Int64 order.items:Int64
    1 0 a 2 ~
    1 1 b ~ ~
    1 2 ~ ~ 5
    2 ~ ~ ~ ~
    3 ~ ~ ~ ~
    ");
    insta::assert_snapshot!(check(r#"[{"items": {"a": 1}}]"#, json!({"explode": "items"})), @"
    items.a:Int64 items_index:Int64
    1 ~
    ");
    insta::assert_snapshot!(check(r#"[{"items": 5}]"#, json!({"explode": "items"})), @"json_record: record 1 of `t.json` makes no row: `items` is no list: 5");
    let ran = read(r#"[{"a": 1}]"#, json!({"explode": "items"})).unwrap();
    assert_eq!(ran.log, ["warning: no record has an element in a list `items`"]);
}

#[test]
fn what_is_wrong_is_named() {
    insta::assert_snapshot!(check("[{\"a\": 1}, {\"a\" 2}]", json!({})), @"json_syntax: record 2 of `t.json` is not valid JSON: expected `:` (line 1, column 17)");
    insta::assert_snapshot!(check("[{\"a\": \"x\"}]", json!({"types": {"a": "int64"}})), @"json_value: record 1 of `t.json` holds `x` in column `a`, which is no int64");
    insta::assert_snapshot!(check("", json!({})), @"json_empty: `t.json` holds no records");
    insta::assert_snapshot!(check("[{\"a\": 1}]", json!({"types": {"b": "int64"}})), @"column_missing: the table has no column `b`");
    insta::assert_snapshot!(check("[{\"a\": 1}, 5]", json!({})), @"json_record: record 2 of `t.json` is no object");
    insta::assert_snapshot!(check("{\"a\": 1}\n{\"b\":", json!({})), @"json_syntax: record 2 of `t.json` is not valid JSON: EOF while parsing a value (line 2, column 5)");
    insta::assert_snapshot!(check("[{\"a\": 1}", json!({})), @"json_syntax: `t.json` is not valid JSON: the list is never closed (line 1)");
    insta::assert_snapshot!(check("{\"a.b\": 1, \"a\": {\"b\": 2}}", json!({})), @"json_record: record 1 of `t.json` makes no row: two of its values are in the column `a.b`");
    let two_lists = "{\"a.b\": [1], \"a\": {\"b\": [2, 3]}}";
    insta::assert_snapshot!(check(two_lists, json!({"explode": "a.b"})), @"json_record: record 1 of `t.json` makes no row: two of its values are in the column `a.b`");
    insta::assert_snapshot!(check("{\"a\": 1, \"a\": 2}", json!({})), @"json_syntax: record 1 of `t.json` is not valid JSON: the key `a` is there twice (line 1, column 12)");
    insta::assert_snapshot!(check("{\"\": 1}", json!({})), @"json_record: record 1 of `t.json` makes no row: a key has no name");
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(200), "]".repeat(200));
    insta::assert_snapshot!(check(&deep, json!({})), @"json_syntax: record 1 of `t.json` is not valid JSON: recursion limit exceeded (line 1, column 133)");
    let error = read("{\"unicode\": 1, \"unicode\": 2}", json!({})).err().unwrap();
    assert!(error.remedy().unwrap().contains("sets broken records aside"), "{error}: {:?}", error.remedy());
    let error = read(b"{\"a\": \"Z\xfcrich\"}", json!({})).err().unwrap();
    insta::assert_snapshot!(format!("{error} ({})", error.remedy().unwrap()), @"record 1 of `t.json` is not valid JSON: invalid unicode code point (line 1, column 9) (convert the file to UTF-8)");
}

#[test]
fn numbers_beyond_64_bits_and_mixed_types_keep_what_they_say() {
    let text = "{\"id\": 1, \"v\": 1}\n{\"id\": 18446744073709551616, \"v\": \"n/a\"}";
    let ran = read(text, json!({})).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @r"
    id:Utf8 v:Utf8
    1 1
    18446744073709551616 n/a
    ");
    insta::assert_snapshot!(ran.log.join("\n"), @"
    warning: column `id` is kept as text, since line 2 of `t.json` holds `18446744073709551616`
    warning: column `v` is kept as text, since line 2 of `t.json` holds `n/a`
    ");
}

const BAD: &str =
    "{\"a\": 1, \"n\": 1}\n{\"a\": 2,\n[3]\n{\"a\": 4, \"n\": \"x\"}\n\n{\"a\": 5, \"a\": 5}\n{\"a\": 6}\n";

#[test]
fn bad_records_are_kept_beside_the_table_or_skipped() {
    let with = json!({"types": {"n": "int64"}, "bad_rows": "quarantine"});
    let ran = read(BAD, with.clone()).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @r"
    a:Int64 n:Int64
    1 1
    6 ~
    ");
    insta::assert_snapshot!(show(&ran.table("quarantine")), @r#"
    file:Utf8 line:Int64 code:Utf8 reason:Utf8 text:Utf8
    t.json 2 json_syntax line 2 is not valid JSON: EOF while parsing a value (line 2, column 8) {"a": 2,
    t.json 3 json_record line 3 is no object [3]
    t.json 4 json_value line 4 holds `x` in column `n`, which is no int64 {"a": 4, "n": "x"}
    t.json 6 json_syntax line 6 is not valid JSON: the key `a` is there twice (line 6, column 12) {"a": 5, "a": 5}
    "#);
    assert_eq!((ran.metric("rows"), ran.metric("bad_rows")), (Some(2.0), Some(4.0)));
    assert_eq!(read(BAD, json!({"bad_rows": "skip"})).unwrap().metric("rows"), Some(3.0));
    insta::assert_snapshot!(check("[1, 2]", json!({"bad_rows": "skip"})), @"json_no_good_rows: none of 2 records can be read; `t.json`: line 1 is no object");
    // A record of which one element is bad is set aside once and whole, so that nobody reads its other rows twice.
    let items = "[{\"i\": [{\"n\": 1}, {\"n\": \"x\"}, {\"n\": \"y\"}]},\n{\"i\": [{\"n\": 7}]}]";
    let mut with = with;
    with["types"] = json!({"i.n": "int64"});
    with["explode"] = json!("i");
    let ran = read(items, with).unwrap();
    assert_eq!((ran.metric("rows"), ran.metric("bad_rows")), (Some(1.0), Some(1.0)));
}

#[test]
fn a_record_of_more_rows_than_a_batch_loses_none_and_repeats_none() {
    let (last, bad) = (2 * BATCH_ROWS + 1, BATCH_ROWS);
    let items = |bad: Option<usize>| {
        let item = |n: usize| if Some(n) == bad { "\"x\"".to_owned() } else { n.to_string() };
        (0..last).map(item).collect::<Vec<_>>().join(",")
    };
    let (good, bad) = (items(None), items(Some(bad)));
    let text = format!("{{\"id\": 1, \"i\": [{good}]}}\n{{\"id\": 3, \"i\": [{bad}]}}\n{{\"id\": 2, \"i\": [7]}}\n");
    let with = json!({"types": {"i": "int64"}, "explode": "i", "bad_rows": "quarantine"});
    let ran = read(text, with).unwrap();
    let rows = show(&ran.table("table"));
    let expected = (0..last).map(|n| format!("1 {n} {n}")).chain(["2 0 7".to_owned()]);
    let mut rows = rows.lines();
    assert_eq!(rows.next(), Some("id:Int64 i_index:Int64 i:Int64"));
    assert!(rows.map(str::to_owned).eq(expected));
    assert_eq!((ran.metric("rows"), ran.metric("bad_rows")), (Some(last as f64 + 1.0), Some(1.0)));
}

#[test]
fn a_record_that_takes_more_memory_than_there_is_is_told_before_it_is_taken_apart() {
    let mut bench = Workbench::new();
    bench.memory_bytes = Some(8 << 20);
    let items = vec!["1"; 600_000].join(",");
    bench.file("t.json", format!("[{{\"i\": [0]}},\n{{\"i\": [{items}]}}]"));
    let error = bench.run("ingest.json", json!({"path": "t.json", "explode": "i"}), &[]).err().unwrap();
    assert!(error.to_string().starts_with("the record on line 2 of `t.json` needs 18.3 MiB"), "{error}");
}

#[test]
fn a_damaged_archive_is_the_files_fault() {
    let bench = Workbench::new();
    bench.file("t.json.gz", "not gzip");
    let error = bench.run("ingest.json", json!({"path": "t.json.gz"}), &[]).err().unwrap();
    assert_eq!(error.code(), "json_compression");
}
