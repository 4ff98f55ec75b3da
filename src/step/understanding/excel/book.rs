//! A workbook that is open, and the rows of its sheets.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use calamine::{Data, DataRef, Ods, Range, Reader as _, SheetType, Xls, Xlsb, Xlsx};

use super::merged::{Merged, Regions};
use super::parts::parts;
use super::place::Area;
use super::value::Found;
use crate::step::data_engineering::room;
use crate::step::understanding::source::{self, NONSENSE, SourceFile};
use crate::step::{StepContext, StepError};

/// How an `.xls` workbook and every encrypted one begins.
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Memory for each byte of what is held, measured with room to spare: shared texts, the XML of an `.ods`, an `.xls`.
const SHARED_TEXTS: u64 = 3;
const WHOLE_ODS: u64 = 8;
const WHOLE_XLS: u64 = 16;

/// A row of a sheet that has cells.
#[derive(Debug, Default)]
pub struct Row {
    /// Its number, from 0.
    pub number: u32,
    /// Its cells with their columns, from 0, from left to right; empty ones are left out.
    pub cells: Vec<(u32, Found)>,
}

impl Row {
    /// The cell of a column, if it is not empty.
    pub fn cell(&self, column: u32) -> Option<&Found> {
        let after = self.cells.partition_point(|(place, _)| *place <= column);
        self.cells[..after].last().filter(|(place, _)| *place == column).map(|(_, found)| found)
    }
}

type Take<'take> = &'take mut dyn FnMut(&Row) -> Result<(), StepError>;

enum Sheets {
    Xlsx(Box<Xlsx<BufReader<File>>>),
    Xlsb(Box<Xlsb<BufReader<File>>>),
    Xls(Box<Xls<BufReader<File>>>),
    Ods(Box<Ods<BufReader<File>>>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Xlsx,
    Xlsb,
    Xls,
    Ods,
}

/// An open workbook.
pub struct Book {
    name: String,
    sheets: Sheets,
}

impl Book {
    /// Says how much memory reading `files` one after the other needs, and refuses if it is more than the step has.
    pub fn claim(files: &[SourceFile], context: &mut StepContext) -> Result<(), StepError> {
        let mut most: Option<(u64, String)> = None;
        for file in files {
            let (format, parts) = recognise(file)?;
            let part = |is_it: fn(&str) -> bool| {
                parts.iter().filter(|(name, _)| is_it(name)).map(|(_, bytes)| *bytes).fold(0, u64::saturating_add)
            };
            let (bytes, what) = match format {
                Format::Xlsx | Format::Xlsb => {
                    let shared = part(|name| name.to_ascii_lowercase().contains("sharedstrings."));
                    (shared.saturating_mul(SHARED_TEXTS), format!("holding the texts of `{}`", file.name))
                }
                Format::Ods => {
                    let content = part(|name| name == "content.xml");
                    (content.saturating_mul(WHOLE_ODS), format!("reading `{}` whole", file.name))
                }
                Format::Xls => (file.bytes.saturating_mul(WHOLE_XLS), format!("reading `{}` whole", file.name)),
            };
            if most.as_ref().is_none_or(|(known, _)| bytes > *known) {
                most = Some((bytes, what));
            }
        }
        let Some((bytes, what)) = most else { return Ok(()) };
        room::claim(context, &what, bytes, "save the sheet as CSV, which is read in pieces")
    }

    /// Opens a workbook, whatever its name says.
    pub fn open(file: &SourceFile) -> Result<Book, StepError> {
        let (format, _) = recognise(file)?;
        let (name, raw) = (&file.name, BufReader::with_capacity(256 * 1024, file.open()?));
        let sheets = match format {
            Format::Xlsx => Sheets::Xlsx(Box::new(guarded(name, || Xlsx::new(raw))?)),
            Format::Xlsb => Sheets::Xlsb(Box::new(guarded(name, || Xlsb::new(raw))?)),
            Format::Xls => Sheets::Xls(Box::new(guarded(name, || Xls::new(raw))?)),
            Format::Ods => Sheets::Ods(Box::new(guarded(name, || Ods::new(raw))?)),
        };
        Ok(Book { name: name.clone(), sheets })
    }

