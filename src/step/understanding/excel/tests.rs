use std::path::PathBuf;

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use serde_json::{Value, json};

use crate::step::testing::{Ran, Workbench, column, show};
use crate::step::understanding::IngestExcel;
use crate::step::understanding::source::SourceFile;
use crate::step::{StepError, StepKind, StepRegistry};

/// Made by `tools/oracle/workbooks.py`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/workbooks").join(name)
}

fn read(name: &str, mut with: Value) -> Result<Ran, StepError> {
    with["path"] = json!(fixture(name));
    Workbench::new().run("ingest.excel", with, &[])
}

fn check(name: &str, with: Value) -> String {
    match read(name, with) {
        Ok(ran) => show(&ran.table("table")),
        Err(error) => {
            let text = format!("{}: {error} ({})", error.code(), error.remedy().unwrap_or("-"));
            text.replace(&fixture(name).display().to_string(), name)
        }
    }
}

#[test]
fn cells_have_the_types_that_their_formats_say() {
    let ran = read("book.xlsx", json!({})).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @r"
    id:Int64 amount:Float64 paid:Boolean day:Date32 at:Timestamp(µs) length:Float64 time:Float64 note:Utf8 mixed:Utf8 never:Utf8
    1 2.5 true 2024-01-31 2024-01-31T10:30:15.500 93609.0 67500.0 Zürich & <b> 7 ~
    2 -1e-7 false 1900-01-01 1999-12-31T23:59:59 0.25 1.0  007  n/a ~
    9007199254740992 ~ ~ 9999-12-31 2024-02-29T00:00:00 ~ ~ ~ true ~
    ");
    assert_eq!((ran.metric("rows"), ran.metric("columns")), (Some(3.0), Some(10.0)));
    let log = ran.log.join("\n");
    assert!(log.contains("column `mixed` is kept as text, since Kinds!I3 of"), "{log}");
    assert!(log.contains("column `never` has no values at all"), "{log}");
}

