//! `ingest.json`: lists of objects and JSON lines to one table.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::contract::{ContractFile, OnViolation, Typing};
use super::csv::{ColumnType, Compression, is_damage};
use super::cursor::{FileCursor, FileSource, Mode, NewFiles};
use super::json::{
    Columns, Cut, Flat, Flattening, JsonFormat, Raw, Rows, StreamError, each_record, parse, with_digits,
};
use super::source::{BadRow, BadRows, Cell, Cells, Intake, MAX_RECORD_BYTES, SourceFile};
use crate::phase::Phase;
use crate::step::data_engineering::room;
use crate::step::{Dependency, ParamErrors, Ports, Progress, StepContext, StepError, StepKind};
use crate::table::{BATCH_ROWS, TableError};
use crate::units::size;

/// Reads one or more JSON files as one table: a list of objects, or one object per line. A column whose values have several
/// types is text, and so is one with whole numbers beyond 64 bits.
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
    /// How many levels of objects inside a record become columns with dots in their names; what is deeper is kept as JSON
    /// text. All of them by default, none with 0.
    #[serde(default)]
    pub flatten: Option<usize>,
    /// A list inside each record, such as `items` or `order.items`, that becomes one row per element; the other values are
    /// repeated, and `items_index` counts the elements from 0. A record without elements is one row. Other lists are kept
    /// as JSON text.
    #[serde(default)]
    pub explode: Option<String>,
    /// What is done with records that are no JSON objects, have a key twice, or hold a value that is not of the type that
    /// `types` gives: they end the step, are left out, or are left out and kept in the output `quarantine` with file,
    /// line, reason and text, all rows of the record. Lines then hold one record each. What is wrong with the brackets of a list always ends the
    /// step.
    #[serde(default)]
    pub bad_rows: BadRows,
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
    fn source(&self) -> FileSource<'_> {
        FileSource {
            path: &self.path,
            cursor: self.cursor,
            mode: self.mode,
            contract: self.contract.as_ref(),
            on_violation: self.on_violation,
            typing: Typing::Guessed,
            bad_rows: self.bad_rows,
        }
    }
}

/// A step that reads JSON.
pub struct IngestJson {
    params: Params,
}

impl StepKind for IngestJson {
    const NAME: &'static str = "ingest.json";
    const VERSION: u32 = 5;
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
        if params.explode.as_deref() == Some("") {
            return Err(ParamErrors::one(["explode"], "the name of the list is empty"));
        }
        params.source().check()?;
        Ok(IngestJson { params })
    }

    fn ports(&self) -> Ports {
        self.params.source().ports()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.params.source().dependencies()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let same = Params { contract: None, on_violation: OnViolation::default(), ..self.params.clone() };
        let source = self.params.source();
        source.read(context, &same, |context, files, new_files| self.read_files(context, &files, new_files))
    }
}

impl IngestJson {
    /// Reads `files` into the output `table`, and `quarantine` where there is one.
    pub(super) fn read_files(
        &self,
        context: &mut StepContext,
        files: &[SourceFile],
        new_files: Option<&NewFiles>,
    ) -> Result<(), StepError> {
        read_json(context, files, &self.params, new_files)
    }

    /// The same for a file `name` that has a record on each line.
    pub(super) fn of_lines(&self, name: &str) -> IngestJson {
        let (format, compression) = (JsonFormat::Lines, Compression::None);
        IngestJson { params: Params { format, compression, path: name.to_owned(), ..self.params.clone() } }
    }
}

/// Records below this, in bytes, are not worth a thought.
const LARGE_RECORD: usize = 1 << 20;
/// What a byte of a record takes in memory, about: its values with their names, and its rows.
const BYTES_OF_ONE: u64 = 16;
const WRONG: &str = "look whether `format`, `compression` and `types` are right";

