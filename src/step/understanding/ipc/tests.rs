use std::path::PathBuf;

use serde_json::{Value, json};

use crate::step::testing::{Ran, Workbench, show};
use crate::step::understanding::IngestArrow;
use crate::step::understanding::source::SourceFile;
use crate::step::{StepError, StepKind};

/// Made by `tools/oracle/arrow_files.py`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arrow").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn read(bench: &Workbench, content: &[u8], mut with: Value) -> Result<Ran, StepError> {
    bench.file("t.arrow", content);
    with["path"] = json!("t.arrow");
    bench.run("ingest.arrow", with, &[])
}

fn check(content: &[u8], with: Value) -> String {
    match read(&Workbench::new(), content, with) {
        Ok(ran) => show(&ran.table("table")),
        Err(error) => format!("{}: {error} ({})", error.code(), error.remedy().unwrap_or("-")),
    }
}

#[test]
fn types_are_brought_to_the_ones_that_steps_work_with() {
    let ran = read(&Workbench::new(), &bytes("plain.arrow"), json!({})).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @r#"
    id:Int64 whole:Int64 half:Float64 number:Float64 price:Float64 ok:Boolean city:Utf8 large:Utf8 view:Utf8 day:Date32 day64:Date32 at:Timestamp(µs) zoned:Timestamp(µs, "+00:00") nothing:Utf8
    1 9223372036854775807 1.5 1e300 1.1 true Zürich Zürich a text that is longer than twelve bytes 0001-01-01 1899-12-31 2024-01-31T10:30:15.500 2024-07-01T10:00:00Z ~
    ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~
    3 -9223372036854775808 -0.0 inf -0.05 false    1970-01-01 1970-01-01 1850-06-01T00:00:00 ~ ~
    4 0 65504.0 NaN 7.0 true Bern Bern short 9999-12-31 2300-01-01 2300-01-01T00:00:00 ~ ~
    "#);
    assert_eq!((ran.metric("rows"), ran.metric("columns")), (Some(4.0), Some(14.0)));
    assert_eq!(ran.log, [""; 0]);
    assert_eq!(
        check(&bytes("plain.arrow"), json!({"columns": ["city", "id"]})),
        "city:Utf8 id:Int64\nZürich 1\n~ ~\n 3\nBern 4"
    );
}

#[test]
fn decimals_are_kept_where_a_contract_asks_for_them() {
    let contract = "contract: p\ncolumns:\n  - {name: price, type: \"decimal(9, 2)\", nullable: true}\n";
    let with = json!({"columns": ["price"], "contract": contract});
    assert_eq!(check(&bytes("plain.arrow"), with), "price:Decimal128(9, 2)\n1.10\n~\n-0.05\n7.00");
}

