//! The value of a cursor column in a row, and how far it is from others.

use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimestampMicrosecondType};
use serde::{Deserialize, Serialize};

use crate::step::understanding::csv::ColumnType;
use crate::table::{iso_date, iso_timestamp};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A value by which rows are in order: a whole number, days or microseconds since 1970, or a text by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Mark {
    /// A number, a day, a moment.
    Whole(i64),
    /// A text.
    Text(String),
}

impl Mark {
    /// Whether a column of this type can be a cursor.
    pub fn is_of(column_type: ColumnType) -> bool {
        !matches!(column_type, ColumnType::Float64 | ColumnType::Bool | ColumnType::Decimal { .. })
    }

    /// The value in a row; none where it is missing.
    pub fn at(column: &ArrayRef, row: usize) -> Option<Mark> {
        if column.is_null(row) {
            return None;
        }
        Some(match column.data_type() {
            DataType::Int64 => Mark::Whole(column.as_primitive::<Int64Type>().value(row)),
            DataType::Date32 => Mark::Whole(i64::from(column.as_primitive::<Date32Type>().value(row))),
            DataType::Timestamp(..) => Mark::Whole(column.as_primitive::<TimestampMicrosecondType>().value(row)),
            DataType::Utf8 => Mark::Text(column.as_string::<i32>().value(row).to_owned()),
            _ => return None,
        })
    }

    /// The value as people and databases write it.
    pub fn written(&self, column_type: ColumnType) -> String {
        let written = match (self, column_type) {
            (Mark::Text(text), _) => Some(text.clone()),
            (Mark::Whole(days), ColumnType::Date) => i32::try_from(*days).ok().and_then(iso_date),
            (Mark::Whole(micros), ColumnType::Timestamp | ColumnType::Instant) => iso_timestamp(*micros),
            (Mark::Whole(number), _) => Some(number.to_string()),
        };
        written.unwrap_or_else(|| self.to_string())
    }

    /// The value that lies `back` before this one.
    #[must_use]
    pub fn before(&self, back: Lookback) -> Mark {
        match (self, back) {
            (Mark::Whole(value), Lookback::Units(units)) => Mark::Whole(value.saturating_sub(units)),
            (mark, _) => mark.clone(),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mark::Whole(value) => value.fmt(formatter),
            Mark::Text(text) => text.fmt(formatter),
        }
    }
}

/// How far before the position rows may still come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookback {
    /// Not at all.
    None,
    /// So many units of the cursor: ones, days or microseconds.
    Units(i64),
}

impl Lookback {
    /// What `text` means for a cursor of this type.
    ///
    /// # Errors
    /// It means nothing there.
    pub fn parse(text: &str, column_type: ColumnType) -> Result<Lookback, String> {
        let micros = || crate::units::duration(text).and_then(|length| i64::try_from(length.as_micros()).ok());
        match column_type {
            ColumnType::Int64 => {
                let units = text.trim().parse().ok().filter(|units| *units >= 0);
                units.map(Lookback::Units).ok_or_else(|| format!("`{text}` is no whole number, as the cursor is"))
            }
            ColumnType::Date => {
                // Part of a day reaches back a whole one.
                let days = micros().map(|micros| micros.div_euclid(DAY) + i64::from(micros.rem_euclid(DAY) > 0));
                days.map(Lookback::Units).ok_or_else(|| format!("`{text}` is no length of time such as `2d`"))
            }
            ColumnType::Timestamp | ColumnType::Instant => {
                micros().map(Lookback::Units).ok_or_else(|| format!("`{text}` is no length of time such as `2h`"))
            }
            _ => Err("there is no looking back from a text, for texts have no distance".to_owned()),
        }
    }
}
