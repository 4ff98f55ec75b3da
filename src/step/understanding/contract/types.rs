//! How the type of a column stands to the one that a contract wants, and how values get from one to the other.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use crate::step::understanding::csv::{ColumnType, value};
use crate::step::understanding::source::plain_type;

/// Where the types of a table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// The files know their types: Parquet, Arrow, the tables of runs.
    Known,
    /// A database knows them, and a query can cast to others.
    Queried,
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
    if let DataType::Decimal128(precision, scale) = *stored
        && let Ok(scale) = u8::try_from(scale)
        && scale <= precision
    {
        return Some(ColumnType::Decimal { precision, scale });
    }
    let plain = plain_type(stored)?;
    ColumnType::plain().find(|known| known.data_type() == plain)
}

/// The type of a stored column in the words of contracts, or as it is where there is none.
pub fn type_name(stored: &DataType) -> String {
    type_of(stored).map_or_else(|| stored.to_string(), |known| known.to_string())
}

/// How `found` stands to `wanted`.
pub(super) fn fit(found: ColumnType, wanted: ColumnType, typing: Typing) -> Fit {
    use ColumnType::{Bool, Date, Decimal, Float64, Instant, Int64, Text, Timestamp};
    match (found, wanted) {
        _ if found == wanted => Fit::Same,
        // JSON and SQLite have no dates and no decimals, and SQLite no truth values.
        (Int64, Float64 | Bool | Decimal { .. })
        | (Decimal { .. }, Decimal { .. } | Float64)
        | (Date, Timestamp)
        | (Text, Date | Timestamp | Instant | Decimal { .. }) => Fit::Converts,
        (Float64, Int64 | Decimal { .. }) | (Text, Int64 | Float64 | Bool) if typing == Typing::Guessed => {
            Fit::Converts
        }
        _ => Fit::Other,
    }
}

/// Whether `found` holds all values of `wanted` and more.
pub(super) fn is_wider(found: ColumnType, wanted: ColumnType) -> bool {
    use ColumnType::{Date, Decimal, Float64, Int64, Text, Timestamp};
    if found == wanted {
        return false;
    }
    match (found, wanted) {
        (Decimal { precision, scale }, Decimal { precision: least, scale: after }) => {
            scale >= after && precision - scale >= least - after
        }
        // Whole numbers of 64 bits have up to 19 digits.
        (Decimal { precision, scale }, Int64) => precision - scale >= 19,
        _ => matches!((found, wanted), (Float64, Int64) | (Timestamp, Date) | (Text, _)),
    }
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
        (DataType::Int64, ColumnType::Decimal { precision, scale }) => {
            let whole = array.as_primitive::<Int64Type>().iter();
            decimals(to, whole.map(|value| rescaled(value?.into(), 0, scale, precision)))
        }
        // The shortest way to write a float, as people did.
        (DataType::Float64, ColumnType::Decimal { precision, scale }) => {
            let floats = array.as_primitive::<Float64Type>().iter();
            decimals(to, floats.map(|float| value::decimal(float?.to_string().as_bytes(), b'.', precision, scale)))
        }
        (DataType::Decimal128(_, from), ColumnType::Decimal { precision, scale }) => {
            let (found, from) = (array.as_primitive::<Decimal128Type>().iter(), from.unsigned_abs());
            decimals(to, found.map(|value| rescaled(value?, from, scale, precision)))
        }
        (DataType::Decimal128(precision, scale), ColumnType::Float64) => {
            let (found, scale) = (array.as_primitive::<Decimal128Type>(), scale.unsigned_abs());
            let float = |row| {
                // The shortest way to write the float must mean the decimal, or digits would be lost.
                let decimal = |float: f64| value::decimal(float.to_string().as_bytes(), b'.', *precision, scale);
                found.value_as_string(row).parse().ok().filter(|float| decimal(*float) == Some(found.value(row)))
            };
            let floats = (0..found.len()).map(|row| found.is_valid(row).then(|| float(row)).flatten());
            Arc::new(floats.collect::<Float64Array>())
        }
        // A conversion that arrow has, or nothing that fits.
        _ => cast(array, &to_type).unwrap_or_else(|_| arrow::array::new_null_array(&to_type, array.len())),
    }
}

/// Decimals of a type, given as whole numbers of its last digits.
fn decimals(of: ColumnType, values: impl Iterator<Item = Option<i128>>) -> ArrayRef {
    Arc::new(values.collect::<Decimal128Array>().with_data_type(of.data_type()))
}

/// A decimal with `from` digits after the point as one with `to`; none if it has no place among so many digits.
fn rescaled(value: i128, from: u8, to: u8, precision: u8) -> Option<i128> {
    let factor = 10_i128.pow(u32::from(from.abs_diff(to)));
    let value =
        if to >= from { value.checked_mul(factor)? } else { (value % factor == 0).then_some(value / factor)? };
    (value.unsigned_abs() < 10_u128.pow(u32::from(precision))).then_some(value)
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
        ColumnType::Decimal { precision, scale } => {
            decimals(to, read().map(|text| value::decimal(text?, b'.', precision, scale)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{batch, floats, ints, show, texts};

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
    fn decimals_keep_every_digit_or_stand_out() {
        let to = |precision, scale| ColumnType::Decimal { precision, scale };
        let check = |array: ArrayRef, wanted: ColumnType, expected: &str| {
            let shown = show(&batch(&[("x", convert(&array, wanted))]));
            assert_eq!(shown.split_once('\n').unwrap().1.replace('\n', " "), expected, "{wanted}");
        };
        check(texts(["1.50", " 2 ", "0.001", "x"]), to(5, 2), "1.50 2.00 ~ ~");
        check(ints([7, 1000].map(Some)), to(5, 2), "7.00 ~");
        check(floats([0.1, 0.1 + 0.2, f64::INFINITY]), to(5, 2), "0.10 ~ ~");
        let money = || convert(&texts(["1.50", "-999.99", "0.01"]), to(5, 2));
        check(money(), to(3, 1), "1.5 ~ ~");
        check(money(), to(20, 4), "1.5000 -999.9900 0.0100");
        check(money(), ColumnType::Float64, "1.5 -999.99 0.01");
        check(convert(&texts(["12345678901234567.89", "0.5"]), to(20, 2)), ColumnType::Float64, "~ 0.5");
        check(convert(&texts(["0.1", "123.1"]), to(38, 18)), ColumnType::Float64, "0.1 123.1");
        assert_eq!(type_of(money().data_type()), Some(to(5, 2)));
        assert!(
            is_wider(to(20, 2), to(18, 2)) && !is_wider(to(19, 4), to(18, 2)) && is_wider(to(19, 0), ColumnType::Int64)
        );
        assert_eq!(fit(ColumnType::Float64, to(5, 2), Typing::Known), Fit::Other);
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