    /// The names of the sheets that hold cells, in order.
    pub fn sheet_names(&self) -> Vec<String> {
        let sheets = match &self.sheets {
            Sheets::Xlsx(book) => book.sheets_metadata(),
            Sheets::Xlsb(book) => book.sheets_metadata(),
            Sheets::Xls(book) => book.sheets_metadata(),
            Sheets::Ods(book) => book.sheets_metadata(),
        };
        let cells = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
        cells.map(|sheet| sheet.name.clone()).collect()
    }

    /// Whether its days count from 1904.
    pub fn is_1904(&self) -> bool {
        match &self.sheets {
            Sheets::Xlsx(book) => book.has_1904_epoch(),
            Sheets::Xlsb(book) => book.has_1904_epoch(),
            Sheets::Xls(book) => book.has_1904_epoch(),
            Sheets::Ods(_) => false,
        }
    }

    /// Gives every row of `sheet` that has a value in `area` to `take`, in order.
    pub fn each_row(&mut self, sheet: &str, area: &Area, merged: Merged, take: Take<'_>) -> Result<(), StepError> {
        let regions = self.regions(sheet, merged)?;
        let (is_1904, name) = (self.is_1904(), &self.name);
        let found = |cell: calamine::Cell<DataRef<'_>>| (cell.get_position(), Found::of(cell.get_value(), is_1904));
        let rows = Gather { name, area, regions, row: Row::default() };
        match &mut self.sheets {
            Sheets::Xlsx(book) => {
                let mut cells = guarded(name, || book.worksheet_cells_reader(sheet))?;
                rows.all(&mut || Ok(guarded(name, || cells.next_cell())?.map(found)), take)
            }
            Sheets::Xlsb(book) => {
                let mut cells = guarded(name, || book.worksheet_cells_reader(sheet))?;
                rows.all(&mut || Ok(guarded(name, || cells.next_cell())?.map(found)), take)
            }
            Sheets::Xls(book) => whole(rows, &guarded(name, || book.worksheet_range(sheet))?, is_1904, take),
            Sheets::Ods(book) => whole(rows, &guarded(name, || book.worksheet_range(sheet))?, is_1904, take),
        }
    }

    /// The merged regions of a sheet, if they are to be filled.
    fn regions(&mut self, sheet: &str, merged: Merged) -> Result<Option<Regions>, StepError> {
        if merged == Merged::First {
            return Ok(None);
        }
        let name = &self.name;
        let regions = match &mut self.sheets {
            Sheets::Xlsx(book) => guarded(name, || book.merge_cells_by_sheet_name(sheet))?,
            Sheets::Xls(book) => guarded(name, || book.merge_cells_by_sheet_name(sheet))?,
            Sheets::Xlsb(_) | Sheets::Ods(_) => {
                let message = format!("the merged cells of `{name}` cannot be told");
                return Err(StepError::input("excel_merged", message)
                    .help("`merged: fill` is for `.xlsx` and `.xls`: save the workbook as one of them"));
            }
        };
        Ok(Some(Regions::new(regions)))
    }
}

fn whole(rows: Gather<'_>, range: &Range<Data>, is_1904: bool, take: Take<'_>) -> Result<(), StepError> {
    let (top, left) = range.start().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "a sheet has at most 2^20 rows and 2^14 columns")]
    let place = |row: usize, column: usize| (top + row as u32, left + column as u32);
    let mut cells = range.used_cells().map(|(row, column, data)| (place(row, column), Found::of(data, is_1904)));
    rows.all(&mut || Ok(cells.next()), take)
}