/// Reads `files`: once to learn names and types from every value, once to write.
fn read_json(
    context: &mut StepContext,
    files: &[SourceFile],
    params: &Params,
    new_files: Option<&NewFiles>,
) -> Result<(), StepError> {
    let learnt = learn(context, files, params)?;
    let mut declared = params.types.clone();
    if let Some(path) = &params.explode {
        declared.entry(format!("{path}_index")).or_insert(ColumnType::Int64);
    }
    for name in params.source().bound().texts() {
        declared.entry(name).or_insert(ColumnType::Text);
    }
    let types = learnt.columns.types(&declared);
    let mut intake = Intake::begin(context, &types, params.bad_rows, learnt.rows)?;
    let mut filler = Filler { columns: &learnt.columns, types: &types, row: vec![Cell::Null; types.len()] };
    let mut trial = Cells::new(&types);
    pass(context.surroundings().memory_bytes, files, params, &mut |file, raw, flat| {
        let tried = flat.and_then(|flat| {
            // A record that is put aside is so as a whole: whoever repairs and reads it again gets each row once.
            let is_tried = flat.each.len() > 1 && params.bad_rows != BadRows::Error;
            for own in flat.each.iter().filter(|_| is_tried) {
                filler.put(&mut trial, &flat.shared, own.iter().cloned())?;
                trial.clear_if_full();
            }
            Ok(flat)
        });
        trial.clear();
        let mut wrong = None;
        match tried {
            Ok(Rows { shared, each }) => {
                for own in each {
                    if let Err(bad) = filler.put(&mut intake.waiting, &shared, own) {
                        wrong = Some(bad);
                        break;
                    }
                    // A record can have many rows that each repeat a long text.
                    intake.write_if_full(context)?;
                }
            }
            Err(bad) => wrong = Some(bad),
        }
        match wrong {
            Some((code, message)) if params.bad_rows == BadRows::Error => Err(refused(&file.name, raw, code, &message)),
            Some((code, message)) => intake.put_aside(&file.name, bad_row(raw, code, &message)),
            None => Ok(()),
        }
    })?;
    let bound = params.source().bound().among(new_files);
    intake.finish(context, files, bound, ("json_no_good_rows", WRONG))
}

struct Learnt {
    columns: Columns,
    rows: u64,
}

/// Names and types from every value of every good record.
fn learn(context: &mut StepContext, files: &[SourceFile], params: &Params) -> Result<Learnt, StepError> {
    let mut columns = Columns::default();
    let (mut records, mut rows, mut first_bad) = (0_u64, 0, None);
    pass(context.surroundings().memory_bytes, files, params, &mut |file, raw, flat| {
        match flat {
            Ok(flat) => {
                let place = || format!("line {} of `{}`", raw.line, file.name);
                columns.see(&flat.shared, &place);
                for row in &flat.each {
                    columns.see(row, &place);
                }
                rows += flat.each.len() as u64;
            }
            Err((_, message)) => {
                first_bad.get_or_insert_with(|| format!("`{}`: line {} {message}", file.name, raw.line));
            }
        }
        records += 1;
        if records.is_multiple_of(BATCH_ROWS as u64) {
            context.progress(&Progress { done: records, total: None, unit: "records", note: "types".to_owned() });
            context.check_cancelled()?;
        }
        Ok(())
    })?;
    match (rows, first_bad) {
        (0, None) => {
            let message = format!("`{}` holds no records", params.path);
            return Err(StepError::input("json_empty", message).help("check that whatever wrote it ended well"));
        }
        (0, Some(first)) => {
            let message = format!("none of {records} records can be read; {first}");
            return Err(StepError::input("json_no_good_rows", message).help(WRONG));
        }
        _ => {}
    }
    if let Some(missing) = params.types.keys().find(|name| columns.index(name).is_none()) {
        let available = columns.names().map(str::to_owned).collect();
        return Err(TableError::NoColumn { column: missing.clone(), available }.into());
    }
    for (name, odd) in columns.mixed().filter(|(name, _)| !params.types.contains_key(*name)) {
        context.log(format!("warning: column `{name}` is kept as text, since {odd}"));
    }
    if let Some(path) = params.explode.as_ref().filter(|path| columns.is_unseen(&format!("{path}_index"))) {
        context.log(format!("warning: no record has an element in a list `{path}`"));
    }
    Ok(Learnt { columns, rows })
}

/// Brings values by name into the columns of a table.
struct Filler<'a> {
    columns: &'a Columns,
    types: &'a [(String, ColumnType)],
    row: Vec<Cell>,
}

impl Filler<'_> {
    /// Appends a row to `cells`; or says what is wrong with a value and leaves the row out.
    fn put(
        &mut self,
        cells: &mut Cells,
        shared: &Flat,
        own: impl IntoIterator<Item = (String, Cell)>,
    ) -> Result<(), Wrong> {
        for (name, cell) in shared {
            if let Some(index) = self.columns.index(name) {
                self.row[index] = cell.clone();
            }
        }
        for (name, cell) in own {
            if let Some(index) = self.columns.index(&name) {
                self.row[index] = cell;
            }
        }
        for index in 0..self.row.len() {
            if let Err(cell) = cells.push(index, std::mem::replace(&mut self.row[index], Cell::Null)) {
                self.row.fill(Cell::Null);
                cells.drop_row(index);
                let (name, column_type) = &self.types[index];
                return Err((
                    "json_value",
                    format!("holds `{}` in column `{name}`, which is no {column_type}", cell.shown()),
                ));
            }
        }
        cells.end_row();
        Ok(())
    }
}

