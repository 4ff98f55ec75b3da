//! `ingest.parquet`: Parquet files from elsewhere to one table.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use schemars::JsonSchema;
use serde::Deserialize;

use super::contract::{Bound, Contract, ContractFile, OnViolation, Typing};
use super::cursor::{FileCursor, Mode, NewFiles, Reading, check_files, file_ports, read_files};
use super::source::{BadRows, Location, SourceFile, check_names, plain_batch, plain_type};
use crate::phase::Phase;
use crate::step::{Dependency, ParamErrors, Ports, Progress, StepContext, StepError, StepKind};
use crate::table::{TableError, TableReader};

/// Reads one or more Parquet files as one table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// A file, a pattern such as `data/*.parquet`, or a URL (`https`, `s3`, `gs`, `az`). Relative paths start from the
    /// manifest's folder. Files are read in the order of their names and must have the same columns.
    pub path: String,
    /// The columns to read, in this order; all of them by default.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The schema contract that the table must keep: `file:contracts/customers.yaml`.
    #[serde(default)]
    pub contract: Option<ContractFile>,
    /// What happens when it breaks the contract.
    #[serde(default)]
    pub on_violation: OnViolation,
    /// Read only files that no earlier run has read that succeeded: the output `position` says which those are. `--refresh` with the
    /// step's name reads all again.
    #[serde(default)]
    pub cursor: Option<FileCursor>,
    /// What the table holds then: all rows that were ever read, or only the new ones.
    #[serde(default)]
    pub mode: Mode,
}

impl Params {
    /// What is read and how, whatever contract the rows are held against.
    fn reading(&self) -> String {
        format!("{:?}", Params { contract: None, on_violation: OnViolation::default(), ..self.clone() })
    }

    fn bound(&self) -> Bound<'_> {
        Bound::of(self.contract.as_ref(), self.on_violation, Typing::Known)
    }
}

/// A step that reads Parquet.
pub struct IngestParquet {
    params: Params,
}

impl StepKind for IngestParquet {
    const NAME: &'static str = "ingest.parquet";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str =
        "Reads Parquet files into a table, with types brought to the ones that steps work with.";
    const EXAMPLE: &'static str = "\
uses: ingest.parquet
with:
  path: data/customers.parquet
  columns: [customerID, tenure, Churn]
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if params.path.is_empty() {
            return Err(ParamErrors::one(["path"], "the path is empty"));
        }
        check_files(&params.path, params.cursor, params.mode)?;
        Ok(IngestParquet { params })
    }

    fn ports(&self) -> Ports {
        file_ports(self.params.on_violation.ports(), self.params.cursor, self.params.mode)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Location::parse(&self.params.path).dependency()]
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let Params { path, cursor, mode, .. } = &self.params;
        let (bound, bad_rows) = (self.params.bound(), BadRows::Error);
        let reading = Reading { path, cursor: *cursor, mode: *mode, params: self.params.reading(), bound, bad_rows };
        read_files(context, reading, |context, files, new_files| self.read_files(context, &files, new_files))
    }
}

impl IngestParquet {
    /// Reads `files` into the output `table`.
    pub(super) fn read_files(
        &self,
        context: &mut StepContext,
        files: &[SourceFile],
        new_files: Option<&NewFiles>,
    ) -> Result<(), StepError> {
        read_parquet(context, files, &self.params, new_files)
    }
}

fn read_parquet(
    context: &mut StepContext,
    files: &[SourceFile],
    params: &Params,
    new_files: Option<&NewFiles>,
) -> Result<(), StepError> {
    let columns = params.columns.as_slice();
    let readers: Vec<TableReader> = files.iter().map(open).collect::<Result<_, _>>()?;
    let names: Vec<String> =
        if columns.is_empty() { readers[0].columns().map(str::to_owned).collect() } else { columns.to_vec() };
    check_names(&format!("`{}`", files[0].name), names.iter().map(String::as_str)).map_err(|wrong| {
        StepError::input("parquet_columns", wrong)
            .help("choose others with `columns`, or rename it where the file is written")
    })?;
    let contract = params.contract.as_ref().map(ContractFile::contract);
    let schema = plain_schema(&files[0], &readers[0], &names, contract)?;
    for (file, reader) in files.iter().zip(&readers).skip(1) {
        check_same(&files[0], &schema, file, reader, columns.is_empty(), contract)?;
    }
    for name in &names {
        tell_rounded(&readers[0], &schema, name, context);
    }
    let total = readers.iter().map(TableReader::rows).sum();
    let mut table = context.create_table(&schema)?;
    let mut rows = 0;
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    for reader in &readers {
        for batch in reader.select(&wanted)? {
            context.check_cancelled()?;
            let batch = batch?;
            rows += batch.num_rows() as u64;
            table.write(&plain_batch(&batch, &schema)?)?;
            context.progress(&Progress { done: rows, total: Some(total), unit: "rows", note: String::new() });
        }
    }
    for file in files {
        file.check_unchanged()?;
    }
    let rows = params.bound().among(new_files).finish(context, table)?;
    context.metric("rows", rows as f64);
    context.metric("columns", names.len() as f64);
    context.metric("bytes", files.iter().map(|file| file.bytes).sum::<u64>() as f64);
    Ok(())
}

