//! `ingest.excel`: a sheet of a workbook to one table.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::contract::{ContractFile, OnViolation, Typing};
use super::csv::ColumnType;
use super::cursor::{FileSource, Mode};
use super::excel::{Area, Book, Found, Kind, Layout, Merged, Names, Row, cell_name};
use super::source::{BadRow, BadRows, Cell, Cells, Intake, SourceFile, wrong_columns};
use crate::phase::Phase;
use crate::step::{Dependency, ParamError, ParamErrors, Ports, Progress, StepContext, StepError, StepKind};
use crate::table::BATCH_ROWS;

/// Reads a sheet of one or more workbooks as one table. Rows without a value are left out; of merged cells the first
/// holds the value and the others are missing, unless `merged` says otherwise; formulas count as the value that the file holds for them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// A file (`.xlsx`, `.xlsb`, `.xls`, `.ods`), a pattern such as `data/*.xlsx`, or a URL (`https`, `s3`, `gs`, `az`).
    /// Relative paths start from the manifest's folder. Files are read in the order of their names and must have the same
    /// columns.
    pub path: String,
    /// The sheet, by its name or by its position from 0; the first one by default.
    #[serde(default)]
    pub sheet: Sheet,
    /// The cells to read, such as `A3:F200`, or `B:D` for whole columns; by default all that hold something.
    #[serde(default)]
    pub range: Option<String>,
    /// Rows of the sheet to skip, before the header.
    #[serde(default)]
    pub skip_rows: u32,
    /// Whether the first row that holds something holds the names; by default it does unless `columns` is given.
    #[serde(default)]
    pub header: Option<bool>,
    /// The names of all columns, from left to right; they replace a header.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Types of columns by name. The others are found by looking at every cell: whole numbers, numbers, truth values, days
    /// and moments as their format says, texts; lengths of time and times of day are numbers of seconds.
    #[serde(default)]
    pub types: IndexMap<String, ColumnType>,
    /// Texts, numbers and errors (such as `#N/A`) that mean missing.
    #[serde(default)]
    pub null_values: Vec<String>,
    /// What the cells of a merged region hold: the first its value and the others nothing, as in the file, or all of them its
    /// value in every row that has one of its own. The latter for `.xlsx` and `.xls`.
    #[serde(default)]
    pub merged: Merged,
    /// What is done with rows that hold an error such as `#DIV/0!`, or a value that is not of the type that `types` gives:
    /// they end the step, are left out, or are left out and kept in the output `quarantine` with file, row, reason and
    /// values.
    #[serde(default)]
    pub bad_rows: BadRows,
    /// The schema contract that the table must keep: `file:contracts/customers.yaml`.
    #[serde(default)]
    pub contract: Option<ContractFile>,
    /// What happens when it breaks the contract.
    #[serde(default)]
    pub on_violation: OnViolation,
}

/// Which sheet of a workbook.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Sheet {
    /// By its position, from 0.
    Position(usize),
    /// By its name.
    Name(String),
}

impl Default for Sheet {
    fn default() -> Sheet {
        Sheet::Position(0)
    }
}

impl Params {
    fn source(&self) -> FileSource<'_> {
        FileSource {
            path: &self.path,
            cursor: None,
            mode: Mode::default(),
            contract: self.contract.as_ref(),
            on_violation: self.on_violation,
            typing: Typing::Guessed,
            bad_rows: self.bad_rows,
        }
    }
}

/// A step that reads workbooks.
pub struct IngestExcel {
    params: Params,
    area: Area,
    nulls: (Vec<String>, Vec<f64>),
}