#[test]
fn files_streams_and_compressions_give_the_same_table() {
    let digest = |name: &str| read(&Workbench::new(), &bytes(name), json!({})).unwrap().artifact("table").digest;
    for name in ["zstd.arrow", "stream.arrows", "lz4.arrows", "lz4.feather"] {
        assert_eq!(digest(name), digest("plain.arrow"), "{name}");
    }
    insta::assert_snapshot!(check(&bytes("dictionaries.arrows"), json!({})), @"
    city:Utf8
    a
    ~
    b
    a
    c
    ");
    insta::assert_snapshot!(check(&bytes("empty.arrow"), json!({})), @"a:Int64 b:Utf8");
}

#[test]
fn what_is_no_arrow_file_is_told_apart() {
    insta::assert_snapshot!(check(b"", json!({})), @"arrow_damaged: `t.arrow` is empty (check that whatever wrote it ended well)");
    insta::assert_snapshot!(check(b"a,b\n1,2\n", json!({})), @"arrow_format: `t.arrow` cannot be read as an Arrow file: its bytes are no Arrow file, whatever its name says (Arrow files are written by `pyarrow.feather.write_feather` and by `pyarrow.ipc`)");
    insta::assert_snapshot!(check(b"PAR1....PAR1", json!({})), @"arrow_format: `t.arrow` cannot be read as an Arrow file: it is Parquet; read it with `ingest.parquet` (Arrow files are written by `pyarrow.feather.write_feather` and by `pyarrow.ipc`)");
    insta::assert_snapshot!(check(&bytes("old.feather"), json!({})), @"arrow_format: `t.arrow` cannot be read as an Arrow file: it is Feather of version 1; write it again as version 2, which is the default today (Arrow files are written by `pyarrow.feather.write_feather` and by `pyarrow.ipc`)");
    let nested = check(&bytes("nested.arrow"), json!({}));
    assert!(nested.starts_with("column_type: column `tags` of `t.arrow` has type List"), "{nested}");
    assert_eq!(check(&bytes("nested.arrow"), json!({"columns": ["id"]})), "id:Int64\n1");
    insta::assert_snapshot!(check(&bytes("twice.arrow"), json!({})), @"arrow_columns: `t.arrow` has two columns named `a` (choose others with `columns`, or rename it where the file is written)");
    insta::assert_snapshot!(check(&bytes("twice.arrow"), json!({"columns": ["a"]})), @"arrow_columns: `t.arrow` has two columns named `a` (choose others with `columns`, or rename it where the file is written)");
    assert_eq!(check(&bytes("twice.arrow"), json!({"columns": ["b"]})), "b:Int64\n3");
    insta::assert_snapshot!(check(&bytes("beyond.arrow"), json!({})), @"value_range: `t.arrow`, from row 1 on, column `n` has a value that does not fit Int64 (cast it where the rows are made, or leave the column out)");
    insta::assert_snapshot!(check(&bytes("empty.arrow"), json!({"columns": ["a", "a"]})), @"params: columns: names of columns are neither empty nor given twice (-)");
    insta::assert_snapshot!(check(&bytes("empty.arrow"), json!({"columns": ["c"]})), @"column_missing: the table has no column `c` (did you mean `a`?)");
}

#[test]
fn a_file_that_is_cut_off_is_an_error_or_at_least_a_warning() {
    let bench = Workbench::new();
    for name in ["plain.arrow", "zstd.arrow"] {
        let whole = bytes(name);
        for length in (1..whole.len()).step_by(29) {
            let error = read(&bench, &whole[..length], json!({})).err().unwrap();
            assert!(error.code().starts_with("arrow_"), "{name} of {length}: {}: {error}", error.code());
        }
    }
    let whole = bytes("lz4.arrows");
    let mut warned = 0;
    // A message ends at a multiple of eight.
    for length in (8..whole.len()).step_by(8).chain((5..whole.len()).step_by(64)) {
        match read(&bench, &whole[..length], json!({"columns": ["id"]})) {
            Ok(ran) => {
                assert!(ran.log[0].starts_with("warning: `t.arrow` does not say where it ends"), "{length}");
                warned += 1;
            }
            Err(error) => assert!(error.code().starts_with("arrow_"), "{length}: {}: {error}", error.code()),
        }
    }
    // Only between two messages: behind the schema, the dictionary, either batch.
    assert_eq!(warned, 4);
    insta::assert_snapshot!(check(&whole[..whole.len() - 9], json!({})), @"arrow_damaged: `t.arrow` is not a whole Arrow file: it is cut off (check that whatever wrote it ended well, and write it again)");
    let twice = [whole.clone(), whole].concat();
    insta::assert_snapshot!(check(&twice, json!({})), @"arrow_damaged: `t.arrow` is not a whole Arrow file: something follows its end, which may be a second stream (check that whatever wrote it ended well, and write it again)");
}

#[test]
fn bytes_that_are_turned_over_make_an_error_or_a_table() {
    let bench = Workbench::new();
    for name in ["plain.arrow", "zstd.arrow", "lz4.arrows", "dictionaries.arrows"] {
        let whole = bytes(name);
        for at in (0..whole.len()).step_by(13) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            if let Err(error) = read(&bench, &bytes, json!({})) {
                let is_told =
                    error.code().starts_with("arrow_") || ["column_type", "value_range"].contains(&error.code());
                assert!(is_told, "{name} at {at}: {}: {error}", error.code());
            }
        }
    }
}

#[test]
fn a_batch_that_needs_too_much_memory_is_refused_before_it_is_read() {
    let mut bench = Workbench::new();
    bench.memory_bytes = Some(1000);
    let error = read(&bench, &bytes("zstd.arrow"), json!({})).err().unwrap();
    insta::assert_snapshot!(format!("{}: {error} ({})", error.code(), error.remedy().unwrap()), @"memory_too_small: holding the largest batches of `t.arrow` needs 1.9 KiB of memory, and `resources.memory` is 1000 B (give the step more, such as `resources: {memory: 257MiB}`, or write the file in smaller batches)");
    bench.memory_bytes = Some(1 << 20);
    read(&bench, &bytes("zstd.arrow"), json!({})).unwrap();
}

#[test]
fn files_are_read_together_and_must_stay_as_they_are() {
    let bench = Workbench::new();
    bench.file("in/a.arrow", bytes("plain.arrow"));
    let with = || json!({"path": "in/*", "cursor": "name", "columns": ["id"]});
    let first = bench.run("ingest.arrow", with(), &[]).unwrap();
    bench.file("in/b.arrows", bytes("stream.arrows"));
    let [table, position] = ["table", "position"].map(|output| first.input(output));
    let both = bench.run("ingest.arrow", with(), &[("former_table", &table), ("former_position", &position)]).unwrap();
    assert_eq!((both.metric("rows"), both.metric("new_rows")), (Some(8.0), Some(4.0)));
    bench.file("in/c.arrow", bytes("empty.arrow"));
    let error = bench.run("ingest.arrow", json!({"path": "in/*"}), &[]).err().unwrap();
    insta::assert_snapshot!(error, @"the column `id` of `in/a.arrow` is missing from `in/c.arrow`");

    let path = bench.file("t.arrow", bytes("plain.arrow"));
    let file = SourceFile::at("t.arrow".to_owned(), path).unwrap();
    bench.file("t.arrow", bytes("stream.arrows"));
    let step = IngestArrow::new(serde_json::from_value(json!({"path": "t.arrow"})).unwrap()).unwrap();
    let (mut context, _) = bench.context(&[]);
    assert_eq!(step.read_files(&mut context, &[file], None).unwrap_err().code(), "source_changed");
}