fn open(file: &SourceFile) -> Result<TableReader, StepError> {
    TableReader::open(&file.path).map_err(|error| match error {
        TableError::Parquet { source, .. } => {
            StepError::input("parquet_damaged", format!("`{}` is not a whole Parquet file", file.name))
                .caused_by(source)
        }
        error => error.into(),
    })
}

/// The type that a column gets; decimals stay as they are only where a contract asks for such.
fn taken_type(name: &str, found: &DataType, contract: Option<&Contract>) -> Option<DataType> {
    let is_wanted = contract.is_some_and(|contract| contract.decimals().any(|decimal| decimal == name));
    match found {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if is_wanted && *scale >= 0 =>
        {
            Some(DataType::Decimal128(*precision, *scale))
        }
        _ => plain_type(found),
    }
}

fn plain_schema(
    file: &SourceFile,
    reader: &TableReader,
    names: &[String],
    contract: Option<&Contract>,
) -> Result<SchemaRef, StepError> {
    let field = |name: &String| {
        let found = reader.schema().field_with_name(name).map_err(|_| {
            let available = reader.columns().map(str::to_owned).collect();
            StepError::from(TableError::NoColumn { column: name.clone(), available })
        })?;
        let plain = taken_type(name, found.data_type(), contract).ok_or_else(|| {
            let message =
                format!("column `{name}` of `{}` has type {}, which no step works with", file.name, found.data_type());
            StepError::input("column_type", message)
                .help("leave it out with `columns`, or flatten it in a `data.sql` or `run:` step")
        })?;
        Ok::<Field, StepError>(Field::new(name, plain, true))
    };
    Ok(Arc::new(Schema::new(names.iter().map(field).collect::<Result<Vec<_>, _>>()?)))
}

/// Says that a decimal column has more digits than its double keeps.
fn tell_rounded(reader: &TableReader, schema: &Schema, name: &str, context: &mut StepContext) {
    if schema.field_with_name(name).is_ok_and(|taken| *taken.data_type() != DataType::Float64) {
        return;
    }
    let found = reader.schema().field_with_name(name).map(Field::data_type);
    if let Ok(DataType::Decimal128(precision @ 16.., scale) | DataType::Decimal256(precision, scale)) = found {
        context.log(format!(
            "warning: column `{name}` is decimal({precision},{scale}) and becomes a double, which keeps 15 digits"
        ));
    }
}

fn check_same(
    first: &SourceFile,
    schema: &SchemaRef,
    file: &SourceFile,
    reader: &TableReader,
    is_all: bool,
    contract: Option<&Contract>,
) -> Result<(), StepError> {
    let refuse = |message: String| {
        Err(StepError::input("parquet_columns", message).help("files that are read together have the same columns"))
    };
    for field in schema.fields() {
        let name = field.name();
        match reader.schema().field_with_name(name) {
            Err(_) => {
                return refuse(format!("the column `{name}` of `{}` is missing from `{}`", first.name, file.name));
            }
            Ok(found) if taken_type(name, found.data_type(), contract).as_ref() != Some(field.data_type()) => {
                return refuse(format!(
                    "column `{name}` is {} in `{}` and {} in `{}`",
                    field.data_type(),
                    first.name,
                    found.data_type(),
                    file.name
                ));
            }
            Ok(_) => {}
        }
    }
    match reader.columns().find(|name| is_all && schema.field_with_name(name).is_err()) {
        Some(extra) => refuse(format!("`{}` has a column `{extra}` that `{}` does not have", file.name, first.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float32Array, Int32Array, ListArray};
    use arrow::datatypes::{Float64Type, Int32Type};
    use serde_json::json;

    use super::*;
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
        assert_eq!(ran.log, ["warning: column `large` is decimal(38,2) and becomes a double, which keeps 15 digits"]);
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