#[test]
fn the_four_formats_give_the_same_table() {
    let xlsx = show(&read("book.xlsx", json!({"range": "A:I"})).unwrap().table("table"));
    assert_eq!(show(&read("book.ods", json!({"range": "A:I"})).unwrap().table("table")), xlsx);
    // `.xls` knows no lengths of time below a second.
    let without = |name: &str| check(name, json!({"range": "A1:E5"}));
    assert_eq!(without("book.xls"), without("book.xlsx"));
    insta::assert_snapshot!(check("book.xlsb", json!({})), @r"
    x:Float64 n:Int64 ok:Boolean text:Utf8
    1.5 42 true Zürich
    -2.0 ~ ~ x
    ");
    insta::assert_snapshot!(check("from-1904.xlsx", json!({})), @r"
    day:Date32
    2024-01-31
    ");
}

#[test]
fn a_table_may_stand_anywhere_on_its_sheet() {
    let titled = json!({"sheet": "Title above", "skip_rows": 2});
    insta::assert_snapshot!(check("book.xlsx", titled), @r"
    Customer ID:Utf8 Sum:Int64
    a 1
    b 2
    Total 3
    ");
    let range = json!({"sheet": 2, "range": "B4:D7", "columns": ["who", "sum"], "header": true});
    insta::assert_snapshot!(check("book.xlsx", range), @r"
    who:Utf8 sum:Int64
    a 1
    b 2
    ");
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Bare", "header": false})), @r"
    column_1:Float64 column_2:Utf8
    1.0 x
    2.5 y
    ");
    // Names from the manifest replace a header whatever it holds, and a column without one has its name too.
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Nameless", "columns": ["x", "y", "z"], "header": true})), @r"
    x:Int64 y:Int64 z:Int64
    1 2 3
    ");
    let broken_header = json!({"sheet": "Errors", "range": "A3:B5", "columns": ["id", "share"], "header": true, "null_values": ["#N/A"]});
    insta::assert_snapshot!(check("book.xlsx", broken_header), @r"
    id:Int64 share:Int64
    3 ~
    4 2
    ");
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Merged"})), @r"
    group:Utf8 n:Int64
    x 1
    ~ 2
    y 3
    ");
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Merged", "merged": "fill"})), @r"
    group:Utf8 n:Int64
    x 1
    x 2
    y 3
    ");
    // The region may begin above what is read.
    let below = json!({"sheet": "Merged", "merged": "fill", "range": "A3:B4", "header": false});
    insta::assert_snapshot!(check("book.xlsx", below), @r"
    column_1:Utf8 column_2:Int64
    x 2
    y 3
    ");
    insta::assert_snapshot!(check("book.ods", json!({"merged": "fill"})), @"excel_merged: the merged cells of `book.ods` cannot be told (`merged: fill` is for `.xlsx` and `.xls`: save the workbook as one of them)");
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Header only"})), @"a:Utf8 b:Utf8");
}

#[test]
fn types_and_missing_values_may_be_declared() {
    let with = json!({"range": "A1:E5", "types": {"id": "text", "amount": "date", "day": "timestamp"}, "null_values": ["-1e-7", "2.5"]});
    insta::assert_snapshot!(check("book.xlsx", with), @r"
    id:Utf8 amount:Date32 paid:Boolean day:Timestamp(µs) at:Timestamp(µs)
    1 ~ true 2024-01-31T00:00:00 2024-01-31T10:30:15.500
    2 ~ false 1900-01-01T00:00:00 1999-12-31T23:59:59
    9007199254740992 ~ ~ 9999-12-31T00:00:00 2024-02-29T00:00:00
    ");
}

#[test]
fn cells_that_hold_errors_end_the_step_or_are_set_aside() {
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Errors"})), @"excel_value: Errors!B3 holds #DIV/0! in column `share` (in `book.xlsx`) (repair the cell, add what it holds to `null_values` if it means missing, give the column another type in `types`, or set rows like it aside with `bad_rows: quarantine`)");
    let ran = read("book.xlsx", json!({"sheet": "Errors", "bad_rows": "quarantine", "null_values": ["#N/A"]})).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @"
    id:Int64 share:Float64
    1 0.5
    3 ~
    4 2.0
    ");
    let aside = show(&ran.table("quarantine")).replace(&fixture("book.xlsx").display().to_string(), "book.xlsx");
    insta::assert_snapshot!(aside, @"
    file:Utf8 line:Int64 code:Utf8 reason:Utf8 text:Utf8
    book.xlsx 3 excel_value Errors!B3 holds #DIV/0! in column `share` 2	#DIV/0!
    book.xlsx 6 excel_value Errors!B6 holds the date number -1, which is no date in column `share` 5	the date number -1, which is no date
    ");
    assert_eq!((ran.metric("rows"), ran.metric("bad_rows")), (Some(3.0), Some(2.0)));
    // Values that are missing keep their places.
    let with = json!({"range": "A1:I5", "types": {"mixed": "int64"}, "bad_rows": "quarantine", "null_values": ["n/a"]});
    let aside = read("book.xlsx", with).unwrap().table("quarantine");
    assert_eq!(
        column(&aside, "text").as_string::<i32>().value(0),
        "9007199254740992\t\t\t9999-12-31\t2024-02-29\t\t\t\ttrue"
    );
    let error = check(
        "book.xlsx",
        json!({"sheet": "Errors", "types": {"share": "bool"}, "bad_rows": "skip", "range": "A1:B3"}),
    );
    insta::assert_snapshot!(error, @"excel_no_good_rows: none of 2 rows can be read; `book.xlsx`: Errors!B2 holds `0.5` in column `share`, which is no bool (look whether `sheet`, `range`, `skip_rows` and `types` are right)");
}

#[test]
fn what_is_wrong_with_a_workbook_is_named() {
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "kinds"})), @"excel_sheet: `book.xlsx` has no sheet `kinds`; its sheets are `Kinds`, `Errors`, `Title above`, `Twice`, `Nameless`, `Merged`, `Nothing`, `Header only`, `Bare` (name one of them in `sheet`; positions count from 0)");
    insta::assert_snapshot!(check("book.xls", json!({"sheet": 1})), @"excel_sheet: `book.xls` has no sheet at position 1; its sheets are `Kinds` (name one of them in `sheet`; positions count from 0)");
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Twice"})), @"excel_header: the headers Twice!A1 and Twice!C1 of `book.xlsx` are both `a` (rename one in the file, or give all names in `columns`)");
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Nameless"})), @"excel_header: column B of sheet `Nameless` of `book.xlsx` has values, and no name in row 1 (name it in the file, leave it out with `range`, or skip rows above the header with `skip_rows`)");
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Nothing"})), @"excel_empty: sheet `Nothing` of `book.xlsx` has neither a header nor rows (name another sheet with `sheet`, or look at `range` and `skip_rows`)");
    insta::assert_snapshot!(check("book.xlsx", json!({"sheet": "Bare", "columns": ["a"]})), @"excel_columns: sheet `Bare` of `book.xlsx` has 2 columns, and `columns` names 1 (`columns` names every column, from left to right)");
    insta::assert_snapshot!(check("book.xlsx", json!({"types": {"idd": "int64"}})), @"column_missing: the table has no column `idd` (did you mean `id`?)");
    insta::assert_snapshot!(check("book.xlsx", json!({"range": "A1", "columns": ["a", "a"], "skip_rows": 1})), @"params: range: a range is written like `A1:F200`, or `B:D` for whole columns; skip_rows: with `range`, the first row is that of the range; columns: names of columns are neither empty nor given twice (-)");
    insta::assert_snapshot!(check("book.xlsx", json!({"columns": ["a", "b\n"]})), @r#"params: columns: a column has control characters in its name "b\n" (-)"#);
    let errors = check("book.xlsx", json!({"sheet": "Errors", "range": "A3:B4"}));
    assert!(errors.starts_with("excel_header: the header Errors!B3 of `book.xlsx` holds `#DIV/0!`"), "{errors}");
}

#[test]
fn damaged_files_and_other_files_are_told_apart() {
    let bench = Workbench::new();
    let refused = |name: &str, bytes: &[u8]| {
        bench.file(name, bytes);
        let error = bench.run("ingest.excel", json!({"path": name}), &[]).err().unwrap();
        format!("{}: {error}", error.code())
    };
    insta::assert_snapshot!(refused("t.xlsx", b"a,b\n1,2\n"), @"excel_format: `t.xlsx` is no workbook, whatever its name says");
    let whole = std::fs::read(fixture("book.xlsx")).unwrap();
    insta::assert_snapshot!(refused("cut.xlsx", &whole[..whole.len() / 2]), @"excel_damaged: `cut.xlsx` cannot be read as a workbook: it is cut off, or no workbook");
    let old = std::fs::read(fixture("book.xls")).unwrap();
    assert!(refused("cut.xls", &old[..old.len() / 2]).starts_with("excel_damaged: `cut.xls`"));
    // Bytes that are turned over make an error or a table, and never more than that.
    for name in ["book.xlsb", "book.ods", "book.xls"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for at in (0..whole.len()).step_by(61) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            bench.file("t.bin", bytes);
            if let Err(error) = bench.run("ingest.excel", json!({"path": "t.bin"}), &[]) {
                assert!(error.code().starts_with("excel_"), "{name} at {at}: {}: {error}", error.code());
            }
        }
    }
}

#[test]
fn odd_names_and_values_are_refused_or_kept() {
    insta::assert_snapshot!(check("odd.xls", json!({})), @r#"excel_header: the column Control!B1 of `odd.xls` has control characters in its name "b\u{7}" (rename it in the file)"#);
    assert_eq!(check("odd.xls", json!({"sheet": "One row"})), "a:Int64 b:Utf8\n1 x");
    assert_eq!(check("odd.xls", json!({"sheet": "Far", "range": "C1:C3"})), "day:Date32\n1900-01-02\n9999-12-31");
    let far = read("odd.xls", json!({"sheet": "Far"})).unwrap().table("table");
    let values = |name: &str| column(&far, name).as_primitive::<Float64Type>().values().to_vec();
    assert_eq!(values("x"), [1e308, -1e-308]);
    assert_eq!(values("n"), [12_345_678_901_234_567_890.0, 9_007_199_254_740_994.0]);
    insta::assert_snapshot!(check("odd.xls", json!({"sheet": "Merged", "merged": "fill"})), @r"
    group:Utf8 n:Int64
    x 1
    x 2
    ~ 3
    ");
}

#[test]
fn a_workbook_that_changes_while_it_is_read_ends_the_step() {
    let bench = Workbench::new();
    let path = bench.file("t.xls", std::fs::read(fixture("odd.xls")).unwrap());
    let files = [SourceFile::at("t.xls".to_owned(), path).unwrap()];
    bench.file("t.xls", std::fs::read(fixture("book.xls")).unwrap());
    let step = IngestExcel::new(serde_json::from_value(json!({"path": "t.xls"})).unwrap()).unwrap();
    let (mut context, _) = bench.context(&[]);
    assert_eq!(step.read_files(&mut context, &files).unwrap_err().code(), "source_changed");
}

#[test]
fn a_workbook_that_needs_too_much_memory_is_refused_before_it_is_read() {
    let mut bench = Workbench::new();
    bench.memory_bytes = Some(1000);
    let error = bench.run("ingest.excel", json!({"path": fixture("book.xls")}), &[]).err().unwrap();
    assert_eq!(error.code(), "memory_too_small");
    assert!(error.to_string().ends_with("whole needs 88.0 KiB of memory, and `resources.memory` is 1000 B"), "{error}");
    bench.memory_bytes = Some(1 << 20);
    assert!(bench.run("ingest.excel", json!({"path": fixture("book.xlsx")}), &[]).is_ok());
}

#[test]
fn workbooks_of_a_pattern_are_one_table() {
    let bench = Workbench::new();
    let whole = std::fs::read(fixture("book.xlsx")).unwrap();
    bench.file("a.xlsx", &whole);
    bench.file("b.xlsx", &whole);
    let ran = bench.run("ingest.excel", json!({"path": "?.xlsx", "sheet": "Merged"}), &[]).unwrap();
    assert_eq!(ran.metric("rows"), Some(6.0));
    bench.file("c.xlsx", std::fs::read(fixture("from-1904.xlsx")).unwrap());
    let error = bench.run("ingest.excel", json!({"path": "?.xlsx"}), &[]).err().unwrap();
    insta::assert_snapshot!(error, @"the column `id` of `a.xlsx` is missing from `c.xlsx`");
    assert!(StepRegistry::builtin().kind("ingest.excel").is_ok());
}
