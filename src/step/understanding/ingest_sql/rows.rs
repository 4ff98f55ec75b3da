//! What all databases share: rows into batches, and errors without secrets.

use arrow::record_batch::RecordBatch;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::step::understanding::contract::Bound;
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::cursor::Increment;
use crate::step::understanding::source::{self, Cell, Cells};
use crate::step::{Progress, StepContext, StepError};
use crate::table::keys::hash128;

/// Writes all rows to the output `table`. `cell` reads one value, or says why it cannot.
pub(super) async fn write<R>(
    mut rows: BoxStream<'_, Result<R, sqlx::Error>>,
    columns: &[(String, ColumnType)],
    cell: impl Fn(&R, usize) -> Result<Cell, String>,
    context: &mut StepContext,
    landing: Landing<'_>,
) -> Result<(), StepError> {
    let Landing { bound, mut increment } = landing;
    let mut waiting = Cells::new(columns);
    let mut prints = Fingerprints::default();
    if let Some(increment) = &mut increment {
        increment.meet(waiting.schema())?;
    }
    let mut table = context.create_table(waiting.schema())?;
    let mut done = 0_u64;
    while let Some(row) = rows.next().await {
        let row = row.map_err(query_failed)?;
        for (index, (name, column_type)) in columns.iter().enumerate() {
            let value = cell(&row, index).map_err(|reason| unreadable(name, &reason))?;
            if increment.is_some() {
                prints.add(&value);
            }
            waiting.push(index, value).map_err(|value| unfit(name, *column_type, &value))?;
        }
        waiting.end_row();
        if increment.is_some() {
            prints.end_row();
        }
        if waiting.is_full() {
            context.check_cancelled()?;
            done += waiting.rows() as u64;
            table.write(&unread(increment.as_mut(), waiting.finish()?, &mut prints)?)?;
            context.progress(&Progress { done, total: None, unit: "rows", note: String::new() });
        }
    }
    context.check_cancelled()?;
    table.write(&unread(increment.as_mut(), waiting.finish()?, &mut prints)?)?;
    let mut rows = bound.finish(context, table)?;
    if let Some(increment) = increment {
        rows = increment.finish(context, rows)?;
    }
    context.metric("rows", rows as f64);
    context.metric("columns", columns.len() as f64);
    Ok(())
}

/// Where rows go: under which contract, and from where they are read.
pub(super) struct Landing<'a> {
    pub(super) bound: Bound<'a>,
    pub(super) increment: Option<Increment>,
}

/// A hash of each row by what the database gave, whatever types its columns get.
#[derive(Default)]
struct Fingerprints {
    bytes: Vec<u8>,
    rows: Vec<u128>,
}

impl Fingerprints {
    fn add(&mut self, cell: &Cell) {
        let (tag, text): (u8, &[u8]) = match cell {
            Cell::Null => (0, &[]),
            Cell::Bool(value) => (1, &[u8::from(*value)]),
            Cell::Int(value) => (2, &value.to_le_bytes()),
            Cell::Float(value) => (3, &value.to_bits().to_le_bytes()),
            Cell::Text(text) => (4, text.as_bytes()),
            Cell::Date(days) => (5, &days.to_le_bytes()),
            Cell::Timestamp(micros) => (6, &micros.to_le_bytes()),
            Cell::Instant(micros) => (7, &micros.to_le_bytes()),
        };
        self.bytes.push(tag);
        self.bytes.extend((text.len() as u64).to_le_bytes());
        self.bytes.extend(text);
    }

    fn end_row(&mut self) {
        self.rows.push(hash128(&self.bytes));
        self.bytes.clear();
    }
}

/// The rows of a batch that were not read before.
fn unread(
    increment: Option<&mut Increment>,
    batch: RecordBatch,
    prints: &mut Fingerprints,
) -> Result<RecordBatch, StepError> {
    let hashes = std::mem::take(&mut prints.rows);
    match increment {
        Some(increment) => increment.take(&batch, &hashes),
        None => Ok(batch),
    }
}

