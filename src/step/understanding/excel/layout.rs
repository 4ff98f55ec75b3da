//! The columns of a sheet: their places, names and kinds.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Row;
use super::place::{Area, cell_name, column_name};
use super::value::{Found, Kind};
use crate::step::StepError;
use crate::step::understanding::source::wrong_name;

/// What the manifest says about names.
#[derive(Debug, Clone)]
pub struct Names {
    /// Whether the first row holds names.
    pub has_header: bool,
    /// The names, if the manifest gives them.
    pub columns: Vec<String>,
}

/// A column of a sheet.
#[derive(Debug, Clone)]
pub struct Column {
    /// Where it stands, from 0.
    pub place: u32,
    /// Its name.
    pub name: String,
    /// What its cells are.
    pub kind: Kind,
    /// The first cell that made it text, where other cells are none.
    pub odd: Option<String>,
}

/// The columns of the sheet of one file; filled by [`Layout::see`], then completed by [`Layout::settle`].
#[derive(Debug)]
pub struct Layout {
    file: String,
    sheet: String,
    names: Names,
    area: Area,
    header: Option<(u32, BTreeMap<u32, Found>)>,
    used: BTreeMap<u32, (Kind, Option<String>)>,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows below the header.
    pub rows: u64,
}

impl Layout {
    /// The layout of `sheet` of `file`, of which nothing is seen yet.
    pub fn begin(file: &str, sheet: &str, names: &Names, area: Area) -> Layout {
        let (file, sheet, names) = (file.to_owned(), sheet.to_owned(), names.clone());
        Layout { file, sheet, names, area, header: None, used: BTreeMap::new(), columns: Vec::new(), rows: 0 }
    }

    /// The sheet.
    pub fn sheet(&self) -> &str {
        &self.sheet
    }

    /// Whether `row` is the header.
    pub fn is_header(&self, row: &Row) -> bool {
        self.header.as_ref().is_some_and(|(number, _)| *number == row.number)
    }

    /// Learns from a row; `is_missing` knows the values that stand for none.
    pub fn see(&mut self, row: &Row, is_missing: impl Fn(&Found) -> bool) {
        if self.names.has_header && self.header.is_none() {
            self.header = Some((row.number, row.cells.iter().cloned().collect()));
            return;
        }
        self.rows += 1;
        for (column, found) in &row.cells {
            let (kind, odd) = self.used.entry(*column).or_default();
            if is_missing(found) {
                continue;
            }
            let joined = kind.join(Kind::of(found));
            if odd.is_none() && joined == Kind::Text && *kind != Kind::Unseen && *kind != Kind::of(found) {
                let cell = cell_name(&self.sheet, row.number, *column);
                *odd = Some(format!("{cell} of `{}` holds `{}`", self.file, shown(found)));
            }
            *kind = joined;
        }
    }

    /// Finds the names of all columns.
    pub fn settle(&mut self) -> Result<(), StepError> {
        if self.header.is_none() && self.used.is_empty() {
            let place = format!("sheet `{}` of `{}`", self.sheet, self.file);
            return Err(StepError::input("excel_empty", format!("{place} has neither a header nor rows"))
                .help("name another sheet with `sheet`, or look at `range` and `skip_rows`"));
        }
        let named = match &self.header {
            Some((number, cells)) if self.names.columns.is_empty() => self.named(*number, cells)?,
            Some((_, cells)) => self.renamed(cells)?,
            None => self.numbered()?,
        };
        let column = |(place, name): (u32, String)| {
            let (kind, odd) = self.used.remove(&place).unwrap_or_default();
            Column { place, name, kind, odd }
        };
        self.columns = named.into_iter().map(column).collect();
        Ok(())
    }

