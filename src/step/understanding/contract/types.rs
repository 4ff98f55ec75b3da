//! How the type of a column stands to the one that a contract wants, and how values get from one to the other.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::step::understanding::csv::{ColumnType, value};
use crate::step::understanding::source::plain_type;

/// Where the types of a table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// The source knows its types: a database, Parquet.
    Known,
    /// They were guessed from how values are written: CSV, JSON.
    Guessed,
}

/// How a type stands to the one that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is the same.
    Same,
    /// Its values can be brought to the wanted one, those that fit without loss.
    Converts,
    /// It is another.
    Other,
}

/// The greatest whole number up to which every one is exact as a float.
const EXACT: i64 = 1 << 53;

/// The type of a stored column; none where there is no word for it.
pub fn type_of(stored: &DataType) -> Option<ColumnType> {
    use ColumnType::{Bool, Date, Float64, Instant, Int64, Text, Timestamp};
    let plain = plain_type(stored)?;
    [Int64, Float64, Text, Bool, Date, Timestamp, Instant].into_iter().find(|known| known.data_type() == plain)
}

/// The type of a stored column in the words of contracts, or as it is where there is none.
pub fn type_name(stored: &DataType) -> String {
    type_of(stored).map_or_else(|| stored.to_string(), |known| known.to_string())
}

/// How `found` stands to `wanted`.
pub(super) fn fit(found: ColumnType, wanted: ColumnType, typing: Typing) -> Fit {
    use ColumnType::{Bool, Date, Float64, Instant, Int64, Text, Timestamp};
    match (found, wanted) {
        _ if found == wanted => Fit::Same,
        // JSON and SQLite have no dates, and SQLite no truth values.
        (Int64, Float64 | Bool) | (Date, Timestamp) | (Text, Date | Timestamp | Instant) => Fit::Converts,
        (Float64, Int64) | (Text, Int64 | Float64 | Bool) if typing == Typing::Guessed => Fit::Converts,
        _ => Fit::Other,
    }
}

/// Whether `found` holds all values of `wanted` and more.
pub(super) fn is_wider(found: ColumnType, wanted: ColumnType) -> bool {
    use ColumnType::{Date, Float64, Int64, Text, Timestamp};
    found != wanted && matches!((found, wanted), (Float64, Int64) | (Timestamp, Date) | (Text, _))
}

/// `array` brought to another type. A value that does not fit is null in the result and not in `array`.
pub fn convert(array: &ArrayRef, to: ColumnType) -> ArrayRef {
    let to_type = to.data_type();
    match (array.data_type(), to) {
        (found, _) if *found == to_type => Arc::clone(array),
        (DataType::Int64, ColumnType::Float64) => {
            let whole = array.as_primitive::<Int64Type>();
            let fits = |value: i64| value.unsigned_abs() <= EXACT.unsigned_abs();
            Arc::new(
                whole.iter().map(|value| value.filter(|it| fits(*it)).map(|it| it as f64)).collect::<Float64Array>(),
            )
        }
        (DataType::Int64, ColumnType::Bool) => {
            let whole = array.as_primitive::<Int64Type>();
            let truth = |value: i64| matches!(value, 0 | 1).then_some(value == 1);
            Arc::new(whole.iter().map(|value| value.and_then(truth)).collect::<BooleanArray>())
        }
        (DataType::Float64, ColumnType::Int64) => {
            let floats = array.as_primitive::<Float64Type>();
            Arc::new(floats.iter().map(|value| value.and_then(whole)).collect::<Int64Array>())
        }
        (DataType::Utf8, _) => from_text(array, to),
        // A conversion that arrow has, or nothing that fits.
        _ => cast(array, &to_type).unwrap_or_else(|_| arrow::array::new_null_array(&to_type, array.len())),
    }
}

/// A float as the whole number that it is.
fn whole(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range that floats hold exactly")]
    let whole = (value.fract() == 0.0 && value.abs() <= EXACT as f64).then_some(value as i64);
    whole
}

fn from_text(array: &ArrayRef, to: ColumnType) -> ArrayRef {
    let texts = array.as_string::<i32>();
    let read = || texts.iter().map(|text| text.map(|text| text.trim().as_bytes()));
    let moment = |zoned: bool| {
        read().map(move |text| {
            let day = |text| value::date(text).filter(|_| !zoned).map(|days| i64::from(days) * 86_400_000_000);
            let exact = |text| value::timestamp(text).filter(|(_, has_zone)| *has_zone == zoned).map(|(at, _)| at);
            text.and_then(|text| exact(text).or_else(|| day(text)))
        })
    };
    match to {
        ColumnType::Int64 => Arc::new(read().map(|text| text.and_then(value::int)).collect::<Int64Array>()),
        ColumnType::Float64 => {
            Arc::new(read().map(|text| text.and_then(|text| value::float(text, b'.'))).collect::<Float64Array>())
        }
        ColumnType::Bool => Arc::new(read().map(|text| text.and_then(value::boolean)).collect::<BooleanArray>()),
        ColumnType::Date => Arc::new(read().map(|text| text.and_then(value::date)).collect::<Date32Array>()),
        ColumnType::Timestamp => Arc::new(moment(false).collect::<TimestampMicrosecondArray>()),
        ColumnType::Instant => Arc::new(moment(true).collect::<TimestampMicrosecondArray>().with_timezone("+00:00")),
        ColumnType::Text => Arc::clone(array),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{floats, ints, texts};

    #[test]
    fn values_that_fit_are_converted_and_the_others_stand_out() {
        let check = |array: ArrayRef, to: ColumnType, valid: &[bool]| {
            let converted = convert(&array, to);
            assert_eq!(*converted.data_type(), to.data_type());
            let found: Vec<bool> = (0..array.len()).map(|row| converted.is_valid(row)).collect();
            assert_eq!(found, valid, "{to}");
        };
        check(ints([1, 1 << 53, (1 << 53) + 1].map(Some)), ColumnType::Float64, &[true, true, false]);
        check(ints([0, 1, 2].map(Some)), ColumnType::Bool, &[true, true, false]);
        check(floats([1.0, 1.5, 1e300]), ColumnType::Int64, &[true, false, false]);
        check(texts(["7", " 8 ", "x", ""]), ColumnType::Int64, &[true, true, false, false]);
        check(texts(["2026-02-28", "2026-02-30"]), ColumnType::Date, &[true, false]);
        check(
            texts(["2026-02-28T10:00:00", "2026-02-28", "2026-02-28T10:00:00Z"]),
            ColumnType::Timestamp,
            &[true, true, false],
        );
        check(texts(["2026-02-28T10:00:00Z", "2026-02-28T10:00:00"]), ColumnType::Instant, &[true, false]);
        check(texts(["yes", "no", "maybe"]), ColumnType::Bool, &[true, true, false]);
    }

    #[test]
    fn a_source_that_knows_its_types_is_not_read_as_others() {
        use ColumnType::{Float64, Instant, Int64, Text};
        assert_eq!(fit(Text, Int64, Typing::Guessed), Fit::Converts);
        assert_eq!(fit(Text, Int64, Typing::Known), Fit::Other);
        assert_eq!(fit(Text, Instant, Typing::Known), Fit::Converts);
        assert!(is_wider(Text, Int64) && is_wider(Float64, Int64) && !is_wider(Int64, Float64));
    }
}
