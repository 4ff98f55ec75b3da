//! What a cell holds, and the type that takes all cells of a column.

use calamine::{DataType, ExcelDateTime};

use crate::step::understanding::csv::{ColumnType, value};
use crate::step::understanding::source::Cell;
use crate::table::{iso_date, iso_timestamp};

/// Days from 1970 to the days that spreadsheets count from: 1899-12-30 and 1904-01-01.
const EPOCH_1900: i32 = -25_569;
const EPOCH_1904: i32 = -24_107;
const DAY_MILLIS: f64 = 86_400_000.0;
const DAY_MICROS: i64 = 86_400_000_000;
/// The first day after 9999-12-31, from 1970.
const END_OF_TIME: i32 = 2_932_897;
/// Whole numbers up to here are exact in a cell, whose numbers are doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Nothing.
    Empty,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970 without time zone.
    Timestamp(i64),
    /// A length of time or a time of day, in seconds.
    Seconds(f64),
    /// `#N/A` and the like, or what is no date; in words.
    Error(String),
}

impl Found {
    /// What `data` holds; `is_1904` for days that count from 1904.
    pub(super) fn of(data: &impl DataType, is_1904: bool) -> Found {
        let number = data.get_float().or_else(|| data.get_int().map(|whole| whole as f64));
        if let Some(text) = data.get_string() {
            if text.is_empty() { Found::Empty } else { Found::Text(text.to_owned()) }
        } else if let Some(number) = number {
            if number.is_finite() { Found::Number(number) } else { Found::Error(format!("the number {number}")) }
        } else if let Some(value) = data.get_bool() {
            Found::Bool(value)
        } else if let Some(moment) = data.get_datetime() {
            Found::of_moment(moment, is_1904)
        } else if let Some(text) = data.get_datetime_iso() {
            of_iso(text)
        } else if let Some(text) = data.get_duration_iso() {
            iso_seconds(text).map_or_else(|| Found::Text(text.to_owned()), Found::Seconds)
        } else if let Some(error) = data.get_error() {
            Found::Error(error.to_string())
        } else {
            Found::Empty
        }
    }

    fn of_moment(moment: ExcelDateTime, is_1904: bool) -> Found {
        if moment.is_duration() {
            return Found::Seconds((moment.as_f64() * DAY_MILLIS).round() / 1000.0);
        }
        of_serial(moment.as_f64(), is_1904)
    }

    /// As text: how the value is written in a text column, and in messages.
    pub fn shown(&self) -> String {
        match self {
            Found::Empty => String::new(),
            Found::Bool(value) => value.to_string(),
            Found::Number(number) => number.to_string(),
            Found::Text(text) | Found::Error(text) => text.clone(),
            Found::Date(days) => iso_date(*days).unwrap_or_default(),
            Found::Timestamp(micros) => iso_timestamp(*micros).unwrap_or_default(),
            Found::Seconds(seconds) => clock(*seconds),
        }
    }

    /// The value for a column of this type, or why it has no place there.
    pub fn cell(&self, column_type: ColumnType, is_1904: bool) -> Result<Cell, String> {
        Ok(match (self, column_type) {
            (Found::Empty, _) => Cell::Null,
            (Found::Error(error), _) => return Err(error.clone()),
            (found, ColumnType::Text) => Cell::Text(found.shown()),
            (Found::Bool(value), _) => Cell::Bool(*value),
            // Numbers in a column that the manifest calls dates: cells without a date format.
            (Found::Number(serial), ColumnType::Date | ColumnType::Timestamp) => {
                return match of_serial(*serial, is_1904) {
                    Found::Seconds(_) => Err(self.shown()),
                    found => found.cell(column_type, is_1904),
                };
            }
            (Found::Number(number) | Found::Seconds(number), _) => {
                whole(*number).map_or(Cell::Float(*number), Cell::Int)
            }
            (Found::Text(text), _) => Cell::Text(text.clone()),
            (Found::Date(days), ColumnType::Timestamp) => Cell::Timestamp(i64::from(*days) * DAY_MICROS),
            (Found::Date(days), _) => Cell::Date(*days),
            (Found::Timestamp(micros), _) => Cell::Timestamp(*micros),
        })
    }
}

/// The moment that a number of days means.
fn of_serial(serial: f64, is_1904: bool) -> Found {
    let no_date = || Found::Error(format!("the date number {serial}, which is no date"));
    if !(0.0..3_000_000.0).contains(&serial) {
        return no_date();
    }
    // Day 0 is no day: times of day are written like this.
    if serial < 1.0 {
        return Found::Seconds((serial * DAY_MILLIS).round() / 1000.0);
    }
    let (mut days, mut millis) = (serial.floor(), ((serial - serial.floor()) * DAY_MILLIS).round());
    if millis >= DAY_MILLIS {
        (days, millis) = (days + 1.0, 0.0);
    }
    #[expect(clippy::cast_possible_truncation, reason = "below three million")]
    let (days, millis) = (days as i32, millis as i64);
    let date = match (days, is_1904) {
        (days, true) => EPOCH_1904 + days,
        // The count from 1900 knows a 1900-02-29, which never was.
        (60, false) => return no_date(),
        (days @ ..60, false) => EPOCH_1900 + 1 + days,
        (days, false) => EPOCH_1900 + days,
    };
    match (date, millis) {
        (END_OF_TIME.., _) => no_date(),
        (date, 0) => Found::Date(date),
        (date, millis) => Found::Timestamp(i64::from(date) * DAY_MICROS + millis * 1000),
    }
}