/// Refuses queries that give no table.
pub(super) fn check_names<'name>(names: impl Iterator<Item = &'name str>) -> Result<(), StepError> {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Err(StepError::input("sql_columns", "the query gives no columns").help("write a `SELECT`"));
    }
    source::check_names("the result of the query", names)
        .map_err(|wrong| StepError::input("sql_columns", wrong).help("rename it with `AS`"))
}

/// A type of the database that no step works with; `text` is its name for texts.
pub(super) fn unknown_type(column: &str, type_name: &str, text: &str) -> StepError {
    StepError::input("sql_type", format!("column `{column}` has type {type_name}, which no step works with"))
        .help(format!("cast it in the query, for instance `CAST({column} AS {text}) AS {column}`"))
}

/// The database cannot be reached or refuses us.
pub(super) fn connect_failed(error: sqlx::Error) -> StepError {
    match error {
        sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => {
            // The parser's message may quote the URL.
            StepError::input("sql_url", "the connection URL is not valid")
                .help("such as `postgres://user:password@host:5432/database`")
        }
        error => StepError::environment("sql_connect", "cannot connect to the database").caused_by(error),
    }
}

/// The query failed: the user's mistake, unless the server or the connection went away.
pub(super) fn query_failed(error: sqlx::Error) -> StepError {
    /// Classes of SQLSTATE that are about the server's state and not about the query.
    const PASSING: [&str; 5] = ["08", "40", "53", "57", "58"];
    match &error {
        sqlx::Error::Database(answer) => {
            let code = answer.code().unwrap_or_default().into_owned();
            if PASSING.iter().any(|class| code.len() == 5 && code.starts_with(class)) {
                return StepError::environment("sql_server", "the database could not answer").caused_by(error);
            }
            StepError::input("sql_query", format!("the database refuses the query: {}", answer.message()))
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StepError::input("sql_value", "a value of the result cannot be read").caused_by(error)
        }
        _ => StepError::environment("sql_connection", "the connection to the database broke").caused_by(error),
    }
}

/// A value that the database gives and no type of ours has room for.
fn unreadable(column: &str, reason: &str) -> StepError {
    StepError::input("sql_value", format!("a value of column `{column}` cannot be kept: {reason}")).help(
        "make a text of it in the query: `CAST(… AS TEXT)`, on MySQL `CAST(… AS CHAR)`, and `HEX(…)` where it is bytes",
    )
}

/// A value that is none of the type that its column gets.
fn unfit(column: &str, column_type: ColumnType, value: &Cell) -> StepError {
    let message = format!("a value of column `{column}` cannot be kept: {}", value.misfit(column_type));
    StepError::input("sql_value", message).help(match column_type {
        ColumnType::Text => "cut it or leave it out in the query",
        _ => "give the column another type in `types`, or cast it in the query; `text` takes its values as they stand",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_one_that_helps() {
        let check = |error: StepError| format!("{error} ({})", error.remedy().unwrap_or("-"));
        insta::assert_snapshot!(check(unreadable("b", "it holds bytes that are no text")), @"a value of column `b` cannot be kept: it holds bytes that are no text (make a text of it in the query: `CAST(… AS TEXT)`, on MySQL `CAST(… AS CHAR)`, and `HEX(…)` where it is bytes)");
        insta::assert_snapshot!(check(unfit("n", ColumnType::Int64, &Cell::Float(0.5))), @"a value of column `n` cannot be kept: `0.5` is no int64 (give the column another type in `types`, or cast it in the query; `text` takes its values as they stand)");
        insta::assert_snapshot!(check(unfit("t", ColumnType::Text, &Cell::Date(i32::MAX))), @"a value of column `t` cannot be kept: `2147483647` is no text (cut it or leave it out in the query)");
    }
}