impl StepKind for IngestExcel {
    const NAME: &'static str = "ingest.excel";
    const VERSION: u32 = 4;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Reads a sheet of Excel or OpenDocument workbooks into a table with typed columns.";
    const EXAMPLE: &'static str = "\
uses: ingest.excel
with:
  path: data/orders.xlsx
  sheet: Orders
  skip_rows: 2
  null_values: [\"#N/A\", \"-\"]
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let mut errors = Vec::new();
        let mut refuse = |name: &str, message: &str| {
            errors.push(ParamError { path: vec![name.to_owned()], message: message.to_owned(), help: None });
        };
        if params.path.is_empty() {
            refuse("path", "the path is empty");
        }
        let area = match &params.range {
            None => Some(Area::below(params.skip_rows)),
            Some(range) => Area::parse(range),
        };
        if area.is_none() {
            refuse("range", "a range is written like `A1:F200`, or `B:D` for whole columns");
        }
        if params.range.is_some() && params.skip_rows > 0 {
            refuse("skip_rows", "with `range`, the first row is that of the range");
        }
        if let Some(wrong) = wrong_columns(&params.columns) {
            refuse("columns", &wrong);
        }
        let numbers = params.null_values.iter().filter_map(|text| text.parse().ok()).collect();
        let nulls = (params.null_values.clone(), numbers);
        match area {
            Some(area) if errors.is_empty() => Ok(IngestExcel { params, area, nulls }),
            _ => Err(ParamErrors(errors)),
        }
    }

    fn ports(&self) -> Ports {
        self.params.source().ports()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.params.source().dependencies()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let source = self.params.source();
        source.read(context, &self.params, |context, files, _| self.read_files(context, &files))
    }
}

/// A column of the table, and its type.
type Typed = Vec<(String, ColumnType)>;

const WRONG: &str = "look whether `sheet`, `range`, `skip_rows` and `types` are right";

impl IngestExcel {
    /// Reads `files` into the output `table`, and `quarantine` where there is one: once to learn names and types from every
    /// cell, once to write.
    pub(super) fn read_files(&self, context: &mut StepContext, files: &[SourceFile]) -> Result<(), StepError> {
        Book::claim(files, context)?;
        let mut layouts = Vec::new();
        for file in files {
            layouts.push(self.learn(context, file)?);
        }
        let orders = layouts.iter().map(|layout| layout.order(&layouts[0])).collect::<Result<Vec<_>, _>>()?;
        let columns = self.types(context, &layouts, &orders)?;
        let total = layouts.iter().map(|layout| layout.rows).sum();
        let mut intake = Intake::begin(context, &columns, self.params.bad_rows, total)?;
        for ((file, layout), order) in files.iter().zip(&layouts).zip(&orders) {
            let mut book = Book::open(file)?;
            let is_1904 = book.is_1904();
            let places: Vec<u32> = order.iter().map(|position| layout.columns[*position].place).collect();
            book.each_row(layout.sheet(), &self.area, self.params.merged, &mut |row| {
                if layout.is_header(row) {
                    return Ok(());
                }
                let pushed = self.push(&mut intake.waiting, &columns, &places, row, layout.sheet(), is_1904);
                match pushed {
                    Err(bad) if self.params.bad_rows == BadRows::Error => {
                        let message = format!("{} (in `{}`)", bad.message, file.name);
                        return Err(StepError::input(bad.code, message).help(
                            "repair the cell, add what it holds to `null_values` if it means missing, give the column \
                             another type in `types`, or set rows like it aside with `bad_rows: quarantine`",
                        ));
                    }
                    Err(bad) => intake.put_aside(&file.name, bad)?,
                    Ok(()) => {}
                }
                intake.write_if_full(context)
            })?;
        }
        if total == 0 {
            context.log("warning: the sheet has a header but no rows");
        }
        intake.finish(context, files, self.params.source().bound(), ("excel_no_good_rows", WRONG))
    }

    /// The names and kinds of the columns of one file.
    fn learn(&self, context: &mut StepContext, file: &SourceFile) -> Result<Layout, StepError> {
        let mut book = Book::open(file)?;
        let sheet = self.sheet(&book.sheet_names(), &file.name)?;
        let has_header = self.params.header.unwrap_or(self.params.columns.is_empty());
        let names = Names { has_header, columns: self.params.columns.clone() };
        let mut layout = Layout::begin(&file.name, &sheet, &names, self.area);
        book.each_row(&sheet, &self.area, self.params.merged, &mut |row| {
            layout.see(row, |found| self.is_missing(found));
            if layout.rows.is_multiple_of(BATCH_ROWS as u64) {
                let (done, note) = (layout.rows, "types".to_owned());
                context.progress(&Progress { done, total: None, unit: "rows", note });
                context.check_cancelled()?;
            }
            Ok(())
        })?;
        layout.settle()?;
        Ok(layout)
    }