/// The code of an error and what is wrong with a record, to stand behind its place.
type Wrong = (&'static str, String);
/// Takes a record and its rows.
type Take<'take> = &'take mut dyn FnMut(&SourceFile, &Raw<'_>, Result<Rows, Wrong>) -> Result<(), StepError>;

fn bad_row(raw: &Raw<'_>, code: &'static str, message: &str) -> BadRow {
    let text = String::from_utf8_lossy(raw.bytes).into_owned();
    BadRow { line: raw.line, code, message: format!("line {} {message}", raw.line), text }
}

/// Gives every record to `take`. Where a bad one ends the step, all that are given are good.
fn pass(memory: Option<u64>, files: &[SourceFile], params: &Params, take: Take<'_>) -> Result<(), StepError> {
    let flattening = Flattening { levels: params.flatten, explode: params.explode.clone() };
    let wanted = params.types.iter().map(|(name, column_type)| (name.clone(), *column_type));
    let wanted = wanted.chain(params.source().bound().reading());
    let decimals = wanted.filter(|(_, column_type)| matches!(column_type, ColumnType::Decimal { .. }));
    let decimals: BTreeSet<String> = decimals.map(|(name, _)| name).collect();
    let cut = if params.bad_rows == BadRows::Error { Cut::Objects } else { Cut::Lines };
    for file in files {
        let name = &file.name;
        let bytes = params.compression.open(name, file.open()?)?;
        each_record(bytes, params.format, cut, &mut |raw| {
            if raw.bytes.len() > LARGE_RECORD {
                let what = format!("the record on line {} of `{name}`", raw.line);
                let bytes = (raw.bytes.len() as u64).saturating_mul(BYTES_OF_ONE);
                room::check_within(memory, &what, bytes, "write smaller records")?;
            }
            let rows = rows(&raw, &flattening, &decimals);
            match rows {
                Err((code, message)) if params.bad_rows == BadRows::Error => Err(refused(name, &raw, code, &message)),
                rows => take(file, &raw, rows),
            }
        })
        .map_err(|error| broken(name, error))?;
    }
    Ok(())
}

/// The rows of a record, in which `decimals` keep all digits that are written.
fn rows(raw: &Raw<'_>, flattening: &Flattening, decimals: &BTreeSet<String>) -> Result<Rows, Wrong> {
    let flat = |record| flattening.rows(record).map_err(|reason| ("json_record", format!("makes no row: {reason}")));
    match parse(raw.bytes) {
        Ok(Value::Object(record)) => {
            let rows = flat(record)?;
            match if decimals.is_empty() { None } else { with_digits(raw.bytes) } {
                Some(Value::Object(exact)) => Ok(rows.with_digits(flat(exact)?, decimals)),
                _ => Ok(rows),
            }
        }
        Ok(_) => Err(("json_record", "is no object".to_owned())),
        Err(error) => {
            let (line, column) = (raw.line + error.line().saturating_sub(1) as u64, error.column());
            let column = if error.line() <= 1 { raw.column + column } else { column };
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default();
            Err(("json_syntax", format!("is not valid JSON: {reason} (line {line}, column {column})")))
        }
    }
}

fn refused(name: &str, raw: &Raw<'_>, code: &'static str, message: &str) -> StepError {
    let help = match code {
        "json_syntax" if message.starts_with("is not valid JSON: invalid unicode code point") => {
            "convert the file to UTF-8"
        }
        "json_syntax" => {
            "the file holds one list of objects, or objects one after the other; \
             `bad_rows: quarantine` sets broken records aside"
        }
        "json_value" => {
            "give the column another type in `types`, or set records like it aside with `bad_rows: quarantine`"
        }
        _ => "repair it, or set records like it aside with `bad_rows: quarantine`",
    };
    StepError::input(code, format!("record {} of `{name}` {message}", raw.number)).help(help)
}

fn broken(name: &str, error: StreamError) -> StepError {
    match error {
        StreamError::Taker(error) => error,
        StreamError::List { line, what } => {
            StepError::input("json_syntax", format!("`{name}` is not valid JSON: {what} (line {line})"))
                .help("the file holds one list of objects, or objects one after the other")
        }
        StreamError::TooLong { line } => {
            let most = size(MAX_RECORD_BYTES as u64);
            StepError::input("json_record", format!("the record of `{name}` on line {line} is longer than {most}"))
                .help("a bracket may never be closed there; write one object per line")
        }
        StreamError::Io(error) if is_damage(&error) => {
            StepError::input("json_compression", format!("`{name}` cannot be decompressed"))
                .caused_by(error)
                .help("the file is cut off or damaged, or `compression` names the wrong method")
        }
        StreamError::Io(error) => StepError::environment("io", format!("`{name}` cannot be read")).caused_by(error),
    }
}
