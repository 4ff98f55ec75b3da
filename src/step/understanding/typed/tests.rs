//! What Parquet and Arrow files do with input that is odd: the same, whatever the format.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal256Array, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
    TimestampSecondArray, UInt64Array, new_empty_array,
};
use arrow::datatypes::{DataType, Field, Schema, i256};
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use crate::step::testing::{Ran, Workbench, show};
use crate::step::understanding::source::SourceFile;
use crate::step::understanding::{IngestArrow, IngestParquet};
use crate::step::{StepError, StepKind};
use crate::table::TableWriter;

const FORMATS: [&str; 2] = ["parquet", "arrow"];

fn table(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let field = |(name, values): &(&str, ArrayRef)| Field::new(*name, values.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.iter().map(|(_, values)| Arc::clone(values)).collect()).unwrap()
}

fn write(format: &str, path: &Path, rows: &RecordBatch) {
    if format == "parquet" {
        let mut writer = TableWriter::create(path, &rows.schema()).unwrap();
        writer.write(rows).unwrap();
        writer.close().unwrap();
    } else {
        let mut writer = FileWriter::try_new(File::create(path).unwrap(), &rows.schema()).unwrap();
        writer.write(rows).unwrap();
        writer.finish().unwrap();
    }
}

fn read(format: &str, bench: &Workbench) -> Result<Ran, StepError> {
    bench.run(&format!("ingest.{format}"), json!({"path": "t"}), &[])
}

/// What comes of a table in either format, with what is logged.
fn check(columns: &[(&str, ArrayRef)]) -> String {
    let bench = Workbench::new();
    let [parquet, arrow] = FORMATS.map(|format| {
        write(format, &bench.folder().join("t"), &table(columns));
        match read(format, &bench) {
            Ok(ran) => [vec![show(&ran.table("table"))], ran.log].concat().join("\n"),
            Err(error) => format!("{}: {error}", error.code()).replace(format, "format"),
        }
    });
    assert_eq!(parquet, arrow);
    arrow
}

fn one(name: &str) -> (&str, ArrayRef) {
    (name, Arc::new(Int64Array::from(vec![1])))
}

#[test]
fn no_rows_and_one_row_are_what_they_are() {
    assert_eq!(
        check(&[("a", new_empty_array(&DataType::Int32)), ("b", new_empty_array(&DataType::LargeUtf8))]),
        "a:Int64 b:Utf8"
    );
    assert_eq!(check(&[one("a")]), "a:Int64\n1");
    assert_eq!(check(&[("a", Arc::new(StringArray::from(vec![None::<&str>])))]), "a:Utf8\n~");
}

