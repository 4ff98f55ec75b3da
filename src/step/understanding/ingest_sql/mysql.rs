//! MySQL and MariaDB.

use chrono::{NaiveDate, NaiveDateTime};
use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef,
};

use super::doubles::Doubles;
use super::rows;
use super::rows::Landing;
use super::target::Targets;
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::source::Cell;
use crate::step::{StepContext, StepError};

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Bool,
    Int,
    Unsigned,
    Float,
    Double,
    Decimal,
    Text,
    Bytes,
    Date,
    Timestamp,
    Instant,
}

pub(super) async fn read(
    url: &str,
    query: &str,
    targets: &Targets,
    context: &mut StepContext,
    landing: Landing<'_>,
) -> Result<(), StepError> {
    // The driver knows one scheme; both servers speak it.
    let url = url.split_once(':').map_or_else(String::new, |(_, rest)| format!("mysql:{rest}"));
    let options: MySqlConnectOptions = url.parse().map_err(rows::connect_failed)?;
    let mut connection = options.connect().await.map_err(rows::connect_failed)?;
    connection.execute("START TRANSACTION READ ONLY").await.map_err(rows::query_failed)?;
    let statement =
        connection.prepare(AssertSqlSafe(query.to_owned()).into_sql_str()).await.map_err(rows::query_failed)?;
    rows::check_names(statement.columns().iter().map(Column::name))?;
    let wires: Vec<Wire> = statement
        .columns()
        .iter()
        .map(|column| {
            let type_name = column.type_info().name();
            wire(type_name).ok_or_else(|| rows::unknown_type(column.name(), type_name))
        })
        .collect::<Result<_, _>>()?;
    let columns: Vec<(String, ColumnType)> = statement
        .columns()
        .iter()
        .zip(&wires)
        .map(|(column, wire)| (column.name().to_owned(), column_type(*wire)))
        .collect();
    let doubles = Doubles::new(&columns, targets);
    let columns = targets.apply(columns)?;
    let read = |row: &MySqlRow, index: usize| {
        let cell = cell(row, index, wires[index])?;
        if wires[index] == Wire::Decimal { doubles.cell(index, cell) } else { Ok(cell) }
    };
    let stream = sqlx::query(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    rows::write(stream, &columns, read, context, landing).await?;
    doubles.tell(context);
    connection.close().await.map_err(rows::query_failed)
}

fn wire(type_name: &str) -> Option<Wire> {
    Some(match type_name {
        "BOOLEAN" => Wire::Bool,
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => Wire::Int,
        "YEAR" => Wire::Unsigned,
        name if name.ends_with(" UNSIGNED") => Wire::Unsigned,
        "FLOAT" => Wire::Float,
        "DOUBLE" => Wire::Double,
        "DECIMAL" => Wire::Decimal,
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" | "JSON" | "NULL" => {
            Wire::Text
        }
        // Texts with a binary collation are announced like this too, so the bytes decide.
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => Wire::Bytes,
        "DATE" => Wire::Date,
        "DATETIME" => Wire::Timestamp,
        "TIMESTAMP" => Wire::Instant,
        _ => return None,
    })
}

fn column_type(wire: Wire) -> ColumnType {
    match wire {
        Wire::Bool => ColumnType::Bool,
        Wire::Int | Wire::Unsigned => ColumnType::Int64,
        Wire::Float | Wire::Double | Wire::Decimal => ColumnType::Float64,
        Wire::Text | Wire::Bytes => ColumnType::Text,
        Wire::Date => ColumnType::Date,
        Wire::Timestamp => ColumnType::Timestamp,
        Wire::Instant => ColumnType::Instant,
    }
}

fn cell(row: &MySqlRow, index: usize, wire: Wire) -> Result<Cell, String> {
    if row.try_get_raw(index).map_err(shown)?.is_null() {
        return Ok(Cell::Null);
    }
    let days = |day: NaiveDate| i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days());
    let micros = || {
        row.try_get_unchecked::<NaiveDateTime, _>(index)
            .map(|moment| moment.and_utc().timestamp_micros())
            .map_err(shown)
    };
    Ok(match wire {
        Wire::Bool | Wire::Int => Cell::Int(row.try_get_unchecked(index).map_err(shown)?),
        Wire::Unsigned => {
            let number: u64 = row.try_get_unchecked(index).map_err(shown)?;
            Cell::Int(i64::try_from(number).map_err(|_| format!("{number} is beyond 64 bits with sign"))?)
        }
        Wire::Float => Cell::Float(f64::from(row.try_get_unchecked::<f32, _>(index).map_err(shown)?)),
        Wire::Double => Cell::Float(row.try_get_unchecked(index).map_err(shown)?),
        Wire::Text | Wire::Decimal => Cell::Text(row.try_get_unchecked(index).map_err(shown)?),
        Wire::Bytes => {
            let bytes: Vec<u8> = row.try_get_unchecked(index).map_err(shown)?;
            Cell::Text(String::from_utf8(bytes).map_err(|_| "it holds bytes that are no text".to_owned())?)
        }
        Wire::Date => {
            Cell::Date(days(row.try_get_unchecked(index).map_err(shown)?).map_err(|error| error.to_string())?)
        }
        Wire::Timestamp => Cell::Timestamp(micros()?),
        Wire::Instant => Cell::Instant(micros()?),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn shown(error: sqlx::Error) -> String {
    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
}
