//! From expectations to checks, against the table at hand. What does not fit becomes a failed check.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Schema, TimestampMicrosecondType};

use super::check::{Check, State};
use super::column::Column;
use super::expectation::Expectation;
use super::queries::Answers;
use super::row_check::RowCheck;
use super::row_test::RowTest;
use crate::expr::Expr;
use crate::table::{MICROSECONDS, TableReader, cast, need_digits};

/// What a key takes in a set, which is half empty after it has grown.
pub(super) const BYTES_PER_KEY: u64 = 40;

/// What checks are prepared against.
pub(super) struct Setting<'a> {
    pub(super) schema: &'a Schema,
    pub(super) rows: u64,
    pub(super) reference: Option<&'a TableReader>,
    /// What was measured in earlier runs.
    pub(super) history: Option<&'a TableReader>,
    /// What queries gave; none where nobody asks them.
    pub(super) answers: Option<&'a Answers>,
    /// Microseconds since 1970 that count as now.
    pub(super) now: i64,
    /// How many failing rows each row check remembers.
    pub(super) limit: usize,
    /// How much memory the step may use, in bytes.
    pub(super) memory_bytes: Option<u64>,
}

/// The name of each expectation: its own, or check and columns, numbered where two are the same.
pub(super) fn ids(expectations: &[Expectation]) -> Vec<String> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    expectations
        .iter()
        .map(|expectation| {
            let made = || {
                let parts: Vec<&str> =
                    std::iter::once(expectation.check.as_str()).chain(expectation.named_columns()).collect();
                parts.join("_")
            };
            let id = expectation.id.clone().unwrap_or_else(made);
            let count = taken.entry(id.clone()).or_default();
            *count += 1;
            if *count == 1 { id } else { format!("{id}_{count}") }
        })
        .collect()
}

impl Setting<'_> {
    /// The check that carries `expectation` out.
    pub(super) fn check(&self, id: String, expectation: &Expectation) -> Check {
        let filter = match self.condition(expectation.filter.as_deref(), "where") {
            Ok(filter) => filter,
            Err(reason) => return Check::new(id, expectation.clone(), None, State::Raised(reason)),
        };
        let prepare = expectation.check.definition().prepare;
        let state = prepare(self, expectation).unwrap_or_else(State::Raised);
        Check::new(id, expectation.clone(), filter, state)
    }

    /// A check of rows by `test`.
    pub(super) fn of_rows(&self, test: RowTest) -> State {
        State::Rows(RowCheck::new(test, self.limit))
    }

    /// The one column that an expectation is about.
    pub(super) fn the_column(&self, expectation: &Expectation) -> Result<Column, String> {
        self.column(expectation.column.as_deref().unwrap_or_default())
    }

    /// The columns that an expectation is about.
    pub(super) fn the_columns(&self, expectation: &Expectation) -> Result<Vec<Column>, String> {
        expectation.named_columns().into_iter().map(|name| self.column(name)).collect()
    }

    /// A column of texts, or of nothing.
    pub(super) fn text_column(&self, expectation: &Expectation) -> Result<Column, String> {
        let column = self.the_column(expectation)?;
        match &column.kind {
            DataType::Utf8 => Ok(column),
            DataType::Null => Ok(column.read_as(DataType::Utf8)),
            kind => Err(format!("column `{}` is {kind} and not text", column.name)),
        }
    }

    /// A column of numbers, read as floats.
    pub(super) fn number_column(&self, expectation: &Expectation, name: &str) -> Result<Column, String> {
        let column = self.column(name)?;
        if column.is_number() || column.is_null() || column.kind == DataType::Boolean {
            return Ok(column.into_floats());
        }
        Err(format!("`{}` does not fit column `{name}`, which is {}", expectation.check.as_str(), column.kind))
    }

    /// The column and its type in computations.
    pub(super) fn column(&self, name: &str) -> Result<Column, String> {
        let stored = self.schema.field(self.index(name)?).data_type();
        Column::of(name, stored).ok_or_else(|| format!("column `{name}` is {stored}, which no check can read"))
    }

    /// Whether only their digits tell which values of these columns are equal.
    pub(super) fn need_digits(&self, columns: &[Column]) -> Result<bool, String> {
        let stored = columns.iter().map(|column| Ok(self.schema.field(self.index(&column.name)?).data_type()));
        let stored: Vec<&DataType> = stored.collect::<Result<_, String>>()?;
        let one_has_many = stored.iter().any(|one| need_digits(one, one));
        Ok(one_has_many && stored.iter().all(|one| need_digits(one, &DataType::UInt64)))
    }

    pub(super) fn index(&self, name: &str) -> Result<usize, String> {
        self.schema.index_of(name).map_err(|_| {
            // The expression language finds the nearest name.
            match Expr::column(name).column_type(self.schema) {
                Err(error) => match error.help {
                    Some(help) => format!("{}; {help}", error.message),
                    None => error.message,
                },
                Ok(_) => format!("there is no column `{name}`"),
            }
        })
    }

    /// An expression that is true or false for each row.
    pub(super) fn condition(&self, text: Option<&str>, name: &str) -> Result<Option<Expr>, String> {
        let Some(text) = text else { return Ok(None) };
        let expr = Expr::parse(text).map_err(|error| error.message)?;
        match expr.column_type(self.schema) {
            Ok(DataType::Boolean | DataType::Null) => Ok(Some(expr)),
            Ok(other) => Err(format!("`{name}` gives {other} and not true or false")),
            Err(error) => Err(error.help.map_or(error.message.clone(), |help| format!("{}; {help}", error.message))),
        }
    }

    /// The table at the input `reference`.
    pub(super) fn reference(&self, expectation: &Expectation) -> Result<&TableReader, String> {
        self.reference.ok_or_else(|| format!("`{}` needs a table at the input `reference`", expectation.check.as_str()))
    }

    /// The room that a check has for values whose number is not known before.
    pub(super) fn room(&self, expectation: &Expectation) -> Room {
        Room { check: expectation.check.as_str(), memory_bytes: self.memory_bytes }
    }

    /// Refuses a check that keeps `bytes` for its rows where the step may not use so much.
    pub(super) fn afford(&self, expectation: &Expectation, bytes: u64) -> Result<(), String> {
        match self.memory_bytes {
            Some(limit) if bytes > limit => Err(format!(
                "`{}` needs {} MiB for {} rows, and `resources.memory` allows {} MiB",
                expectation.check.as_str(),
                bytes >> 20,
                self.rows,
                limit >> 20
            )),
            _ => Ok(()),
        }
    }
}

/// The memory that a check may use as it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) check: &'static str,
    pub(super) memory_bytes: Option<u64>,
}

impl Room {
    /// Refuses `count` different values of `bytes` each where they are more than the step may use.
    pub(super) fn hold(self, count: usize, bytes: u64) -> Result<(), String> {
        let needed = (count as u64).saturating_mul(bytes);
        match self.memory_bytes {
            Some(limit) if needed > limit => Err(format!(
                "`{}` needs {} MiB for the {count} different values that it has seen so far, and `resources.memory` allows {} MiB",
                self.check,
                needed >> 20,
                limit >> 20
            )),
            _ => Ok(()),
        }
    }
}

/// ISO text as microseconds since 1970.
pub(super) fn microseconds(text: &str) -> Option<i64> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let times = cast(&texts, &MICROSECONDS);
    times.is_valid(0).then(|| times.as_primitive::<TimestampMicrosecondType>().value(0))
}
