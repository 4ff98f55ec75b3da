//! What a text could be: a number, a date, a truth value, or just text.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::ColumnType;

/// What all texts of a column seen so far could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Class {
    /// Nothing was seen yet.
    #[default]
    Unseen,
    /// `true` and `false`.
    Bool,
    /// Whole numbers that fit 64 bits. Leading zeros make a text: they belong to codes, not to counts.
    Int,
    /// Numbers.
    Float,
    /// Days.
    Date,
    /// Moments without a time zone.
    Timestamp,
    /// Moments with a time zone.
    Instant,
    /// Anything.
    Text,
}

impl Class {
    /// The narrowest class of one text.
    pub fn of(text: &[u8], decimal: u8) -> Class {
        match text.first() {
            Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b',' | b'i' | b'I' | b'n' | b'N') => {}
            Some(b't' | b'T' | b'f' | b'F') if is_bool(text) => return Class::Bool,
            _ => return Class::Text,
        }
        if is_plain_int(text) {
            return if int(text).is_some() { Class::Int } else { Class::Text };
        }
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
        if digits + usize::from(text[0] == b'-' || text[0] == b'+') == text.len() {
            // Leading zeros, a plus sign, or too many digits: as a number it would lose what it says.
            return Class::Text;
        }
        if float(text, decimal).is_some() {
            return Class::Float;
        }
        if date(text).is_some() {
            return Class::Date;
        }
        match timestamp(text) {
            Some((_, true)) => Class::Instant,
            Some((_, false)) => Class::Timestamp,
            None => Class::Text,
        }
    }

    /// The narrowest class that takes both.
    #[must_use]
    pub fn join(self, other: Class) -> Class {
        match (self, other) {
            (one, same) if one == same => one,
            (Class::Unseen, one) | (one, Class::Unseen) => one,
            (Class::Int, Class::Float) | (Class::Float, Class::Int) => Class::Float,
            (Class::Date, Class::Timestamp) | (Class::Timestamp, Class::Date) => Class::Timestamp,
            _ => Class::Text,
        }
    }

    /// Whether a column of this class takes `text` as it is.
    pub fn takes(self, text: &[u8], decimal: u8) -> bool {
        self == Class::Text || self.join(Class::of(text, decimal)) == self
    }

    /// The type of a column of this class; a column without any value is text.
    pub fn column_type(self) -> ColumnType {
        match self {
            Class::Bool => ColumnType::Bool,
            Class::Int => ColumnType::Int64,
            Class::Float => ColumnType::Float64,
            Class::Date => ColumnType::Date,
            Class::Timestamp => ColumnType::Timestamp,
            Class::Instant => ColumnType::Instant,
            Class::Text | Class::Unseen => ColumnType::Text,
        }
    }
}

fn is_bool(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false")
}

fn is_plain_int(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whether there is a minus, and what follows the sign.
fn unsigned(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    }
}

/// A whole number of 64 bits.
pub fn int(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = unsigned(text);
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        // Built on the negative side, which has room for one more.
        value = value.checked_mul(10)?.checked_sub(digit)?;
    }
    if is_negative { Some(value) } else { value.checked_neg() }
}

/// A decimal number as a whole number of its last digits; none if it has more digits than there is room for.
pub fn decimal(text: &[u8], point: u8, precision: u8, scale: u8) -> Option<i128> {
    let (is_negative, digits) = unsigned(text);
    let at = digits.iter().position(|byte| *byte == point).unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..at], digits.get(at + 1..).unwrap_or_default());
    let zeros = fraction.iter().rev().take_while(|byte| **byte == b'0').count();
    let fraction = &fraction[..fraction.len() - zeros];
    if whole.len() + fraction.len() == 0 && zeros == 0 || fraction.len() > usize::from(scale) {
        return None;
    }
    let padding = std::iter::repeat_n(&b'0', usize::from(scale) - fraction.len());
    let mut value = 0_i128;
    for byte in whole.iter().chain(fraction).chain(padding) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    let value = if is_negative { -value } else { value };
    (value.unsigned_abs() < 10_u128.pow(u32::from(precision))).then_some(value)
}

/// A number, `inf` and `nan` included, to the nearest double.
pub fn float(text: &[u8], decimal: u8) -> Option<f64> {
    /// Powers of ten that are exact as doubles; a product or quotient with one of them rounds once, so it is right.
    const EXACT: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    let (is_negative, unsigned) = unsigned(text);
    let (mut mantissa, mut digits, mut fraction, mut at) = (0_u64, 0_usize, 0_usize, 0_usize);
    let mut is_fraction = false;
    while let Some(&byte) = unsigned.get(at) {
        if byte.is_ascii_digit() {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            digits += 1;
            fraction += usize::from(is_fraction);
        } else if byte == decimal && !is_fraction {
            is_fraction = true;
        } else {
            break;
        }
        at += 1;
    }
    if at == unsigned.len() && (1..=15).contains(&digits) {
        let value = mantissa as f64 / EXACT[fraction];
        return Some(if is_negative { -value } else { value });
    }
    slow_float(text, unsigned, digits, at, decimal)
}