    fn sheet(&self, names: &[String], file: &str) -> Result<String, StepError> {
        let found = match &self.params.sheet {
            Sheet::Position(position) => names.get(*position),
            Sheet::Name(wanted) => names.iter().find(|name| *name == wanted),
        };
        found.cloned().ok_or_else(|| {
            let wanted = match &self.params.sheet {
                Sheet::Position(position) => format!("sheet at position {position}"),
                Sheet::Name(name) => format!("sheet `{name}`"),
            };
            let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            StepError::input("excel_sheet", format!("`{file}` has no {wanted}; its sheets are {list}"))
                .help("name one of them in `sheet`; positions count from 0")
        })
    }

    /// The columns of the table.
    fn types(&self, context: &mut StepContext, layouts: &[Layout], orders: &[Vec<usize>]) -> Result<Typed, StepError> {
        let first = &layouts[0];
        if let Some(missing) = self.params.types.keys().find(|name| !first.columns.iter().any(|it| it.name == **name)) {
            let available = first.columns.iter().map(|column| column.name.clone()).collect();
            return Err(crate::table::TableError::NoColumn { column: missing.clone(), available }.into());
        }
        let texts = self.params.source().bound().texts();
        let mut columns = Vec::new();
        for (index, column) in first.columns.iter().enumerate() {
            let each = || layouts.iter().zip(orders).map(|(layout, order)| &layout.columns[order[index]]);
            let kind = each().fold(Kind::Unseen, |kind, column| kind.join(column.kind));
            let name = &column.name;
            let text = texts.contains(name).then_some(ColumnType::Text);
            let declared = self.params.types.get(name).copied().or(text);
            match (declared, kind) {
                (None, Kind::Unseen) => {
                    context.log(format!("warning: column `{name}` has no values at all; it is kept as text"));
                }
                (None, Kind::Text) => {
                    if let Some(odd) = each().find_map(|column| column.odd.as_ref()) {
                        context.log(format!(
                            "warning: column `{name}` is kept as text, since {odd}; what means missing belongs into `null_values`"
                        ));
                    }
                }
                _ => {}
            }
            columns.push((name.clone(), declared.unwrap_or(kind.column_type())));
        }
        Ok(columns)
    }

    /// Appends a row, or says what is wrong with it.
    fn push(
        &self,
        waiting: &mut Cells,
        columns: &Typed,
        places: &[u32],
        row: &Row,
        sheet: &str,
        is_1904: bool,
    ) -> Result<(), BadRow> {
        for (index, ((name, column_type), place)) in columns.iter().zip(places).enumerate() {
            let found = row.cell(*place);
            let found = found.filter(|found| !self.is_missing(found));
            let cell = found.map_or(Ok(Cell::Null), |found| found.cell(*column_type, is_1904));
            let pushed = cell.and_then(|cell| waiting.push(index, cell).map_err(|cell| cell.shown()));
            if pushed.is_err() {
                waiting.drop_row(index);
                let shown = found.map(|found| found.shown().chars().take(60).collect::<String>()).unwrap_or_default();
                let cell = cell_name(sheet, row.number, *place);
                let message = match found {
                    Some(Found::Error(_)) => format!("{cell} holds {shown} in column `{name}`"),
                    _ => format!("{cell} holds `{shown}` in column `{name}`, which is no {column_type}"),
                };
                let text = |place: &u32| row.cell(*place).map(Found::shown).unwrap_or_default();
                let texts: Vec<String> = places.iter().map(text).collect();
                return Err(BadRow {
                    line: u64::from(row.number) + 1,
                    code: "excel_value",
                    message,
                    text: texts.join("\t"),
                });
            }
        }
        waiting.end_row();
        Ok(())
    }

    fn is_missing(&self, found: &Found) -> bool {
        let (texts, numbers) = &self.nulls;
        match found {
            Found::Empty => true,
            Found::Text(text) | Found::Error(text) => texts.contains(text),
            Found::Number(number) => numbers.contains(number),
            _ => false,
        }
    }
}