    /// Columns by their header.
    fn named(&self, row: u32, cells: &BTreeMap<u32, Found>) -> Result<Vec<(u32, String)>, StepError> {
        let refuse = |message: String, help: &str| Err(StepError::input("excel_header", message).help(help));
        let place = |column: u32| format!("{} of `{}`", cell_name(&self.sheet, row, column), self.file);
        let mut named: Vec<(u32, String)> = Vec::new();
        let mut known: BTreeMap<String, u32> = BTreeMap::new();
        for (&column, found) in cells {
            // Line breaks inside a header are only there for the eye.
            let name = found.shown().split_whitespace().collect::<Vec<_>>().join(" ");
            if matches!(found, Found::Error(_)) {
                return refuse(format!("the header {} holds `{name}`", place(column)), "repair the cell");
            }
            if name.is_empty() {
                continue;
            }
            if let Some(wrong) = wrong_name(&name) {
                return refuse(format!("the column {} {wrong}", place(column)), "rename it in the file");
            }
            if let Some(other) = known.insert(name.clone(), column) {
                let other = cell_name(&self.sheet, row, other);
                let message = format!("the headers {other} and {} are both `{name}`", place(column));
                return refuse(message, "rename one in the file, or give all names in `columns`");
            }
            named.push((column, name));
        }
        if let Some(nameless) =
            self.used.keys().find(|column| named.binary_search_by_key(column, |(place, _)| place).is_err())
        {
            let message = format!(
                "column {} of sheet `{}` of `{}` has values, and no name in row {}",
                column_name(*nameless),
                self.sheet,
                self.file,
                row + 1
            );
            return refuse(
                message,
                "name it in the file, leave it out with `range`, or skip rows above the header with `skip_rows`",
            );
        }
        Ok(named)
    }

    /// Columns by the names that replace their header, whatever it holds.
    fn renamed(&self, cells: &BTreeMap<u32, Found>) -> Result<Vec<(u32, String)>, StepError> {
        let titled = cells.iter().filter(|(_, found)| !found.shown().trim().is_empty()).map(|(column, _)| *column);
        let places: BTreeSet<u32> = titled.chain(self.used.keys().copied()).collect();
        self.check_width(places.len())?;
        Ok(places.into_iter().zip(self.names.columns.iter().cloned()).collect())
    }

    /// Columns by their order.
    fn numbered(&self) -> Result<Vec<(u32, String)>, StepError> {
        let (left, right) = match (self.area.width(), self.used.first_key_value(), self.used.last_key_value()) {
            (None, Some((left, _)), Some((right, _))) => (*left, *right),
            _ => (self.area.left, self.area.right),
        };
        let places = left..=right;
        if self.names.columns.is_empty() {
            return Ok(places
                .zip(1..)
                .map(|(place, number): (u32, u32)| (place, format!("column_{number}")))
                .collect());
        }
        self.check_width(places.clone().count())?;
        Ok(places.zip(self.names.columns.iter().cloned()).collect())
    }

    fn check_width(&self, found: usize) -> Result<(), StepError> {
        if found == self.names.columns.len() {
            return Ok(());
        }
        let (sheet, file, named) = (&self.sheet, &self.file, self.names.columns.len());
        let message = format!("sheet `{sheet}` of `{file}` has {found} columns, and `columns` names {named}");
        Err(StepError::input("excel_columns", message).help("`columns` names every column, from left to right"))
    }

    /// The positions of the columns of `first` among the columns of this file, which must be the same.
    pub fn order(&self, first: &Layout) -> Result<Vec<usize>, StepError> {
        let refuse = |message: String| {
            Err(StepError::input("excel_columns", message).help("files that are read together have the same columns"))
        };
        let known: BTreeMap<&str, usize> = self.columns.iter().map(|it| it.name.as_str()).zip(0..).collect();
        let mut order = Vec::new();
        for Column { name, .. } in &first.columns {
            match known.get(name.as_str()) {
                Some(position) => order.push(*position),
                None => {
                    return refuse(format!("the column `{name}` of `{}` is missing from `{}`", first.file, self.file));
                }
            }
        }
        if order.len() < self.columns.len() {
            let extra = (0..self.columns.len()).find(|index| !order.contains(index)).unwrap_or_default();
            let (name, file, other) = (&self.columns[extra].name, &self.file, &first.file);
            return refuse(format!("`{file}` has a column `{name}` that `{other}` does not have"));
        }
        Ok(order)
    }
}

/// A value for messages.
pub(super) fn shown(found: &Found) -> String {
    found.shown().chars().take(60).collect()
}
