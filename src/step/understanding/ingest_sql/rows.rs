//! What all databases share: rows into batches, and errors without secrets.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::source::{Cell, Cells};
use crate::step::{Progress, StepContext, StepError};
use crate::table::BATCH_ROWS;

/// Writes all rows to the output `table`. `cell` reads one value, or says why it cannot.
pub(super) async fn write<R>(
    mut rows: BoxStream<'_, Result<R, sqlx::Error>>,
    columns: &[(String, ColumnType)],
    cell: impl Fn(&R, usize) -> Result<Cell, String>,
    context: &mut StepContext,
) -> Result<(), StepError> {
    let mut waiting = Cells::new(columns);
    let mut table = context.create_table(waiting.schema())?;
    let mut done = 0_u64;
    while let Some(row) = rows.next().await {
        let row = row.map_err(query_failed)?;
        for (index, (name, column_type)) in columns.iter().enumerate() {
            let value = cell(&row, index).map_err(|reason| bad_value(name, &reason))?;
            waiting
                .push(index, value)
                .map_err(|value| bad_value(name, &format!("`{}` is no {column_type}", value.shown())))?;
        }
        waiting.end_row();
        if waiting.rows() == BATCH_ROWS {
            context.check_cancelled()?;
            done += BATCH_ROWS as u64;
            table.write(&waiting.finish()?)?;
            context.progress(&Progress { done, total: None, unit: "rows", note: String::new() });
        }
    }
    context.check_cancelled()?;
    done += waiting.rows() as u64;
    table.write(&waiting.finish()?)?;
    context.finish_table("table", table)?;
    context.metric("rows", done as f64);
    context.metric("columns", columns.len() as f64);
    Ok(())
}

/// Refuses queries that give no table.
pub(super) fn check_names<'name>(names: impl Iterator<Item = &'name str>) -> Result<(), StepError> {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Err(StepError::input("sql_columns", "the query gives no columns").help("write a `SELECT`"));
    }
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(StepError::input("sql_columns", format!("the query gives two columns named `{name}`"))
                .help("rename one with `AS`"));
        }
    }
    Ok(())
}

/// A type of the database that no step works with.
pub(super) fn unknown_type(column: &str, type_name: &str) -> StepError {
    StepError::input("sql_type", format!("column `{column}` has type {type_name}, which no step works with"))
        .help(format!("cast it in the query, for instance `CAST({column} AS TEXT) AS {column}`"))
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

fn bad_value(column: &str, reason: &str) -> StepError {
    StepError::input("sql_value", format!("a value of column `{column}` cannot be kept: {reason}"))
        .help("cast the column in the query to a type that fits all its values")
}
