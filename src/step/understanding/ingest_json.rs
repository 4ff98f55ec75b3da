//! `ingest.json`: lists of objects and JSON lines to one table.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::contract::{Bound, ContractFile, OnViolation, Typing};
use super::csv::{ColumnType, Compression};
use super::cursor::{FileCursor, Mode, NewFiles, check_files, file_ports};
use super::json::{Columns, JsonFormat, RecordError, cells, each_record};
use super::source::{Cell, Cells, Location, SourceFile};
use crate::phase::Phase;
use crate::step::{Dependency, ParamErrors, Ports, Progress, StepContext, StepError, StepKind};
use crate::table::BATCH_ROWS;

/// Reads one or more JSON files as one table: a list of objects, or one object per line.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// A file, a pattern such as `data/*.jsonl`, or a URL (`https`, `s3`, `gs`, `az`). Relative paths start from the
    /// manifest's folder. Files are read in the order of their names.
    pub path: String,
    /// How the records stand in the file.
    #[serde(default)]
    pub format: JsonFormat,
    /// Types of columns by name, `outer.inner` for nested ones. JSON has no dates: name the columns that hold them.
    #[serde(default)]
    pub types: IndexMap<String, ColumnType>,
    /// How the files are compressed.
    #[serde(default)]
    pub compression: Compression,
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
    fn bound(&self) -> Bound<'_> {
        Bound {
            contract: self.contract.as_ref(),
            on_violation: self.on_violation,
            typing: Typing::Guessed,
            new_files: None,
        }
    }
}

/// A step that reads JSON.
pub struct IngestJson {
    params: Params,
}

impl StepKind for IngestJson {
    const NAME: &'static str = "ingest.json";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Reads JSON lists or lines into a table; nested objects become columns with dots.";
    const EXAMPLE: &'static str = "\
uses: ingest.json
with:
  path: data/events.jsonl
  types: {at: timestamp}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if params.path.is_empty() {
            return Err(ParamErrors::one(["path"], "the path is empty"));
        }
        check_files(&params.path, params.cursor, params.mode)?;
        Ok(IngestJson { params })
    }

    fn ports(&self) -> Ports {
        file_ports(self.params.on_violation.ports(), self.params.cursor, self.params.mode)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Location::parse(&self.params.path).dependency()]
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let files = Location::parse(&self.params.path).files(context)?;
        if self.params.cursor.is_none() {
            return read_json(context, &files, &self.params, None);
        }
        let (new_files, files) = NewFiles::among(context, &self.params.path, self.params.mode, files)?;
        if files.is_empty() {
            return new_files.finish_without(context);
        }
        read_json(context, &files, &self.params, Some(&new_files))
    }
}

/// Reads `files` into the output `table`: once to learn names and types from every value, once to write.
pub(super) fn read_json(
    context: &mut StepContext,
    files: &[SourceFile],
    params: &Params,
    new_files: Option<&NewFiles>,
) -> Result<(), StepError> {
    let mut columns = Columns::default();
    let mut rows = 0;
    pass(files, params, &mut |_, record| {
        columns.see(record);
        rows += 1;
        if rows % BATCH_ROWS as u64 == 0 {
            context.progress(&Progress { done: rows, total: None, unit: "rows", note: "types".to_owned() });
            context.check_cancelled()?;
        }
        Ok(())
    })?;
    if rows == 0 {
        return Err(StepError::input("json_empty", format!("`{}` holds no records", params.path)));
    }
    let mut declared = params.types.clone();
    for name in params.bound().texts() {
        declared.entry(name).or_insert(ColumnType::Text);
    }
    let types = columns.types(&declared);
    if let Some(missing) = params.types.keys().find(|name| columns.index(name).is_none()) {
        let available = columns.names().map(str::to_owned).collect();
        return Err(crate::table::TableError::NoColumn { column: missing.clone(), available }.into());
    }
    let mut waiting = Cells::new(&types);
    let mut table = context.create_table(waiting.schema())?;
    let mut row: Vec<Cell> = vec![Cell::Null; types.len()];
    let mut done = 0;
    pass(files, params, &mut |place, record| {
        cells(record, &mut |name, cell| {
            if let Some(index) = columns.index(&name) {
                row[index] = cell;
            }
        });
        for (index, cell) in row.iter_mut().enumerate() {
            waiting.push(index, std::mem::replace(cell, Cell::Null)).map_err(|cell| {
                let (name, column_type) = &types[index];
                let message = format!("{place} holds `{}` in column `{name}`, which is no {column_type}", cell.shown());
                StepError::input("json_value", message).help("give the column another type in `types`")
            })?;
        }
        waiting.end_row();
        if waiting.rows() == BATCH_ROWS {
            context.check_cancelled()?;
            done += waiting.rows() as u64;
            table.write(&waiting.finish()?)?;
            context.progress(&Progress { done, total: Some(rows), unit: "rows", note: String::new() });
        }
        Ok(())
    })?;
    context.check_cancelled()?;
    table.write(&waiting.finish()?)?;
    let rows = Bound { new_files, ..params.bound() }.finish(context, table)?;
    context.metric("rows", rows as f64);
    context.metric("columns", types.len() as f64);
    context.metric("bytes", files.iter().map(|file| file.bytes).sum::<u64>() as f64);
    Ok(())
}

/// Takes a record with its place for messages.
type Take<'take> = &'take mut dyn FnMut(&str, Map<String, Value>) -> Result<(), StepError>;

fn pass(files: &[SourceFile], params: &Params, take: Take<'_>) -> Result<(), StepError> {
    for file in files {
        let name = &file.name;
        let bytes = params.compression.open(name, file.open()?)?;
        each_record(bytes, params.format, &mut |number, record| take(&format!("record {number} of `{name}`"), record))
            .map_err(|error| match error {
                RecordError::Json(error) if error.is_io() => {
                    StepError::environment("io", format!("`{name}` cannot be read")).caused_by(error)
                }
                RecordError::Json(error) => {
                    StepError::input("json_syntax", format!("`{name}` is not valid JSON: {error}"))
                        .help("the file holds one list of objects, or objects one after the other")
                }
                RecordError::NotAnObject(number) => {
                    StepError::input("json_record", format!("record {number} of `{name}` is not an object"))
                }
                RecordError::Taker(error) => error,
                RecordError::Io(error) => error.into(),
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::step::testing::{Workbench, show};

    fn check(text: &str, mut with: Value) -> String {
        let bench = Workbench::new();
        bench.file("t.json", text);
        with["path"] = json!("t.json");
        match bench.run("ingest.json", with, &[]) {
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
    }

    #[test]
    fn what_is_wrong_is_named() {
        insta::assert_snapshot!(check("[{\"a\": 1}, {\"a\" 2}]", json!({})), @"json_syntax: `t.json` is not valid JSON: expected `:` at line 1 column 17");
        insta::assert_snapshot!(check("[{\"a\": \"x\"}]", json!({"types": {"a": "int64"}})), @"json_value: record 1 of `t.json` holds `x` in column `a`, which is no int64");
        insta::assert_snapshot!(check("", json!({})), @"json_empty: `t.json` holds no records");
        insta::assert_snapshot!(check("[{\"a\": 1}]", json!({"types": {"b": "int64"}})), @"column_missing: the table has no column `b`");
    }
}
