//! `ingest.csv`: text files with separated values to one table.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::contract::{Bound, ContractFile, OnViolation, Typing};
use super::csv::{ColumnType, Compression, Csv, Dialect, Encoding, Halt, Layout, Shape};
use super::csv_dialect::dialect;
use super::cursor::{FileCursor, FileSource, Mode, NewFiles};
use super::source::{Aside, BadRows, SourceFile};
use crate::phase::Phase;
use crate::step::{Dependency, ParamErrors, Ports, Progress, StepContext, StepError, StepKind};

/// Reads one or more CSV files as one table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// A file, a pattern such as `data/*.csv`, or a URL (`https`, `s3`, `gs`, `az`). Relative paths start from the
    /// manifest's folder. Files are read in the order of their names and must have the same columns.
    pub path: String,
    /// The character between fields: one ASCII character, or `tab`.
    #[serde(default = "comma")]
    pub delimiter: String,
    /// Whether the first line of each file holds the names; by default it does unless `columns` is given.
    #[serde(default)]
    pub header: Option<bool>,
    /// The names of all columns, in order; they replace a header.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Types of columns by name: `int64`, `float64`, `text`, `bool`, `date`, `timestamp`, `instant`, or `decimal(18, 2)`; the others
    /// are found by looking at every value.
    #[serde(default)]
    pub types: IndexMap<String, ColumnType>,
    /// Texts that mean missing, exactly as they stand in the file (after `trim`).
    #[serde(default = "empty_text")]
    pub null_values: Vec<String>,
    /// The character around texts that contain delimiters or line breaks; `null` for none.
    #[serde(default = "double_quote")]
    pub quote: Option<String>,
    /// Lines that start with this character are skipped.
    #[serde(default)]
    pub comment: Option<String>,
    /// Drop spaces and tabs around fields.
    #[serde(default)]
    pub trim: bool,
    /// Lines to skip at the start of each file, before the header.
    #[serde(default)]
    pub skip_rows: usize,
    /// The character between whole and fractional digits.
    #[serde(default = "point")]
    pub decimal: String,
    /// The character set.
    #[serde(default)]
    pub encoding: Encoding,
    /// How the files are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// What is done with rows that have too few or too many fields, broken quotes, bytes that are no text, or a value
    /// that is not of the type that `types` gives: they end the step, are left out, or are left out and kept in the output
    /// `quarantine` with file, line, reason and text. A quote that is never closed always ends the step.
    #[serde(default)]
    pub bad_rows: BadRows,
    /// How many rows are looked at for a first guess of the types. A later value that does not fit makes the step
    /// read everything again with types that fit, so this changes the time a step takes and never its result.
    #[serde(default = "sample_rows")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub infer_rows: usize,
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

fn comma() -> String {
    ",".to_owned()
}

fn point() -> String {
    ".".to_owned()
}