fn slow_float(text: &[u8], unsigned: &[u8], digits: usize, at: usize, decimal: u8) -> Option<f64> {
    let names: [&[u8]; 3] = [b"inf", b"infinity", b"nan"];
    if digits == 0 && !names.iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return None;
    }
    // Only an exponent may follow the digits; the standard parser would also take things like `1.` and `1e`.
    if digits > 0 && at < unsigned.len() && !matches!(unsigned[at], b'e' | b'E') {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if decimal == b'.' { text.parse().ok() } else { text.replace(char::from(decimal), ".").parse().ok() }
}

/// Days since 1970 of `2024-02-29`.
pub fn date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let part = |from: usize, to: usize| {
        let digits = &text[from..to];
        if digits.iter().all(u8::is_ascii_digit) { int(digits) } else { None }
    };
    let year = i32::try_from(part(0, 4)?).ok()?;
    let (month, day) = (u32::try_from(part(5, 7)?).ok()?, u32::try_from(part(8, 10)?).ok()?);
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds since 1970 of an ISO date and time, and whether it names a time zone. A bare date is midnight.
pub fn timestamp(text: &[u8]) -> Option<(i64, bool)> {
    if text.len() < 16 {
        return date(text).map(|days| (i64::from(days) * DAY, false));
    }
    if !matches!(text[10], b'T' | b' ') || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    usual_timestamp(text).or_else(|| any_timestamp(std::str::from_utf8(text).ok()?))
}

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `2024-02-29T12:30:15.25+01:00` and its parts as nearly all files write them; none where it takes a closer look.
fn usual_timestamp(text: &[u8]) -> Option<(i64, bool)> {
    let two = |digits: &[u8]| match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0')),
        _ => None,
    };
    let below = |digits: &[u8], end: i64| two(digits).filter(|number| *number < end);
    let mut moment = i64::from(date(&text[..10])?) * DAY + below(&text[11..13], 24)? * HOUR;
    moment += (text[13] == b':').then(|| below(&text[14..16], 60))?? * MINUTE;
    let mut rest = &text[16..];
    let has_seconds = rest.first() == Some(&b':');
    if has_seconds {
        moment += below(rest.get(1..3)?, 60)? * SECOND;
        rest = &rest[3..];
    }
    if let [b'.', fraction @ ..] = rest
        && has_seconds
    {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        let micros = fraction[..digits].iter().chain(std::iter::repeat(&b'0')).take(6);
        moment += micros.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'));
        rest = &fraction[digits..];
    }
    let offset = match rest {
        [] => return Some((moment, false)),
        // Between a day and a time with a space, a zone without seconds is not ISO.
        _ if !has_seconds && text[10] == b' ' => return None,
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), hours @ .., b':', tens, ones] | [sign @ (b'+' | b'-'), hours @ .., tens, ones]
            if hours.len() == 2 =>
        {
            let east = below(hours, 24)? * HOUR + below(&[*tens, *ones], 60)? * MINUTE;
            if *sign == b'+' { east } else { -east }
        }
        _ => return None,
    };
    Some((moment - offset, true))
}

/// All forms that are taken, for what [`usual_timestamp`] left open.
fn any_timestamp(text: &str) -> Option<(i64, bool)> {
    let naive = |format: &str| NaiveDateTime::parse_from_str(text, format).ok();
    let separator = &text.get(10..11)?;
    if let Some(moment) = naive(&format!("%Y-%m-%d{separator}%H:%M:%S%.f")) {
        return Some((moment.and_utc().timestamp_micros(), false));
    }
    if let Some(moment) = naive(&format!("%Y-%m-%d{separator}%H:%M")) {
        return Some((moment.and_utc().timestamp_micros(), false));
    }
    let zoned = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |text| format!("{text}+00:00"));
    ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M:%S%.f %#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(&zoned, format).ok())
        .map(|moment| (moment.timestamp_micros(), true))
}

