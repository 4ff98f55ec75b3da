//! Plain scalars as YAML 1.2 reads them: `on` and `no` are text, and `0123` is the number 123.

use serde_json::Number;

/// What a scalar means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text,
    /// A number that JSON and databases cannot hold: `.inf`, `.nan` or too many digits.
    Unusable,
}

/// What a plain scalar means under the core schema of YAML 1.2.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Scalar::Unusable;
    }
    let radix = |digits: &str, radix| match u64::from_str_radix(digits, radix) {
        Ok(number) if digits.starts_with(|first: char| first.is_ascii_alphanumeric()) => Scalar::Number(number.into()),
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => Scalar::Unusable,
        _ => Scalar::Text,
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let signed = text.strip_prefix('+').unwrap_or(text);
        return match (signed.parse::<i64>(), signed.parse::<u64>()) {
            (Ok(number), _) => Scalar::Number(number.into()),
            (_, Ok(number)) => Scalar::Number(number.into()),
            _ => Scalar::Unusable,
        };
    }
    if is_float(unsigned) {
        return match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Scalar::Number(number),
            None => Scalar::Unusable,
        };
    }
    Scalar::Text
}

/// Whether `text` is `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()),
        None => digits(mantissa) && !mantissa.is_empty(),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_older_yaml_took_for_booleans_are_text() {
        for text in ["on", "off", "yes", "no", "y", "n", "On", "NO"] {
            assert_eq!(resolve(text), Scalar::Text, "{text}");
        }
        assert_eq!(resolve("True"), Scalar::Bool(true));
        assert_eq!(resolve("~"), Scalar::Null);
    }

    #[test]
    fn numbers_are_decimal_unless_they_say_otherwise() {
        let number = |text: &str| match resolve(text) {
            Scalar::Number(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(number("0123"), "123");
        assert_eq!(number("-7"), "-7");
        assert_eq!(number("+7"), "7");
        assert_eq!(number("0o17"), "15");
        assert_eq!(number("0xff"), "255");
        assert_eq!(number("1e3"), "1000.0");
        assert_eq!(number(".5"), "0.5");
        assert_eq!(number("18446744073709551615"), "18446744073709551615");
        assert_eq!(number("18446744073709551616"), "Unusable");
        assert_eq!(number(".inf"), "Unusable");
        assert_eq!(number("1e999"), "Unusable");
        for text in ["1_000", "1:30", "0x", "0x+1", "12:34:56", "1.2.3", ".", "e3", "2024-01-01", "30s", "-"] {
            assert_eq!(number(text), "Text", "{text}");
        }
    }
}
