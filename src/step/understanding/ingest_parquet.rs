//! `ingest.parquet`: Parquet files from elsewhere to one table.

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::source::{self, SourceFile};
use super::typed::{IngestTyped, TypedFile};
use crate::step::{StepContext, StepError};
use crate::table::{TableError, TableReader};

/// A step that reads Parquet.
pub type IngestParquet = IngestTyped<ParquetFile>;

/// The same step, which keeps all decimals.
pub type ExactParquet = IngestTyped<ParquetFile, true>;

/// An open Parquet file.
pub struct ParquetFile {
    name: String,
    reader: TableReader,
}

impl TypedFile for ParquetFile {
    const NAME: &'static str = "ingest.parquet";
    const VERSION: u32 = 4;
    const SUMMARY: &'static str =
        "Reads Parquet files into a table, with types brought to the ones that steps work with.";
    const EXAMPLE: &'static str = "\
uses: ingest.parquet
with:
  path: data/customers.parquet
  columns: [customerID, tenure, Churn]
";
    const COLUMNS: &'static str = "parquet_columns";

    fn open(file: &SourceFile, _: &mut StepContext) -> Result<ParquetFile, StepError> {
        let reader = guarded(&file.name, || TableReader::open(&file.path))?;
        Ok(ParquetFile { name: file.name.clone(), reader })
    }

    fn schema(&self) -> &Schema {
        self.reader.schema()
    }

    fn rows(&self) -> u64 {
        self.reader.rows()
    }

    fn batches(&self, columns: &[&str]) -> Result<impl Iterator<Item = Result<RecordBatch, StepError>>, StepError> {
        let name = self.name.clone();
        let mut batches = guarded(&name, || self.reader.select(columns))?;
        Ok(std::iter::from_fn(move || guarded(&name, || batches.next().transpose()).transpose()))
    }
}

/// Runs code that may stumble over damaged bytes.
fn guarded<T>(name: &str, read: impl FnOnce() -> Result<T, TableError>) -> Result<T, StepError> {
    let damaged = || {
        StepError::input("parquet_damaged", format!("`{name}` is not a whole Parquet file"))
            .help("check that whatever wrote it ended well, and write it again")
    };
    source::guarded(name, read, |error| match error {
        Some(TableError::Parquet { source, .. }) => damaged().caused_by(source),
        Some(TableError::Arrow(source)) => damaged().caused_by(source),
        Some(error) => error.into(),
        None => damaged(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float32Array, Int32Array, ListArray};
    use arrow::datatypes::{Float64Type, Int32Type};
    use serde_json::json;

    use crate::step::testing::{Workbench, batch, column, texts};
    use crate::table::TableWriter;

    fn put(bench: &Workbench, name: &str, columns: &[(&str, ArrayRef)]) {
        let rows = batch(columns);
        let mut writer = TableWriter::create(&bench.folder().join(name), &rows.schema()).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    }

    fn small() -> ArrayRef {
        Arc::new(Int32Array::from(vec![Some(1), None]))
    }

    #[test]
    fn types_are_brought_to_the_ones_that_steps_work_with() {
        let bench = Workbench::new();
        let half: ArrayRef = Arc::new(Float32Array::from(vec![0.5, 1.5]));
        put(&bench, "a.parquet", &[("n", small()), ("x", half), ("t", texts(["a", "b"]))]);
        let ran = bench.run("ingest.parquet", json!({"path": "a.parquet", "columns": ["x", "n"]}), &[]).unwrap();
        let table = ran.table("table");
        let types: Vec<String> =
            table.schema().fields().iter().map(|it| format!("{}:{}", it.name(), it.data_type())).collect();
        assert_eq!(types, ["x:Float64", "n:Int64"]);
        assert_eq!(column(&table, "n").null_count(), 1);
    }

    #[test]
    fn decimals_that_lose_digits_are_told() {
        let bench = Workbench::new();
        let large =
            Decimal128Array::from(vec![12_345_678_901_234_567_890_i128]).with_precision_and_scale(38, 2).unwrap();
        let small = Decimal128Array::from(vec![150_i128]).with_precision_and_scale(9, 2).unwrap();
        put(&bench, "a.parquet", &[("large", Arc::new(large)), ("small", Arc::new(small))]);
        let ran = bench.run("ingest.parquet", json!({"path": "a.parquet"}), &[]).unwrap();
        assert_eq!(
            ran.log,
            ["warning: column `large` is decimal(38,2) in `a.parquet` and becomes a double, which keeps 15 digits"]
        );
        let table = ran.table("table");
        let [large, small] = ["large", "small"].map(|name| column(&table, name).as_primitive::<Float64Type>().value(0));
        assert!((large / 123_456_789_012_345_678.9 - 1.0).abs() < 1e-15, "{large}");
        assert_eq!(small.to_bits(), 1.5f64.to_bits());
    }

    #[test]
    fn files_that_differ_or_are_broken_are_refused() {
        let bench = Workbench::new();
        put(&bench, "a.parquet", &[("n", small())]);
        put(&bench, "b.parquet", &[("n", texts(["a", "b"]))]);
        let refused = |path: &str| bench.run("ingest.parquet", json!({"path": path}), &[]).err().unwrap().to_string();
        insta::assert_snapshot!(refused("*.parquet"), @"column `n` is Int64 in `a.parquet` and Utf8 in `b.parquet`");
        bench.file("c.parquet", "not Parquet");
        insta::assert_snapshot!(refused("c.parquet"), @"`c.parquet` is not a whole Parquet file");
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)])]));
        put(&bench, "d.parquet", &[("l", list)]);
        assert!(refused("d.parquet").contains("which no step works with"), "{}", refused("d.parquet"));
    }
}
