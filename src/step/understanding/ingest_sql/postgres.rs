//! Postgres: values in its binary format.

use sqlx::postgres::{PgConnectOptions, PgRow, PgTypeInfo, PgTypeKind};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef,
};

use super::rows::{self, Landing};
use crate::step::understanding::csv::{ColumnType, value};
use crate::step::understanding::source::Cell;
use crate::step::{StepContext, StepError};

/// Days from 1970 to 2000, where Postgres begins to count.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// How the bytes of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Bool,
    Int,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Jsonb,
    Uuid,
    Date,
    Timestamp,
    Instant,
}

pub(super) async fn read(
    url: &str,
    query: &str,
    context: &mut StepContext,
    landing: Landing<'_>,
) -> Result<(), StepError> {
    let options: PgConnectOptions = url.parse().map_err(rows::connect_failed)?;
    let mut connection = options.application_name("phaseline").connect().await.map_err(rows::connect_failed)?;
    connection.execute("BEGIN READ ONLY").await.map_err(rows::query_failed)?;
    let statement =
        connection.prepare(AssertSqlSafe(query.to_owned()).into_sql_str()).await.map_err(rows::query_failed)?;
    rows::check_names(statement.columns().iter().map(Column::name))?;
    let wires: Vec<Wire> = statement
        .columns()
        .iter()
        .map(|column| {
            wire(column.type_info()).ok_or_else(|| rows::unknown_type(column.name(), column.type_info().name()))
        })
        .collect::<Result<_, _>>()?;
    let columns: Vec<(String, ColumnType)> = statement
        .columns()
        .iter()
        .zip(&wires)
        .map(|(column, wire)| (column.name().to_owned(), column_type(*wire)))
        .collect();
    let stream = sqlx::query(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    rows::write(stream, &columns, |row, index| cell(row, index, wires[index]), context, landing).await?;
    connection.close().await.map_err(rows::query_failed)
}

fn wire(type_info: &PgTypeInfo) -> Option<Wire> {
    if matches!(type_info.kind(), PgTypeKind::Enum(_)) {
        return Some(Wire::Text);
    }
    if let PgTypeKind::Domain(base) = type_info.kind() {
        return wire(base);
    }
    Some(match type_info.name() {
        "BOOL" => Wire::Bool,
        "INT2" | "INT4" | "INT8" => Wire::Int,
        "OID" => Wire::Oid,
        "FLOAT4" => Wire::Float4,
        "FLOAT8" => Wire::Float8,
        "NUMERIC" => Wire::Numeric,
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "JSON" | "citext" | "CITEXT" | "\"CHAR\"" => Wire::Text,
        "JSONB" => Wire::Jsonb,
        "UUID" => Wire::Uuid,
        "DATE" => Wire::Date,
        "TIMESTAMP" => Wire::Timestamp,
        "TIMESTAMPTZ" => Wire::Instant,
        _ => return None,
    })
}

fn column_type(wire: Wire) -> ColumnType {
    match wire {
        Wire::Bool => ColumnType::Bool,
        Wire::Int | Wire::Oid => ColumnType::Int64,
        Wire::Float4 | Wire::Float8 | Wire::Numeric => ColumnType::Float64,
        Wire::Text | Wire::Jsonb | Wire::Uuid => ColumnType::Text,
        Wire::Date => ColumnType::Date,
        Wire::Timestamp => ColumnType::Timestamp,
        Wire::Instant => ColumnType::Instant,
    }
}

fn cell(row: &PgRow, index: usize, wire: Wire) -> Result<Cell, String> {
    let raw = row.try_get_raw(index).map_err(|error| error.to_string())?;
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    decode(raw.as_bytes().map_err(|error| error.to_string())?, wire)
}

fn decode(bytes: &[u8], wire: Wire) -> Result<Cell, String> {
    let short = || format!("{} bytes where another number was expected", bytes.len());
    let eight = || <[u8; 8]>::try_from(bytes).map_err(|_| short());
    let four = || <[u8; 4]>::try_from(bytes).map_err(|_| short());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| "it is not UTF-8".to_owned());
    let moment = || match i64::from_be_bytes(eight()?) {
        i64::MAX | i64::MIN => Err("infinity is no moment".to_owned()),
        micros => micros.checked_add(EPOCH_MICROS).ok_or_else(|| "it is out of range".to_owned()),
    };
    Ok(match wire {
        Wire::Bool => Cell::Bool(bytes == [1]),
        Wire::Int => Cell::Int(match bytes.len() {
            2 => i64::from(i16::from_be_bytes([bytes[0], bytes[1]])),
            4 => i64::from(i32::from_be_bytes(four()?)),
            _ => i64::from_be_bytes(eight()?),
        }),
        Wire::Oid => Cell::Int(i64::from(u32::from_be_bytes(four()?))),
        Wire::Float4 => Cell::Float(f64::from(f32::from_be_bytes(four()?))),
        Wire::Float8 => Cell::Float(f64::from_be_bytes(eight()?)),
        Wire::Numeric => Cell::Float(numeric(bytes).ok_or_else(short)?),
        Wire::Text => Cell::Text(text(bytes)?),
        // The first byte is the version of the format.
        Wire::Jsonb => Cell::Text(text(bytes.get(1..).unwrap_or_default())?),
        Wire::Uuid => Cell::Text(uuid::Uuid::from_slice(bytes).map_err(|_| short())?.to_string()),
        Wire::Date => match i32::from_be_bytes(four()?) {
            i32::MAX | i32::MIN => return Err("infinity is no day".to_owned()),
            days => Cell::Date(days + EPOCH_DAYS),
        },
        Wire::Timestamp => Cell::Timestamp(moment()?),
        Wire::Instant => Cell::Instant(moment()?),
    })
}

