//! What every source does with input that is odd: the same table, or an error with its place and remedy.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use super::SourceFile;
use crate::step::StepError;
use crate::step::testing::{Ran, Workbench, show};
use crate::step::understanding::IngestCsv;
use crate::step::{StepKind, understanding::ingest_csv};
use crate::table::TableWriter;

fn read(name: &str, content: impl AsRef<[u8]>, with: Value) -> Result<Ran, StepError> {
    let bench = Workbench::new();
    bench.file(name, content);
    let kind = if name.contains(".csv") { "ingest.csv" } else { "ingest.json" };
    let mut with = with;
    with["path"] = json!(name);
    bench.run(kind, with, &[])
}

fn check(name: &str, content: impl AsRef<[u8]>) -> String {
    match read(name, content, json!({})) {
        Ok(ran) => show(&ran.table("table")),
        Err(error) => format!("{}: {error}", error.code()),
    }
}

#[test]
fn ten_thousand_columns_are_a_table() {
    let names: Vec<String> = (0..10_000).map(|number| format!("c{number}")).collect();
    let row: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let ran = read("t.csv", format!("{}\n{}\n{}\n", names.join(","), row.join(","), row.join(",")), json!({})).unwrap();
    assert_eq!((ran.metric("columns"), ran.metric("rows")), (Some(10_000.0), Some(2.0)));
    let mut record = String::from("{");
    for (name, value) in names.iter().zip(&row) {
        write!(record, "{}\"{name}\": {value}", if record.len() > 1 { ", " } else { "" }).unwrap();
    }
    record.push('}');
    let ran = read("t.json", record, json!({})).unwrap();
    assert_eq!((ran.metric("columns"), ran.metric("rows")), (Some(10_000.0), Some(1.0)));
}

#[test]
fn no_rows_and_one_row_are_what_they_are() {
    assert_eq!(check("t.csv", "a,b\n"), "a:Utf8 b:Utf8");
    assert_eq!(check("t.csv", "a,b\n1,x"), "a:Int64 b:Utf8\n1 x");
    assert_eq!(check("t.json", "[]"), "json_empty: `t.json` holds no records");
    assert_eq!(check("t.json", "{\"a\": null}"), "a:Utf8\n~");
}

#[test]
fn control_characters_in_names_are_refused() {
    insta::assert_snapshot!(check("t.csv", "a,\"b\nc\"\n1,2\n"), @r#"csv_header: column 2 of `t.csv` has control characters in its name "b\nc""#);
    insta::assert_snapshot!(check("t.json", r#"{"a\u001b[31m": 1}"#), @r#"json_record: record 1 of `t.json` makes no row: a key has control characters in its name "a\u{1b}[31m""#);
    assert_eq!(
        read("t.csv", "a,\"b\nc\"\n1,2\n", json!({"columns": ["a", "b"], "header": true})).unwrap().metric("rows"),
        Some(1.0)
    );
    let error = read("t.csv", "1,2\n", json!({"columns": ["a", "b\u{1b}[31m"]})).err().unwrap();
    insta::assert_snapshot!(error, @r#"columns: a column has control characters in its name "b\u{1b}[31m""#);
}

#[test]
fn infinities_are_kept_and_nan_is_missing() {
    assert_eq!(check("t.csv", "x\ninf\n-Infinity\nNaN\n1e400\n"), "x:Float64\ninf\n-inf\n~\ninf");
    let bench = Workbench::new();
    let values: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY, f64::NAN]));
    let rows = RecordBatch::try_from_iter([("x", values)]).unwrap();
    let mut writer = TableWriter::create(&bench.folder().join("t.parquet"), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let ran = bench.run("ingest.parquet", json!({"path": "t.parquet"}), &[]).unwrap();
    assert_eq!(show(&ran.table("table")), "x:Float64\ninf\nNaN");
}

#[test]
fn digits_beyond_a_number_and_dates_far_away_are_kept() {
    let digits = "9".repeat(40);
    assert_eq!(check("t.csv", format!("n\n{digits}\n")), format!("n:Utf8\n{digits}"));
    assert_eq!(check("t.json", format!("{{\"n\": {digits}}}")), format!("n:Utf8\n{digits}"));
    assert_eq!(
        check("t.csv", "d,t\n0001-01-01,1850-06-01 10:00\n9999-12-31,2300-01-01 00:00\n"),
        "d:Date32 t:Timestamp(µs)\n0001-01-01 1850-06-01T10:00:00\n9999-12-31 2300-01-01T00:00:00"
    );
    // What is no day is a text.
    assert_eq!(check("t.csv", "d\n2023-02-29\n"), "d:Utf8\n2023-02-29");
}

/// `before`, then a million times `piece`, many times over, then `after`.
fn huge(bench: &Workbench, name: &str, [before, after]: [&str; 2], million: usize) {
    let mut file = io::BufWriter::new(std::fs::File::create(bench.folder().join(name)).unwrap());
    io::Write::write_all(&mut file, before.as_bytes()).unwrap();
    for _ in 0..million {
        io::Write::write_all(&mut file, &vec![b'x'; 1 << 20]).unwrap();
    }
    io::Write::write_all(&mut file, after.as_bytes()).unwrap();
}

#[test]
fn a_huge_cell_is_a_value_or_an_error_but_never_all_of_memory() {
    let bench = Workbench::new();
    huge(&bench, "t.csv", ["a,b\n1,", "\n2,y\n"], 8);
    let ran = bench.run("ingest.csv", json!({"path": "t.csv"}), &[]).unwrap();
    assert_eq!(ran.metric("rows"), Some(2.0));
    huge(&bench, "t.csv", ["a,b\n1,\"", "\"\n2,y\n"], 200);
    let error = bench.run("ingest.csv", json!({"path": "t.csv"}), &[]).err().unwrap();
    insta::assert_snapshot!(format!("{}: {error} ({})", error.code(), error.remedy().unwrap()), @"csv_long: `t.csv`: the row that begins on line 2 is longer than 64.0 MiB (a quote may never be closed there; or `quote` and `delimiter` are not right)");
    huge(&bench, "t.json", ["{\"a\": \"", "\"}\n"], 200);
    let error = bench.run("ingest.json", json!({"path": "t.json"}), &[]).err().unwrap();
    insta::assert_snapshot!(format!("{}: {error}", error.code()), @"json_record: the record of `t.json` on line 1 is longer than 64.0 MiB");
}

#[test]
fn a_file_that_changes_while_it_is_read_ends_the_step() {
    let bench = Workbench::new();
    let path = bench.file("t.csv", "a\n1\n");
    let file = SourceFile::at("t.csv".to_owned(), path).unwrap();
    bench.file("t.csv", "a\n1\n2\n");
    let params: ingest_csv::Params = serde_json::from_value(json!({"path": "t.csv"})).unwrap();
    let (mut context, _) = bench.context(&[]);
    let error = IngestCsv::new(params).unwrap().read_files(&mut context, vec![file], None).unwrap_err();
    insta::assert_snapshot!(format!("{}: {error} ({})", error.code(), error.remedy().unwrap()), @"source_changed: `t.csv` changed while it was read (run again when whatever writes it has ended; writers should rename a finished file into its place)");
}