/// A cell with its row and column.
type Next<'next> = &'next mut dyn FnMut() -> Result<Option<((u32, u32), Found)>, StepError>;

/// Puts cells together to rows.
struct Gather<'book> {
    name: &'book str,
    area: &'book Area,
    regions: Option<Regions>,
    row: Row,
}

impl Gather<'_> {
    fn all(mut self, next: Next<'_>, take: Take<'_>) -> Result<(), StepError> {
        while let Some(((number, column), found)) = next()? {
            if number < self.row.number {
                return Err(damaged(self.name, "its rows are not in order"));
            }
            if number > self.row.number {
                self.give(take)?;
                if number > self.area.bottom {
                    break;
                }
                self.row.number = number;
            }
            // A region may begin outside of the area.
            let is_wanted = self.regions.is_some() || self.is_inside(column);
            if is_wanted && found != Found::Empty {
                self.row.cells.push((column, found));
            }
        }
        self.give(take)
    }

    fn is_inside(&self, column: u32) -> bool {
        self.row.number >= self.area.top && (self.area.left..=self.area.right).contains(&column)
    }

    fn give(&mut self, take: Take<'_>) -> Result<(), StepError> {
        // Nearly always they are; a cell that is written twice keeps its order, and the last one counts.
        if !self.row.cells.is_sorted_by_key(|(column, _)| *column) {
            self.row.cells.sort_by_key(|(column, _)| *column);
        }
        let mut has_own = !self.row.cells.is_empty();
        if let Some(mut regions) = self.regions.take_if(|_| has_own) {
            has_own = self.row.cells.iter().any(|(column, _)| self.is_inside(*column));
            regions.fill(&mut self.row, self.area.right);
            self.regions = Some(regions);
            let mut cells = std::mem::take(&mut self.row.cells);
            cells.retain(|(column, _)| self.is_inside(*column));
            self.row.cells = cells;
        }
        if has_own {
            take(&self.row)?;
        }
        self.row.cells.clear();
        Ok(())
    }
}

/// What kind of workbook a file is, by its bytes, and the parts of one that is a zip file.
fn recognise(file: &SourceFile) -> Result<(Format, Vec<(String, u64)>), StepError> {
    let mut raw = file.open()?;
    let mut begin = Vec::new();
    (&mut raw).take(8).read_to_end(&mut begin)?;
    raw.seek(SeekFrom::Start(0))?;
    if begin == COMPOUND {
        return Ok((Format::Xls, Vec::new()));
    }
    let is_zip = begin.starts_with(b"PK");
    let Some(parts) = (if is_zip { parts(&mut raw)? } else { None }) else {
        if is_zip {
            return Err(damaged(&file.name, "it is cut off, or no workbook"));
        }
        return Err(StepError::input(
            "excel_format",
            format!("`{}` is no workbook, whatever its name says", file.name),
        )
        .help("if it holds text, read it with `ingest.csv`"));
    };
    let has = |wanted: &str| parts.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let format = if has("xl/workbook.bin") {
        Format::Xlsb
    } else if has("content.xml") {
        Format::Ods
    } else {
        Format::Xlsx
    };
    Ok((format, parts))
}

/// Runs code that may stumble over damaged bytes.
fn guarded<T, E: Error + 'static>(name: &str, read: impl FnOnce() -> Result<T, E>) -> Result<T, StepError> {
    source::guarded(name, read, |error| {
        let reason = error.map_or(NONSENSE.to_owned(), |error| error.to_string());
        if reason.contains("password") {
            return StepError::input("excel_password", format!("`{name}` is protected by a password"))
                .help("save a copy without the password");
        }
        damaged(name, &reason)
    })
}

fn damaged(name: &str, reason: &str) -> StepError {
    StepError::input("excel_damaged", format!("`{name}` cannot be read as a workbook: {reason}"))
        .help("open it in a spreadsheet program and save it again")
}