/// A decimal number to the nearest double, by way of its digits.
fn numeric(bytes: &[u8]) -> Option<f64> {
    let mut words = bytes.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    let count = words.next()?;
    let weight = words.next()?.cast_signed();
    let sign = words.next()?;
    let _scale = words.next()?;
    match sign {
        0xC000 => return Some(f64::NAN),
        0xD000 => return Some(f64::INFINITY),
        0xF000 => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let minus = if sign == 0x4000 { "-" } else { "" };
    let groups: Vec<String> =
        (0..count).map(|_| words.next().map(|group| format!("{group:04}"))).collect::<Option<_>>()?;
    let digits = if groups.is_empty() { "0".to_owned() } else { groups.concat() };
    // Digits come in groups of four; the first group counts 10000^weight.
    let exponent = 4 * (i32::from(weight) - i32::from(count.cast_signed()) + 1);
    value::float(format!("{minus}{digits}e{exponent}").as_bytes(), b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_to_the_nearest_double() {
        let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        // 12345.6789: groups 1, 2345, 6789 with the first one at 10000^1.
        assert_eq!(numeric(&words(&[3, 1, 0, 4, 1, 2345, 6789])), Some(12_345.678_9));
        assert_eq!(numeric(&words(&[1, 0xFFFF, 0x4000, 2, 1500])), Some(-0.15));
        assert_eq!(numeric(&words(&[0, 0, 0, 0])), Some(0.0));
        assert!(numeric(&words(&[0, 0, 0xC000, 0])).unwrap().is_nan());
        assert_eq!(numeric(&words(&[2, 0, 0, 0, 1])), None);
    }

    #[test]
    fn days_and_moments_count_from_2000() {
        assert_eq!(decode(&0_i32.to_be_bytes(), Wire::Date), Ok(Cell::Date(10_957)));
        assert_eq!(decode(&1_i64.to_be_bytes(), Wire::Instant), Ok(Cell::Instant(946_684_800_000_001)));
        assert!(decode(&i64::MAX.to_be_bytes(), Wire::Timestamp).is_err());
    }
}
