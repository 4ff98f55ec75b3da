//! Postgres: values in its binary format.

use std::fmt::Write as _;

use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgRow, PgTypeInfo, PgTypeKind};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef,
};

use super::doubles::Doubles;
use super::rows::Landing;
use super::target::{Found, Targets};
use super::{array, numeric, rows};
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::json::parse;
use crate::step::understanding::source::Cell;
use crate::step::{StepContext, StepError};
use crate::table::{iso_date, iso_timestamp};

/// Days from 1970 to 2000, where Postgres begins to count.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// How the bytes of a column are read.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    Time,
    Timestamp,
    Instant,
    Bytes,
    /// Values of one kind, as JSON.
    List(Box<Wire>),
}

pub(super) async fn read(
    url: &str,
    query: &str,
    targets: &Targets,
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
            wire(column.type_info()).ok_or_else(|| rows::unknown_type(column.name(), column.type_info().name(), "TEXT"))
        })
        .collect::<Result<_, _>>()?;
    let columns = statement.columns().iter().zip(&wires).map(|(column, wire)| found(column.name(), wire)).collect();
    let columns = targets.apply(columns)?;
    let doubles = Doubles::new(&columns);
    let read = |row: &PgRow, index: usize| {
        let cell = cell(row, index, &wires[index])?;
        if wires[index] == Wire::Numeric { doubles.cell(index, cell) } else { Ok(cell) }
    };
    // Rows come as the server makes them, and are written as they come.
    let stream = sqlx::query(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    rows::write(stream, &columns, read, context, landing).await?;
    doubles.tell(context);
    connection.close().await.map_err(rows::query_failed)
}

fn wire(type_info: &PgTypeInfo) -> Option<Wire> {
    if matches!(type_info.kind(), PgTypeKind::Enum(_)) {
        return Some(Wire::Text);
    }
    match type_info.kind() {
        PgTypeKind::Domain(base) => return wire(base),
        PgTypeKind::Array(element) => return Some(Wire::List(Box::new(wire(element)?))),
        _ => {}
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
        "TIME" => Wire::Time,
        "BYTEA" => Wire::Bytes,
        "TIMESTAMP" => Wire::Timestamp,
        "TIMESTAMPTZ" => Wire::Instant,
        _ => return None,
    })
}

fn found(name: &str, wire: &Wire) -> Found {
    let column_type = match wire {
        Wire::Bool => ColumnType::Bool,
        Wire::Int | Wire::Oid => ColumnType::Int64,
        Wire::Float4 | Wire::Float8 | Wire::Numeric => ColumnType::Float64,
        Wire::Text | Wire::Jsonb | Wire::Uuid | Wire::Time | Wire::Bytes | Wire::List(_) => ColumnType::Text,
        Wire::Date => ColumnType::Date,
        Wire::Timestamp => ColumnType::Timestamp,
        Wire::Instant => ColumnType::Instant,
    };
    Found { name: name.to_owned(), column_type, has_digits: *wire == Wire::Numeric }
}

fn cell(row: &PgRow, index: usize, wire: &Wire) -> Result<Cell, String> {
    let raw = row.try_get_raw(index).map_err(|error| error.to_string())?;
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    decode(raw.as_bytes().map_err(|error| error.to_string())?, wire)
}

fn decode(bytes: &[u8], wire: &Wire) -> Result<Cell, String> {
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
        Wire::Numeric => Cell::Text(numeric::text(bytes).ok_or_else(short)?),
        Wire::Text => Cell::Text(text(bytes)?),
        // The first byte is the version of the format.
        Wire::Jsonb => Cell::Text(text(bytes.get(1..).unwrap_or_default())?),
        Wire::Uuid => Cell::Text(uuid::Uuid::from_slice(bytes).map_err(|_| short())?.to_string()),
        Wire::Date => match i32::from_be_bytes(four()?) {
            i32::MAX | i32::MIN => return Err("infinity is no day".to_owned()),
            days => Cell::Date(days.checked_add(EPOCH_DAYS).ok_or_else(|| "it is out of range".to_owned())?),
        },
        Wire::Time => {
            let micros = i64::from_be_bytes(eight()?);
            let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
            let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
            Cell::Text(format!("{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60))
        }
        Wire::Bytes => {
            let mut text = "\\x".to_owned();
            for byte in bytes {
                write!(text, "{byte:02x}").expect("a string takes everything");
            }
            Cell::Text(text)
        }
        Wire::List(element) => {
            let list = array::list(bytes, &mut |bytes| json(decode(bytes, element)?, element))?;
            Cell::Text(list.to_string())
        }
        Wire::Timestamp => Cell::Timestamp(moment()?),
        Wire::Instant => Cell::Instant(moment()?),
    })
}