/// A truth value as people write it when they say that the column holds truth values.
pub fn boolean(text: &[u8]) -> Option<bool> {
    let is = |names: &[&[u8]]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    if is(&[b"true", b"t", b"yes", b"y", b"1"]) {
        Some(true)
    } else if is(&[b"false", b"f", b"no", b"n", b"0"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str) -> Class {
        Class::of(text.as_bytes(), b'.')
    }

    #[test]
    fn a_text_has_its_narrowest_class() {
        for text in ["0", "-5", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(class(text), Class::Int, "{text}");
        }
        for text in ["1.5", ".28", "-1e-7", "5.", "1E5", "NaN", "-inf", "0.0", "00.5"] {
            assert_eq!(class(text), Class::Float, "{text}");
        }
        for text in
            ["007", "+41791234567", "9223372036854775808", "1e", "1.2.3", "-", ".", "12a", "infant", "nil", "e5", "1,5"]
        {
            assert_eq!(class(text), Class::Text, "{text}");
        }
        assert_eq!(class("True"), Class::Bool);
        assert_eq!(class("2024-02-29"), Class::Date);
        assert_eq!(class("2023-02-29"), Class::Text);
        assert_eq!(class("2024-02-29 10:00"), Class::Timestamp);
        assert_eq!(class("2024-02-29T10:00:01.5"), Class::Timestamp);
        assert_eq!(class("2024-02-29T10:00:01Z"), Class::Instant);
        assert_eq!(class("2024-02-29 10:00:01+02"), Class::Instant);
    }

    #[test]
    fn moments_are_microseconds_of_utc() {
        assert_eq!(timestamp(b"1970-01-01T02:00:00.000001+02:00"), Some((1, true)));
        assert_eq!(timestamp(b"1970-01-02"), Some((86_400_000_000, false)));
        assert_eq!(date(b"1969-12-31"), Some(-1));
        let read = |text: &str| timestamp(text.as_bytes());
        assert_eq!(read("1969-12-31 23:59:59.999999999"), Some((-1, false)));
        assert_eq!(read("1970-01-01 00:00:01 +00:00"), Some((1_000_000, true)));
        assert_eq!(
            read("2016-12-31T23:59:60"),
            Some((1_483_228_800_000_000, false)),
            "a leap second is the next second"
        );
        for wrong in [
            "1970-01-01T24:00",
            "1970-01-01T00:60",
            "1970-01-01T00:00:00.",
            "1970-01-01 00:00Z",
            "1970-01-01T00-00",
            "1970-01-01T00:00:0é",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_comma_can_be_the_decimal_point() {
        assert_eq!(float(b"-1,25", b','), Some(-1.25));
        assert_eq!(float(b"1,25e2", b','), Some(125.0));
        assert_eq!(Class::of(b"1,5", b','), Class::Float);
    }

    #[test]
    fn decimals_keep_every_digit_or_are_none() {
        let read = |text: &str| decimal(text.as_bytes(), b'.', 5, 2);
        assert_eq!(read("123.45"), Some(12_345));
        assert_eq!(read("-0.5"), Some(-50));
        assert_eq!(read("7"), Some(700));
        assert_eq!(read("1.2300"), Some(123));
        for wrong in ["", ".", "1000", "0.001", "NaN", "1e3", "1.2.3", "--1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(decimal(b"1,5", b',', 5, 2), Some(150));
        let most = "9".repeat(38);
        assert_eq!(decimal(most.as_bytes(), b'.', 38, 0), Some(10_i128.pow(38) - 1));
        assert_eq!(decimal(format!("{most}9").as_bytes(), b'.', 38, 0), None);
    }

    proptest! {
        #[test]
        fn floats_are_read_to_the_last_bit(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            for text in [format!("{value}"), format!("{value:e}"), format!("{value:.3}")] {
                let expected: f64 = text.parse().unwrap();
                prop_assert_eq!(float(text.as_bytes(), b'.').map(f64::to_bits), Some(expected.to_bits()), "{}", text);
            }
        }

        #[test]
        fn moments_are_read_alike_by_the_short_way_and_the_long_one(
            seconds in -62_135_596_800_i64..253_402_300_800, nanos in 0_u32..1_000_000_000, form in 0_usize..7, zone in 0_usize..6,
        ) {
            let moment = DateTime::from_timestamp(seconds, nanos).unwrap();
            let forms = [
                "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.9f", "%Y-%m-%dT%H:%M:%S%.3f", "%Y-%m-%d %H:%M:%S%.6f", "%Y-%m-%dT%H:%M",
                "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
            ];
            let zones = ["", "Z", "+05:30", "-0800", "+01", " +02:00"];
            let text = format!("{}{}", moment.format(forms[form]), zones[zone]);
            let long = any_timestamp(&text);
            prop_assert_eq!(timestamp(text.as_bytes()), long, "{}", text);
            if let Some(short) = usual_timestamp(text.as_bytes()) {
                prop_assert_eq!(Some(short), long, "{}", text);
            }
        }

        #[test]
        fn joining_is_a_matter_of_the_set_not_of_the_order(texts in prop::collection::vec(
            prop::sample::select(vec!["1", "1.5", "x", "2024-01-01", "2024-01-01 10:00", "true", "nan", "007"]), 0..5)
        ) {
            let join = |texts: &[&str]| texts.iter().fold(Class::Unseen, |class, text| class.join(self::class(text)));
            let forwards = join(&texts);
            let mut backwards = texts.clone();
            backwards.reverse();
            prop_assert_eq!(forwards, join(&backwards));
            for text in texts {
                prop_assert!(forwards.takes(text.as_bytes(), b'.'));
            }
        }
    }
}