fn empty_text() -> Vec<String> {
    vec![String::new()]
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional param")]
fn double_quote() -> Option<String> {
    Some("\"".to_owned())
}

fn sample_rows() -> usize {
    10_000
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

/// A step that reads CSV.
pub struct IngestCsv {
    params: Params,
    dialect: Dialect,
}

impl StepKind for IngestCsv {
    const NAME: &'static str = "ingest.csv";
    const VERSION: u32 = 4;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Reads CSV files into a table, with types found by looking at every value.";
    const EXAMPLE: &'static str = "\
uses: ingest.csv
with:
  path: data/customers.csv
  null_values: [\"\", \" \"]
  types: {TotalCharges: float64}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let dialect = dialect(&params)?;
        params.source().check()?;
        if params.decimal == "," {
            let mut decimals = params.contract.iter().flat_map(|file| file.contract().decimals());
            if let Some(column) = decimals.find(|column| !params.types.contains_key(*column)) {
                let message = format!(
                    "the decimals of a contract are read with a point; give `{column}` its decimal type here, too"
                );
                return Err(ParamErrors::one(["types"], message));
            }
        }
        Ok(IngestCsv { params, dialect })
    }

    fn ports(&self) -> Ports {
        self.params.source().ports()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.params.source().dependencies()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let params = self.params.clone();
        let same = Params { contract: None, on_violation: OnViolation::default(), infer_rows: 0, ..params };
        let source = self.params.source();
        source.read(context, &same, |context, files, new_files| self.read_files(context, files, new_files))
    }
}

impl IngestCsv {
    /// Reads `files` into the output `table`, and `quarantine` where there is one.
    pub(super) fn read_files(
        &self,
        context: &mut StepContext,
        files: Vec<SourceFile>,
        new_files: Option<&NewFiles>,
    ) -> Result<(), StepError> {
        let bound = self.params.source().bound().among(new_files);
        read_csv(context, &self.csv(files), self.params.bad_rows, bound)
    }

    fn csv(&self, files: Vec<SourceFile>) -> Csv {
        Csv {
            files,
            dialect: self.dialect.clone(),
            encoding: self.params.encoding,
            compression: self.params.compression,
            shape: Shape {
                has_header: self.params.header.unwrap_or(self.params.columns.is_empty()),
                names: self.params.columns.clone(),
                types: self.params.types.clone(),
                texts: self.params.source().bound().texts(),
                sample_rows: self.params.infer_rows,
            },
            sets_aside: self.params.bad_rows != BadRows::Error,
        }
    }
}

fn read_csv(context: &mut StepContext, csv: &Csv, bad_rows: BadRows, bound: Bound<'_>) -> Result<(), StepError> {
    let total = csv.bytes();
    let mut layout = csv.sniff()?;
    if csv.shape.has_header && (0..layout.width()).all(|column| layout.name(column).parse::<f64>().is_ok()) {
        context.log("warning: all names in the header are numbers; set `header: false` if it is a row");
    }
    if let Some(surprise) = write(context, csv, &layout, bad_rows, bound)? {
        context.log(format!("{surprise}; all values are looked at, and the files are read again with types that fit"));
        layout = csv.survey(layout, &mut |bytes| {
            context.progress(&Progress { done: bytes, total: Some(total), unit: "bytes", note: "types".to_owned() });
            context.check_cancelled()
        })?;
        if let Some(surprise) = write(context, csv, &layout, bad_rows, bound)? {
            return Err(StepError::bug(format!("{surprise}, although every value was looked at"))
                .help("did the file change while it was read? otherwise name the type of the column in `types`"));
        }
    }
    for name in layout.unseen() {
        context.log(format!("warning: column `{name}` has no values at all; it is kept as text"));
    }
    context.metric("columns", layout.width() as f64);
    context.metric("bytes", total as f64);
    Ok(())
}

const WRONG: &str = "look whether `delimiter`, `quote`, `encoding` and `types` are right";

/// Writes the tables; gives the value that did not fit, if there was one.
fn write(
    context: &mut StepContext,
    csv: &Csv,
    layout: &Layout,
    bad_rows: BadRows,
    bound: Bound<'_>,
) -> Result<Option<String>, StepError> {
    let mut table = context.create_table(&layout.schema())?;
    let mut aside = Aside::begin(context, bad_rows)?;
    let mut rows = 0;
    let ended = csv.stream(layout, &mut |part| {
        context.check_cancelled()?;
        rows += part.batch.num_rows() as u64;
        table.write(&part.batch)?;
        aside.put(part.file, &part.bad)?;
        let (total, note) = (Some(csv.bytes()), aside.note(rows));
        context.progress(&Progress { done: part.bytes, total, unit: "bytes", note });
        Ok(())
    });
    match ended {
        Ok(()) => {}
        Err(Halt::Failed(error)) => return Err(error),
        Err(Halt::Surprised(surprise)) => return Ok(Some(surprise)),
    }
    for file in &csv.files {
        file.check_unchanged()?;
    }
    aside.finish(context, rows, "csv_no_good_rows", WRONG)?;
    if rows == 0 {
        context.log("warning: the files have a header but no rows");
    }
    let rows = bound.finish(context, table)?;
    context.metric("rows", rows as f64);
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::step::testing::{self, Ran, Workbench};

    fn read(bench: &Workbench, path: &str, with: Value) -> Result<Ran, StepError> {
        let mut params = with;
        params["path"] = json!(path);
        bench.run("ingest.csv", params, &[])
    }

    /// Types and rows of a table as one text, or the error with its remedy.
    fn check(files: &[(&str, &[u8])], path: &str, with: Value) -> String {
        let bench = Workbench::new();
        for (name, content) in files {
            bench.file(name, content);
        }
        match read(&bench, path, with) {
            Ok(ran) => show(&ran),
            Err(error) => format!("{}: {error} ({})", error.code(), error.remedy().unwrap_or("-")),
        }
    }

    fn show(ran: &Ran) -> String {
        testing::show(&ran.table("table"))
    }

    fn one(text: &str, with: Value) -> String {
        check(&[("t.csv", text.as_bytes())], "t.csv", with)
    }

    #[test]
    fn types_are_found_and_missing_values_are_null() {
        let text = "id,n,x,day,at,ok,code\n1,2,1.5,2024-01-31,2024-01-31 10:00,true,007\n2,,nan,,,False,8\n";
        insta::assert_snapshot!(one(text, json!({})), @"
        id:Int64 n:Int64 x:Float64 day:Date32 at:Timestamp(µs) ok:Boolean code:Utf8
        1 2 1.5 2024-01-31 2024-01-31T10:00:00 true 007
        2 ~ ~ ~ ~ false 8
        ");
        insta::assert_snapshot!(one("a;b\n 1,5 ; ?\n 2 ;x\n", json!({"delimiter": ";", "decimal": ",", "trim": true, "null_values": ["?"]})), @"
        a:Float64 b:Utf8
        1.5 ~
        2.0 x
        ");
    }

    #[test]
    fn a_late_value_widens_its_column_and_loses_nothing() {
        let numbers = (0..50).map(|row| format!("{row},{row}\n")).collect::<Vec<_>>().concat();
        let text = format!("a,b\n{numbers}0.5,x\n");
        let bench = Workbench::new();
        bench.file("t.csv", &text);
        let short = read(&bench, "t.csv", json!({"infer_rows": 10})).unwrap();
        let whole = read(&bench, "t.csv", json!({})).unwrap();
        assert!(show(&short).starts_with("a:Float64 b:Utf8\n0.0 0\n"));
        assert_eq!(short.artifact("table"), whole.artifact("table"));
        assert_eq!(short.metric("rows"), Some(51.0));
        insta::assert_snapshot!(short.log[0], @"column `a` looked like int64, but line 52 of `t.csv` holds `0.5`; all values are looked at, and the files are read again with types that fit");
    }

    #[test]
    fn a_declared_type_that_does_not_fit_names_the_place() {
        insta::assert_snapshot!(one("a,b\n1,2\n3,n/a\n", json!({"types": {"b": "int64"}})), @"csv_value: line 3 of `t.csv` holds `n/a` in column `b`, which is no int64 (add the text to `null_values` if it means missing, give the column another type in `types`, or set rows like it aside with `bad_rows: quarantine`)");
        insta::assert_snapshot!(one("a,b\n1,2\n", json!({"types": {"bb": "int64"}})), @"column_missing: `types` names the column `bb`, which `t.csv` does not have (did you mean `b`?)");
        assert!(one("a\n007\n", json!({"types": {"a": "int64"}})).ends_with("\n7"));
    }

    #[test]
    fn broken_files_are_refused_with_a_remedy() {
        insta::assert_snapshot!(one("", json!({})), @"csv_empty: `t.csv` is empty: it has neither a header nor rows (check that whatever wrote it ended well)");
        insta::assert_snapshot!(one("a,a\n", json!({})), @"csv_header: `t.csv` has two columns named `a` (give it a name of its own in the file, or all names in `columns`)");
        insta::assert_snapshot!(one("a,,c\n", json!({})), @"csv_header: column 2 of `t.csv` has no name (give it a name of its own in the file, or all names in `columns`)");
        insta::assert_snapshot!(one("a,b\n1\n", json!({})), @"csv_ragged: `t.csv`: line 2 has 1 fields where 2 are expected (repair the line; a text that contains the delimiter must be quoted, and `delimiter` must be right)");
        insta::assert_snapshot!(check(&[("t.csv", b"a\nZ\xfcrich\n")], "t.csv", json!({})), @"csv_encoding: `t.csv`: line 2, field 1 is not valid UTF-8: byte 0xfc (set `encoding: latin1` or `encoding: windows-1252`, or convert the file to UTF-8)");
        insta::assert_snapshot!(check(&[("t.csv", b"a\nZ\xfcrich\n")], "t.csv", json!({"encoding": "latin1"})), @"
        a:Utf8
        Zürich
        ");
        insta::assert_snapshot!(check(&[], "no.csv", json!({})), @"file_missing: the file `no.csv` does not exist (in a manifest, relative paths start from its folder; after `--set`, from where you are)");
        insta::assert_snapshot!(check(&[("d/t.csv", b"a\n")], "d", json!({})), @"file_is_folder: `d` is a folder and not a file (name its files with a pattern such as `folder/*.csv`)");
        assert!(check(&[], "*.csv", json!({})).starts_with("file_missing: no file matches `*.csv`"));
        assert!(check(&[("t.csv.gz", b"not gzip")], "t.csv.gz", json!({})).starts_with("csv_compression"));
    }

    #[test]
    fn files_of_a_pattern_are_one_table_in_the_order_of_their_names() {
        let files: [(&str, &[u8]); 2] = [("d/b.csv", b"y,x\n2.5,4\n"), ("d/a.csv", b"x,y\n1,2\n")];
        insta::assert_snapshot!(check(&files, "d/*.csv", json!({})), @"
        x:Int64 y:Float64
        1 2.0
        4 2.5
        ");
        let files: [(&str, &[u8]); 2] = [("a.csv", b"x,y\n1,2\n"), ("b.csv", b"x\n2\n")];
        insta::assert_snapshot!(check(&files, "*.csv", json!({})), @"csv_columns: the column `y` of `a.csv` is missing from `b.csv` (files that are read together have the same columns)");
    }

    #[test]
    fn a_file_without_header_takes_its_names_from_the_manifest() {
        let text = "39, State-gov\n50, ?\n";
        insta::assert_snapshot!(one(text, json!({"columns": ["age", "work"], "trim": true, "null_values": ["?"]})), @"
        age:Int64 work:Utf8
        39 State-gov
        50 ~
        ");
        assert!(one(text, json!({"header": false})).starts_with("column_1:Int64 column_2:Utf8"));
        assert!(one(text, json!({"columns": ["age"]})).starts_with("csv_columns"));
    }

    const BAD: &str = "id,n\n1,10\n2\n3,x\n4,40\n\"5\"5,50\n6,60,7\n";

    #[test]
    fn bad_rows_are_kept_beside_the_table_with_their_places_and_reasons() {
        let bench = Workbench::new();
        bench.file("t.csv", BAD);
        let with = json!({"types": {"n": "int64"}, "bad_rows": "quarantine"});
        let ran = read(&bench, "t.csv", with.clone()).unwrap();
        insta::assert_snapshot!(show(&ran), @r"
        id:Int64 n:Int64
        1 10
        4 40
        ");
        insta::assert_snapshot!(testing::show(&ran.table("quarantine")), @r#"
        file:Utf8 line:Int64 code:Utf8 reason:Utf8 text:Utf8
        t.csv 3 csv_ragged line 3 has 1 fields where 2 are expected 2
        t.csv 4 csv_value line 4 holds `x` in column `n`, which is no int64 3,x
        t.csv 6 csv_quote line 6 has text after the closing quote of field 1 "5"5,50
        t.csv 7 csv_ragged line 7 has 3 fields where 2 are expected 6,60,7
        "#);
        assert_eq!((ran.metric("rows"), ran.metric("bad_rows")), (Some(2.0), Some(4.0)));
        insta::assert_snapshot!(ran.log.join("\n"), @r"
        warning: 4 of 6 rows cannot be read and are left out, such as:
        warning: `t.csv`: line 3 has 1 fields where 2 are expected
        warning: `t.csv`: line 4 holds `x` in column `n`, which is no int64
        warning: `t.csv`: line 6 has text after the closing quote of field 1
        ");
        // A late value that widens a column reads everything again, and nothing is set aside twice.
        bench.file("t.csv", format!("{BAD}7.5,70\n"));
        let mut late = with;
        late["infer_rows"] = json!(2);
        assert_eq!(read(&bench, "t.csv", late).unwrap().metric("bad_rows"), Some(4.0));
    }

    #[test]
    fn bad_rows_may_be_skipped_but_not_all_of_them_and_a_header_is_none() {
        insta::assert_snapshot!(one(BAD, json!({"types": {"n": "int64"}, "bad_rows": "skip"})), @r"
        id:Int64 n:Int64
        1 10
        4 40
        ");
        insta::assert_snapshot!(one("a,b\n1\n2\n", json!({"bad_rows": "skip"})), @"csv_no_good_rows: none of 2 rows can be read; `t.csv`: line 2 has 1 fields where 2 are expected (look whether `delimiter`, `quote`, `encoding` and `types` are right)");
        insta::assert_snapshot!(one("a,b\n1,2\n\"3,4\n5,6\n", json!({"bad_rows": "skip"})), @"csv_quote: `t.csv`: the quote that opens on line 3 is never closed (close the quote, or set `quote: null` if quotes are plain text)");
        insta::assert_snapshot!(check(&[("t.csv", b"\xff,b\n1,2\n")], "t.csv", json!({"bad_rows": "skip"})), @"csv_encoding: `t.csv`: line 1, field 1 is not valid UTF-8: byte 0xff (the file looks like UTF-16; convert it to UTF-8)");
    }

    #[test]
    fn params_that_contradict_each_other_are_refused_at_once() {
        let contract = "contract: p\ncolumns:\n  - {name: a, type: \"decimal(9, 2)\", nullable: true}\n";
        let error = one("a\n1,5\n", json!({"delimiter": ";", "decimal": ",", "contract": contract}));
        insta::assert_snapshot!(error, @"params: types: the decimals of a contract are read with a point; give `a` its decimal type here, too (-)");
        let types = json!({"delimiter": ";", "decimal": ",", "contract": contract, "types": {"a": "decimal(9, 2)"}});
        insta::assert_snapshot!(one("a\n1,5\n", types), @"
        a:Decimal128(9, 2)
        1.50
        ");
        let error = one("", json!({"delimiter": ";;", "decimal": "x", "columns": ["a", "a"]}));
        insta::assert_snapshot!(error, @"params: delimiter: `;;` is not one ASCII character; decimal: a decimal point is `.` or `,`; columns: names of columns are neither empty nor given twice (-)");
    }

    #[test]
    fn what_looks_wrong_in_a_good_file_is_said() {
        let bench = Workbench::new();
        bench.file("t.csv", "a,b\n1,\n2,\n");
        let ran = read(&bench, "t.csv", json!({})).unwrap();
        assert_eq!(ran.log, ["warning: column `b` has no values at all; it is kept as text"]);
        bench.file("t.csv", "1.5,2\n3,4\n");
        let ran = read(&bench, "t.csv", json!({})).unwrap();
        assert_eq!(ran.log, ["warning: all names in the header are numbers; set `header: false` if it is a row"]);
        bench.cancel();
        assert_eq!(read(&bench, "t.csv", json!({})).err().unwrap().code(), "cancelled");
    }
}
