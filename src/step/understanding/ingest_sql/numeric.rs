//! Decimal numbers: in Postgres' binary form, as text to the last digit, and as the nearest double.

use std::fmt::Write;

use crate::step::understanding::csv::value;

/// Whole numbers beyond this are not all doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The number as text; none if the bytes are none.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    let count = words.next()?;
    let weight = words.next()?.cast_signed();
    let sign = words.next()?;
    let scale = usize::from(words.next()?);
    match sign {
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("inf".to_owned()),
        0xF000 => return Some("-inf".to_owned()),
        _ => {}
    }
    let groups: Vec<u16> = (0..count).map(|_| words.next()).collect::<Option<_>>()?;
    // Digits come in groups of four; the first group counts 10000^weight.
    let group = |place: i32| {
        usize::try_from(i32::from(weight) - place).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    let mut whole = String::new();
    for place in (0..=i32::from(weight)).rev() {
        write!(whole, "{:04}", group(place)).ok()?;
    }
    let whole = whole.trim_start_matches('0');
    let mut text = if sign == 0x4000 { "-".to_owned() } else { String::new() };
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        let places = i32::try_from(scale.div_ceil(4)).ok()?;
        for place in 1..=places {
            write!(fraction, "{:04}", group(-place)).ok()?;
        }
        text.push('.');
        text.push_str(fraction.get(..scale)?);
    }
    Some(text)
}

/// The nearest double, and whether it is so large that digits before the point are lost.
pub(super) fn double(text: &str) -> Option<(f64, bool)> {
    let number = value::float(text.as_bytes(), b'.')?;
    let digits = text.bytes().filter(u8::is_ascii_digit).skip_while(|byte| *byte == b'0').count();
    Some((number, number.is_finite() && number.abs() >= EXACT && digits > 15))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn decimals_are_read_to_the_last_digit() {
        // 12345.6789: groups 1, 2345, 6789 with the first one at 10000^1.
        assert_eq!(text(&words(&[3, 1, 0, 4, 1, 2345, 6789])).unwrap(), "12345.6789");
        assert_eq!(text(&words(&[1, 0xFFFF, 0x4000, 2, 1500])).unwrap(), "-0.15");
        assert_eq!(text(&words(&[0, 0, 0, 0])).unwrap(), "0");
        assert_eq!(text(&words(&[0, 0, 0, 3])).unwrap(), "0.000");
        assert_eq!(text(&words(&[1, 2, 0, 0, 7])).unwrap(), "700000000");
        assert_eq!(text(&words(&[1, 0xFFFE, 0, 6, 1200])).unwrap(), "0.000012");
        assert_eq!(text(&words(&[0, 0, 0xC000, 0])).unwrap(), "NaN");
        assert_eq!(text(&words(&[2, 0, 0, 0, 1])), None);
    }

    #[test]
    fn doubles_know_when_they_lose_digits() {
        assert_eq!(double("12345.6789"), Some((12_345.678_9, false)));
        assert_eq!(double("0.33333333333333333333"), Some((1.0 / 3.0, false)));
        assert_eq!(double("12345678901234567890.5"), Some((12_345_678_901_234_567_890.5, true)));
        assert!(double("NaN").unwrap().0.is_nan());
    }
}