#[test]
fn names_that_no_table_can_have_are_refused() {
    insta::assert_snapshot!(check(&[one("a"), one("")]), @"format_columns: column 2 of `t` has no name");
    insta::assert_snapshot!(check(&[one("a"), one("a")]), @"format_columns: `t` has two columns named `a`");
    insta::assert_snapshot!(check(&[one("a\u{1b}[31m")]), @r#"format_columns: column 1 of `t` has control characters in its name "a\u{1b}[31m""#);
}

#[test]
fn values_far_out_are_kept_or_told() {
    let numbers = Float64Array::from(vec![f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0]);
    assert_eq!(check(&[("x", Arc::new(numbers))]), "x:Float64\ninf\n-inf\nNaN\n-0.0");
    let days = Date32Array::from(vec![-719_162, -25_568, 120_530, 2_932_896]);
    assert_eq!(check(&[("day", Arc::new(days))]), "day:Date32\n0001-01-01\n1899-12-31\n2300-01-01\n9999-12-31");
    let moments = TimestampMillisecondArray::from(vec![-62_135_596_800_000, 253_402_300_799_999]);
    assert_eq!(check(&[("at", Arc::new(moments))]), "at:Timestamp(µs)\n0001-01-01T00:00:00\n9999-12-31T23:59:59.999");
    let never = TimestampSecondArray::from(vec![i64::MAX]);
    insta::assert_snapshot!(check(&[("at", Arc::new(never))]), @"value_range: `t`, from row 1 on, column `at` has a value that does not fit Timestamp(µs)");
    let beyond = UInt64Array::from(vec![1 << 63]);
    insta::assert_snapshot!(check(&[("n", Arc::new(beyond))]), @"value_range: `t`, from row 1 on, column `n` has a value that does not fit Int64");
    let most = i256::from_string(&"9".repeat(76)).unwrap();
    let decimals = Decimal256Array::from(vec![most]).with_precision_and_scale(76, 0).unwrap();
    insta::assert_snapshot!(check(&[("d", Arc::new(decimals))]), @"
    d:Float64
    1e76
    warning: column `d` is decimal(76,0) in `t` and becomes a double, which keeps 15 digits
    ");
}

#[test]
fn equal_rows_make_equal_tables_whatever_the_batches_of_the_file() {
    let bench = Workbench::new();
    let path = bench.folder().join("t");
    let ids: Int64Array = (0..60_000).map(|row| (row % 5 > 0).then_some(row)).collect();
    let names: StringArray = (0..60_000).map(|row| Some("x".repeat(row % 97) + &row.to_string())).collect();
    let all = table(&[("id", Arc::new(ids)), ("name", Arc::new(names))]);
    let parts = |rows: usize| (0..all.num_rows()).step_by(rows).map(move |from| (from, rows));
    let mut made = Vec::new();
    for rows in [1, 7, 1000, 8192] {
        let mut writer = FileWriter::try_new(File::create(&path).unwrap(), &all.schema()).unwrap();
        let groups = WriterProperties::builder().set_max_row_group_row_count(Some(rows.max(500))).build();
        let parquet = bench.folder().join("p");
        let mut other = ArrowWriter::try_new(File::create(&parquet).unwrap(), all.schema(), Some(groups)).unwrap();
        for (from, rows) in parts(rows) {
            let part = all.slice(from, rows.min(all.num_rows() - from));
            writer.write(&part).unwrap();
            other.write(&part).unwrap();
        }
        writer.finish().unwrap();
        other.close().unwrap();
        let of = |kind: &str, path: &str| bench.run(kind, json!({"path": path}), &[]).unwrap();
        made.extend([of("ingest.arrow", "t"), of("ingest.parquet", "p")].map(|ran| ran.artifact("table").clone()));
    }
    assert!(made.iter().all(|artifact| *artifact == made[0]), "{made:?}");
}

#[test]
fn files_that_are_cut_off_or_turned_over_are_errors_of_the_file() {
    let bench = Workbench::new();
    let path = bench.folder().join("t");
    let texts: StringArray = (0..500).map(|row| (row % 7 > 0).then(|| format!("text {}", row % 11))).collect();
    let numbers: Float64Array = (0..500).map(|row| Some(f64::from(row) / 3.0)).collect();
    for format in FORMATS {
        write(format, &path, &table(&[("t", Arc::new(texts.clone())), ("x", Arc::new(numbers.clone()))]));
        let whole = std::fs::read(&path).unwrap();
        for length in (1..whole.len()).step_by(97) {
            bench.file("t", &whole[..length]);
            let error = read(format, &bench).err().unwrap();
            assert!(error.code().starts_with(format), "{length}: {}: {error}", error.code());
        }
        for at in (0..whole.len()).step_by(31) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            bench.file("t", bytes);
            if let Err(error) = read(format, &bench) {
                let is_told = error.code().starts_with(format) || error.code() == "column_type";
                assert!(is_told, "{format} at {at}: {}: {error}", error.code());
            }
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_ends_the_step() {
    let bench = Workbench::new();
    let path = bench.folder().join("t");
    let code = |format: &str| {
        write(format, &path, &table(&[one("a")]));
        let files = [SourceFile::at("t".to_owned(), path.clone()).unwrap()];
        write(format, &path, &table(&[one("a"), one("b")]));
        let params = serde_json::from_value(json!({"path": "t"})).unwrap();
        let (mut context, _) = bench.context(&[]);
        let ended = match format {
            "parquet" => IngestParquet::new(params).unwrap().read_files(&mut context, &files, None),
            _ => IngestArrow::new(params).unwrap().read_files(&mut context, &files, None),
        };
        ended.unwrap_err().code()
    };
    assert_eq!(FORMATS.map(code), ["source_changed"; 2]);
}
