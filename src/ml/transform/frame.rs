//! The columns of one batch on their way through the transforms.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use indexmap::IndexMap;

use super::{ColumnType, TransformError};

/// What kind of values a column holds; selectors like `@numeric` go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers.
    Number,
    /// Text and booleans.
    Category,
    /// Dates and timestamps.
    Moment,
    /// Numbers that stand for categories: 0/1 indicators and codes.
    Encoded,
}

impl Kind {
    /// The kind of a column that comes in with this type.
    pub(super) fn of(column_type: ColumnType) -> Kind {
        match column_type {
            ColumnType::Int | ColumnType::Float => Kind::Number,
            ColumnType::Text | ColumnType::Bool => Kind::Category,
            ColumnType::Date | ColumnType::Timestamp => Kind::Moment,
        }
    }
}

/// One column of a frame.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The values, in a canonical type, or texts with their dictionary where all that read them take that.
    pub(super) array: ArrayRef,
    /// What they are.
    pub(super) kind: Kind,
    /// For codes `0..n`: `n`.
    pub(super) categories: Option<usize>,
}

impl Column {
    /// A column of numbers.
    pub(super) fn number(array: ArrayRef) -> Column {
        Column { array, kind: Kind::Number, categories: None }
    }

    /// A column of 0/1 indicators or buckets.
    pub(super) fn encoded(array: ArrayRef) -> Column {
        Column { array, kind: Kind::Encoded, categories: None }
    }

    /// A column without rows, of this type and kind.
    pub(super) fn empty(column_type: ColumnType, kind: Kind) -> Column {
        Column { array: column_type.empty(), kind, categories: None }
    }

    /// The type of the values.
    pub(super) fn column_type(&self) -> ColumnType {
        ColumnType::of(self.array.data_type()).expect("frames hold canonical columns only")
    }
}

/// Named columns of equal length, in order.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    rows: usize,
    columns: IndexMap<String, Column>,
}

impl Frame {
    /// A frame of `rows` rows without columns.
    pub(super) fn new(rows: usize) -> Frame {
        Frame { rows, columns: IndexMap::new() }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The column called `name`.
    ///
    /// # Errors
    /// When an earlier transform took it away.
    pub(super) fn column(&self, name: &str) -> Result<&Column, TransformError> {
        self.columns.get(name).ok_or_else(|| missing(name, self.columns.keys().map(String::as_str)))
    }

    /// Whether there is a column called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.contains_key(name)
    }

    /// All columns, in order.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// Adds `column` at the end, or puts it in place of the one of that name.
    pub(super) fn set(&mut self, name: &str, column: Column) {
        self.columns.insert(name.to_owned(), column);
    }

    /// Takes the column called `name` away.
    pub(super) fn remove(&mut self, name: &str) {
        self.columns.shift_remove(name);
    }

    /// Puts `columns` in the place of the one called `name`.
    pub(super) fn replace(&mut self, name: &str, columns: impl IntoIterator<Item = (String, Column)>) {
        let Some((mut place, _, _)) = self.columns.shift_remove_full(name) else { return };
        for (name, column) in columns {
            // A column that is there already moves, so that there is one place less.
            let end = self.columns.len() - usize::from(self.columns.contains_key(&name));
            self.columns.shift_insert(place.min(end), name, column);
            place += 1;
        }
    }

    /// The frame as a batch, for expressions.
    pub(super) fn batch(&self) -> Result<RecordBatch, TransformError> {
        let fields: Vec<Field> =
            self.columns().map(|(name, column)| Field::new(name, column.array.data_type().clone(), true)).collect();
        let arrays: Vec<ArrayRef> = self.columns.values().map(|column| column.array.clone()).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(self.rows));
        Ok(RecordBatch::try_new_with_options(Schema::new(fields).into(), arrays, &options)?)
    }
}

/// The error for a column that is not there, with the nearest name as its remedy.
pub(super) fn missing<'name>(name: &str, available: impl Iterator<Item = &'name str>) -> TransformError {
    let available: Vec<&str> = available.collect();
    let nearest = available
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), *known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let error = TransformError::input("column_missing", format!("there is no column `{name}`"));
    match nearest {
        Some((_, known)) => error.help(format!("did you mean `{known}`?")),
        None => error.help(format!("there are: {}", available.join(", "))),
    }
}