/// A value inside of an array. What JSON has no number for is a text, as the database itself writes it.
fn json(cell: Cell, wire: &Wire) -> Result<Value, String> {
    let beyond = || "it is beyond the calendar".to_owned();
    Ok(match (cell, wire) {
        (Cell::Null, _) => Value::Null,
        (Cell::Bool(value), _) => value.into(),
        (Cell::Int(value), _) => value.into(),
        (Cell::Float(f64::INFINITY), _) => "Infinity".into(),
        (Cell::Float(f64::NEG_INFINITY), _) => "-Infinity".into(),
        (Cell::Float(value), _) if value.is_nan() => "NaN".into(),
        (Cell::Float(value), _) => value.into(),
        (Cell::Date(days), _) => iso_date(days).ok_or_else(beyond)?.into(),
        (Cell::Timestamp(micros), _) => iso_timestamp(micros).ok_or_else(beyond)?.into(),
        (Cell::Instant(micros), _) => (iso_timestamp(micros).ok_or_else(beyond)? + "Z").into(),
        // What a double holds is a number; more digits stay a text.
        (Cell::Text(text), Wire::Numeric) => match numeric::double(&text) {
            Some((number, false)) if number.is_finite() => number.into(),
            _ => text.into(),
        },
        (Cell::Text(text), Wire::Jsonb) => parse(text.as_bytes()).unwrap_or(Value::String(text)),
        (Cell::Text(text), _) => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_count_from_2000() {
        assert_eq!(decode(&0_i32.to_be_bytes(), &Wire::Date), Ok(Cell::Date(10_957)));
        assert_eq!(decode(&1_i64.to_be_bytes(), &Wire::Instant), Ok(Cell::Instant(946_684_800_000_001)));
        assert!(decode(&i64::MAX.to_be_bytes(), &Wire::Timestamp).is_err());
    }

    #[test]
    fn only_numerics_have_digits_to_keep() {
        let digits = [Wire::Numeric, Wire::Float4, Wire::Float8, Wire::Bool, Wire::Int, Wire::Text, Wire::Date];
        assert_eq!(digits.map(|wire| found("x", &wire).has_digits), [true, false, false, false, false, false, false]);
    }

    /// An array of one dimension as text.
    fn listed(element: Wire, values: &[&[u8]]) -> String {
        let mut bytes: Vec<u8> = [1, 0, 0, i32::try_from(values.len()).unwrap(), 1].map(i32::to_be_bytes).concat();
        for value in values {
            bytes.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend(*value);
        }
        match decode(&bytes, &Wire::List(Box::new(element))) {
            Ok(Cell::Text(text)) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_is_inside_of_arrays_is_kept_or_refused() {
        let jsonb: &[u8] = b"\x01{\"n\": 18446744073709551616, \"m\": 7}";
        assert_eq!(listed(Wire::Jsonb, &[jsonb]), r#"[{"n":"18446744073709551616","m":7}]"#);
        let floats = [1.5, f64::INFINITY, f64::NEG_INFINITY].map(f64::to_be_bytes);
        assert_eq!(
            listed(Wire::Float8, &floats.each_ref().map(<[u8; 8]>::as_slice)),
            r#"[1.5,"Infinity","-Infinity"]"#
        );
        assert_eq!(listed(Wire::Date, &[&0_i32.to_be_bytes()]), r#"["2000-01-01"]"#);
        assert!(listed(Wire::Date, &[&(i32::MAX - EPOCH_DAYS).to_be_bytes()]).starts_with("Err("));
    }
}
