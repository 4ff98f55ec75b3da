//! MySQL and MariaDB.

use std::cell::RefCell;
use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Decode, Executor, MySql, Row, SqlSafeStr, Statement, TypeInfo,
};

use super::doubles::Doubles;
use super::mysql_value::{Moment, bits, moment, time};
use super::rows::{self, Landing};
use super::target::{Found, Targets};
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::source::Cell;
use crate::step::{StepContext, StepError};

/// What stands for no day at all.
const ZERO: &str = "0000-00-00";

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
    Bits,
    Time,
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
            wire(type_name).ok_or_else(|| rows::unknown_type(column.name(), type_name, "CHAR"))
        })
        .collect::<Result<_, _>>()?;
    let columns = statement.columns().iter().zip(&wires).map(|(column, wire)| found(column.name(), *wire)).collect();
    let columns = targets.apply(columns)?;
    let doubles = Doubles::new(&columns);
    let zeros = RefCell::new(BTreeSet::new());
    let read = |row: &MySqlRow, index: usize| match (wires[index], cell(row, index, wires[index])?) {
        (Wire::Decimal, cell) => doubles.cell(index, cell),
        (Wire::Date | Wire::Timestamp | Wire::Instant, Cell::Text(text))
            if text == ZERO && columns[index].1 != ColumnType::Text =>
        {
            zeros.borrow_mut().insert(index);
            Ok(Cell::Null)
        }
        (_, cell) => Ok(cell),
    };
    let stream = sqlx::query(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    rows::write(stream, &columns, read, context, landing).await?;
    doubles.tell(context);
    for (name, _) in zeros.borrow().iter().map(|index| &columns[*index]) {
        context.log(format!(
            "warning: column `{name}` holds days `{ZERO}`, which are missing; `text` in `types` keeps them"
        ));
    }
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
        "BIT" => Wire::Bits,
        "TIME" => Wire::Time,
        "DATE" => Wire::Date,
        "DATETIME" => Wire::Timestamp,
        "TIMESTAMP" => Wire::Instant,
        _ => return None,
    })
}

fn found(name: &str, wire: Wire) -> Found {
    let column_type = match wire {
        Wire::Bool => ColumnType::Bool,
        Wire::Int | Wire::Unsigned | Wire::Bits => ColumnType::Int64,
        Wire::Float | Wire::Double | Wire::Decimal => ColumnType::Float64,
        Wire::Text | Wire::Bytes | Wire::Time => ColumnType::Text,
        Wire::Date => ColumnType::Date,
        Wire::Timestamp => ColumnType::Timestamp,
        Wire::Instant => ColumnType::Instant,
    };
    // Whole numbers without sign may be beyond those with one.
    let has_digits = matches!(wire, Wire::Decimal | Wire::Unsigned | Wire::Bits);
    Found { name: name.to_owned(), column_type, has_digits }
}

fn cell(row: &MySqlRow, index: usize, wire: Wire) -> Result<Cell, String> {
    let raw = row.try_get_raw(index).map_err(shown)?;
    // A day of zeros is there and counts as null all the same, so this asks for bytes first.
    let Ok(bytes) = <&[u8] as Decode<MySql>>::decode(raw) else { return Ok(Cell::Null) };
    let odd = || format!("{} bytes that make no sense", bytes.len());
    let text = || String::from_utf8(bytes.to_vec()).map(Cell::Text);
    let at = |known: fn(NaiveDateTime) -> Cell| match moment(bytes) {
        Some(Moment::Known(moment)) => Ok(known(moment)),
        Some(Moment::Unknown(text)) => Ok(Cell::Text(text)),
        None => Err(odd()),
    };
    Ok(match wire {
        Wire::Bool | Wire::Int => Cell::Int(row.try_get_unchecked(index).map_err(shown)?),
        Wire::Unsigned => unsigned(row.try_get_unchecked(index).map_err(shown)?),
        Wire::Bits => unsigned(bits(bytes).ok_or_else(odd)?),
        Wire::Float => Cell::Float(f64::from(row.try_get_unchecked::<f32, _>(index).map_err(shown)?)),
        Wire::Double => Cell::Float(row.try_get_unchecked(index).map_err(shown)?),
        Wire::Text | Wire::Decimal => text().map_err(|_| "it is not UTF-8".to_owned())?,
        Wire::Bytes => text().map_err(|_| "it holds bytes that are no text".to_owned())?,
        Wire::Time => Cell::Text(time(bytes).ok_or_else(odd)?),
        Wire::Date => {
            at(|moment| Cell::Date(moment.date().num_days_from_ce() - NaiveDate::default().num_days_from_ce()))?
        }
        Wire::Timestamp => at(|moment| Cell::Timestamp(moment.and_utc().timestamp_micros()))?,
        Wire::Instant => at(|moment| Cell::Instant(moment.and_utc().timestamp_micros()))?,
    })
}

/// A number that may be beyond 64 bits with sign, and is a text then.
fn unsigned(number: u64) -> Cell {
    i64::try_from(number).map_or_else(|_| Cell::Text(number.to_string()), Cell::Int)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn shown(error: sqlx::Error) -> String {
    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_decimals_and_numbers_without_sign_have_digits_to_keep() {
        let digits = |type_name: &str| found("x", wire(type_name).unwrap()).has_digits;
        assert_eq!(["DECIMAL", "BIGINT UNSIGNED", "BIT", "YEAR"].map(digits), [true; 4]);
        assert_eq!(["FLOAT", "DOUBLE", "BOOLEAN", "BIGINT", "VARCHAR", "DATE"].map(digits), [false; 6]);
    }
}
