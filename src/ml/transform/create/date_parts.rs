//! `date_parts`: numbers out of dates and timestamps.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array};
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::plan::{Columns, Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::{ColumnType, TransformError};

/// One number out of a date; all in UTC, with feature-engine's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DatePart")]
pub(in crate::ml::transform) enum Part {
    /// The year.
    Year,
    /// 1 or 2.
    Semester,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// The ISO week, 1 to 53.
    Week,
    /// Monday is 0.
    DayOfWeek,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 366.
    DayOfYear,
    /// 1 on Saturday and Sunday.
    Weekend,
    /// 1 on the first day of a month.
    MonthStart,
    /// 1 on the last day of a month.
    MonthEnd,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 0 to 59.
    Second,
}

/// Replaces a date by columns `NAME_year`, `NAME_month`, ... A bare list is `parts`: `date_parts: [month, hour]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DateParts")]
pub(in crate::ml::transform) struct Params {
    /// Which numbers; if it is not given, year, month, day_of_month and day_of_week, and for timestamps the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<Part>>,
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("parts");
    const COLUMNS: Columns = Columns::Selected("@datetime");
    const EXAMPLE: &'static str = "{date_parts: [year, month, weekend], columns: [since]}";

    fn check(&self) -> Result<(), String> {
        if self.parts.as_ref().is_some_and(Vec::is_empty) { Err("`parts` is empty".to_owned()) } else { Ok(()) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        let found = column.column_type();
        if column.kind != Kind::Moment {
            let message = format!("`date_parts` needs dates, but column `{name}` holds {}", found.describe());
            return Err(TransformError::input("column_type", message)
                .help("read it as a date where it is ingested, or `derive` one with `date(...)` or `timestamp(...)`"));
        }
        let mut usual = vec![Part::Year, Part::Month, Part::DayOfMonth, Part::DayOfWeek];
        usual.extend((found == ColumnType::Timestamp).then_some(Part::Hour));
        let parts = self.parts.clone().unwrap_or(usual);
        let columns = parts.iter().map(|part| format!("{name}_{}", part.as_str())).collect();
        Ok(Plan::Ready(Unit::DateParts(DateParts { column: name.to_owned(), parts, columns })))
    }
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Part::Year => "year",
            Part::Semester => "semester",
            Part::Quarter => "quarter",
            Part::Month => "month",
            Part::Week => "week",
            Part::DayOfWeek => "day_of_week",
            Part::DayOfMonth => "day_of_month",
            Part::DayOfYear => "day_of_year",
            Part::Weekend => "weekend",
            Part::MonthStart => "month_start",
            Part::MonthEnd => "month_end",
            Part::Hour => "hour",
            Part::Minute => "minute",
            Part::Second => "second",
        }
    }

    fn of(self, moment: NaiveDateTime) -> f64 {
        let flag = |is: bool| f64::from(u8::from(is));
        match self {
            Part::Year => f64::from(moment.year()),
            Part::Semester => f64::from(moment.month0() / 6 + 1),
            Part::Quarter => f64::from(moment.month0() / 3 + 1),
            Part::Month => f64::from(moment.month()),
            Part::Week => f64::from(moment.iso_week().week()),
            Part::DayOfWeek => f64::from(moment.weekday().num_days_from_monday()),
            Part::DayOfMonth => f64::from(moment.day()),
            Part::DayOfYear => f64::from(moment.ordinal()),
            Part::Weekend => flag(moment.weekday().num_days_from_monday() >= 5),
            Part::MonthStart => flag(moment.day() == 1),
            Part::MonthEnd => flag(moment.date().succ_opt().is_none_or(|next| next.day() == 1)),
            Part::Hour => f64::from(moment.hour()),
            Part::Minute => f64::from(moment.minute()),
            Part::Second => f64::from(moment.second()),
        }
    }
}

/// The parts of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct DateParts {
    column: String,
    parts: Vec<Part>,
    columns: Vec<String>,
}

impl Fitted for DateParts {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = &frame.column(&self.column)?.array;
        let micros: Vec<Option<i64>> = match array.data_type() {
            DataType::Date32 => array
                .as_primitive::<Date32Type>()
                .iter()
                .map(|day| day.and_then(|day| i64::from(day).checked_mul(86_400_000_000)))
                .collect(),
            _ => array.as_primitive::<TimestampMicrosecondType>().iter().collect(),
        };
        let moments: Vec<Option<NaiveDateTime>> = micros
            .into_iter()
            .map(|micros| micros.and_then(DateTime::from_timestamp_micros).map(|moment| moment.naive_utc()))
            .collect();
        let columns = self.columns.iter().zip(&self.parts).map(|(name, part)| {
            let values: Float64Array = moments.iter().map(|moment| moment.map(|moment| part.of(moment))).collect();
            (name.clone(), Column::number(Arc::new(values)))
        });
        frame.replace(&self.column, columns.collect::<Vec<_>>());
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