fn of_iso(text: &str) -> Found {
    let bytes = text.as_bytes();
    match (value::date(bytes), value::timestamp(bytes)) {
        (Some(days), _) => Found::Date(days),
        (None, Some((micros, false))) => Found::Timestamp(micros),
        _ => Found::Text(text.to_owned()),
    }
}

/// The seconds of `PT1H30M15.5S`.
fn iso_seconds(text: &str) -> Option<f64> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
    let mut rest = text.strip_prefix("PT")?;
    let mut seconds = 0.0;
    while let Some(end) = rest.find(['H', 'M', 'S']) {
        let unit = match rest.as_bytes()[end] {
            b'H' => 3600.0,
            b'M' => 60.0,
            _ => 1.0,
        };
        seconds += rest[..end].replace(',', ".").parse::<f64>().ok()? * unit;
        rest = &rest[end + 1..];
    }
    rest.is_empty().then_some(sign * seconds)
}

/// `26:03:09.5`
fn clock(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a length of time in a cell is far below 2^63 ms")]
    let millis = (seconds.abs() * 1000.0).round() as i64;
    let (whole, millis, sign) = (millis / 1000, millis % 1000, if seconds < 0.0 { "-" } else { "" });
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}").trim_end_matches('0').to_owned() };
    format!("{sign}{:02}:{:02}:{:02}{fraction}", whole / 3600, whole / 60 % 60, whole % 60)
}

/// The number as an integer, if it is a whole one and exact.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// What all cells of a column seen so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Nothing was seen yet.
    #[default]
    Unseen,
    /// Truth values.
    Bool,
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
    /// Lengths of time or times of day.
    Seconds,
    /// Days.
    Date,
    /// Moments.
    Timestamp,
    /// Anything.
    Text,
}

impl Kind {
    /// The kind of one cell; errors say nothing about their column.
    pub fn of(found: &Found) -> Kind {
        match found {
            Found::Empty | Found::Error(_) => Kind::Unseen,
            Found::Bool(_) => Kind::Bool,
            Found::Number(number) if whole(*number).is_some() => Kind::Int,
            Found::Number(_) => Kind::Float,
            Found::Text(_) => Kind::Text,
            Found::Date(_) => Kind::Date,
            Found::Timestamp(_) => Kind::Timestamp,
            Found::Seconds(_) => Kind::Seconds,
        }
    }

    /// The narrowest kind that takes both.
    #[must_use]
    pub fn join(self, other: Kind) -> Kind {
        match (self, other) {
            (one, same) if one == same => one,
            (Kind::Unseen, one) | (one, Kind::Unseen) => one,
            (Kind::Int, Kind::Float) | (Kind::Float, Kind::Int) => Kind::Float,
            (Kind::Date, Kind::Timestamp) | (Kind::Timestamp, Kind::Date) => Kind::Timestamp,
            _ => Kind::Text,
        }
    }

    /// The type of a column of this kind; a column without any value is text.
    pub fn column_type(self) -> ColumnType {
        match self {
            Kind::Bool => ColumnType::Bool,
            Kind::Int => ColumnType::Int64,
            Kind::Float | Kind::Seconds => ColumnType::Float64,
            Kind::Date => ColumnType::Date,
            Kind::Timestamp => ColumnType::Timestamp,
            Kind::Text | Kind::Unseen => ColumnType::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_numbers_are_days_of_either_calendar() {
        let shown = |serial: f64, is_1904: bool| of_serial(serial, is_1904).shown();
        assert_eq!(
            [1.0, 59.0, 61.0, 45_943.0].map(|it| shown(it, false)),
            ["1900-01-01", "1900-02-28", "1900-03-01", "2025-10-13"]
        );
        assert_eq!(shown(45_943.541, false), "2025-10-13T12:59:02.400");
        assert_eq!(shown(1.0, true), "1904-01-02");
        assert_eq!(shown(0.75, false), "18:00:00");
        assert_eq!(shown(2_958_465.0, false), "9999-12-31");
        for wrong in [-1.0, 60.0, 2_958_466.0, f64::NAN] {
            assert!(matches!(of_serial(wrong, false), Found::Error(_)), "{wrong}");
        }
    }

    #[test]
    fn lengths_of_time_are_seconds() {
        assert_eq!(iso_seconds("PT26H03M09.5S"), Some(93_789.5));
        assert_eq!(iso_seconds("-PT1S"), Some(-1.0));
        assert_eq!(iso_seconds("P1D"), None);
        assert_eq!(clock(93_789.5), "26:03:09.5");
        assert_eq!(clock(-61.0), "-00:01:01");
    }

    #[test]
    fn numbers_are_days_only_where_the_manifest_says_so() {
        let number = Found::Number(45_943.0);
        assert_eq!(number.cell(ColumnType::Date, false), Ok(Cell::Date(20_374)));
        assert_eq!(number.cell(ColumnType::Int64, false), Ok(Cell::Int(45_943)));
        assert_eq!(number.cell(ColumnType::Text, false), Ok(Cell::Text("45943".to_owned())));
        assert_eq!(Found::Number(1e300).cell(ColumnType::Float64, false), Ok(Cell::Float(1e300)));
    }
}
