//! Dates and timestamps. Timestamps are microseconds of UTC; text is read as ISO 8601 unless a format is given.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, TimestampMicrosecondArray};
use arrow::compute::{DatePart, date_part};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::super::functions::Function;
use super::super::types::Type;
use crate::table::{MICROSECONDS, cast, json_value};

const MICROSECONDS_A_DAY: f64 = 86_400_000_000.0;

/// `date(x)` or `timestamp(x)`, without a format.
pub(in super::super) fn read(array: &ArrayRef, kind: Type) -> ArrayRef {
    // Text may carry a clock time or a zone; reading it as a timestamp first keeps both meanings in one place.
    let stamps = cast(array, &MICROSECONDS);
    if kind == Type::Timestamp { stamps } else { cast(&stamps, &DataType::Date32) }
}

/// `date(text, format)` or `timestamp(text, format)`; text that does not follow the format is null.
pub(in super::super) fn read_as(texts: &ArrayRef, formats: &ArrayRef, kind: Type) -> ArrayRef {
    let rows = texts.as_string::<i32>().iter().zip(formats.as_string::<i32>());
    if kind == Type::Date {
        let day = |(text, format): (Option<&str>, Option<&str>)| {
            let date = parse(text?, format?)?.date();
            i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
        };
        Arc::new(rows.map(day).collect::<Date32Array>())
    } else {
        let stamp =
            |(text, format): (Option<&str>, Option<&str>)| Some(parse(text?, format?)?.and_utc().timestamp_micros());
        Arc::new(rows.map(stamp).collect::<TimestampMicrosecondArray>())
    }
}

fn parse(text: &str, format: &str) -> Option<NaiveDateTime> {
    if let Ok(zoned) = DateTime::parse_from_str(text, format) {
        return Some(zoned.naive_utc());
    }
    NaiveDateTime::parse_from_str(text, format)
        .or_else(|_| NaiveDate::parse_from_str(text, format).map(NaiveDateTime::from))
        .ok()
}

/// A part of a date or clock time as int.
pub(in super::super) fn part(function: Function, array: &ArrayRef) -> ArrayRef {
    let part = match function {
        Function::Year => DatePart::Year,
        Function::Quarter => DatePart::Quarter,
        Function::Month => DatePart::Month,
        Function::Day => DatePart::Day,
        Function::DayOfYear => DatePart::DayOfYear,
        Function::Weekday => DatePart::DayOfWeekMonday0,
        Function::Hour => DatePart::Hour,
        _ => DatePart::Minute,
    };
    let stamps = read(array, Type::Timestamp);
    cast(&date_part(&stamps, part).expect("timestamps have all these parts"), &DataType::Int64)
}

/// The days from one to the other.
pub(in super::super) fn days_between(from: &ArrayRef, to: &ArrayRef) -> ArrayRef {
    let (from, to) = (read(from, Type::Timestamp), read(to, Type::Timestamp));
    let rows =
        from.as_primitive::<TimestampMicrosecondType>().iter().zip(to.as_primitive::<TimestampMicrosecondType>());
    let days = |(from, to): (Option<i64>, Option<i64>)| {
        let (from, to) = (i128::from(from?), i128::from(to?));
        Some((to - from) as f64 / MICROSECONDS_A_DAY)
    };
    Arc::new(rows.map(days).collect::<Float64Array>())
}

/// ISO text of dates and timestamps.
pub(in super::super) fn iso(array: &dyn Array, row: usize) -> Option<String> {
    json_value(array, row).as_str().map(str::to_owned)
}
