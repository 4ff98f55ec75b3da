//! The value of a record, read so that nothing is lost in silence: a key that is there twice is refused, and a whole number
//! beyond 64 bits keeps its digits as text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Digits of the longest whole numbers of 64 bits.
const MOST_DIGITS: usize = 19;

/// Reads one value, and nothing behind it.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    read(&quoted(bytes, is_beyond))
}

/// The value that [`parse`] reads, but with the text of each number that a double may have rounded; none if there are no such
/// numbers.
pub fn with_digits(bytes: &[u8]) -> Option<Value> {
    match quoted(bytes, |number| is_beyond(number) || is_rounded(number)) {
        Cow::Owned(bytes) => read(&bytes).ok(),
        Cow::Borrowed(_) => None,
    }
}

fn read(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct Strict;

impl<'json> DeserializeSeed<'json> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'json>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'json> Visitor<'json> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'json>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Strict)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'json>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = pairs.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is there twice")));
            }
            map.insert(key, pairs.next_value_seed(Strict)?);
        }
        Ok(Value::Object(map))
    }
}

/// `bytes` with quotes around numbers that are to be texts.
fn quoted(bytes: &[u8], is_text: impl Fn(&[u8]) -> bool) -> Cow<'_, [u8]> {
    let (mut changed, mut copied, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = after_text(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let length = bytes[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                let number = &bytes[at..at + length];
                if length > f64::DIGITS as usize && is_text(number) && !is_key(&bytes[at + length..]) {
                    changed.extend_from_slice(&bytes[copied..at]);
                    changed.push(b'"');
                    changed.extend_from_slice(number);
                    changed.push(b'"');
                    copied = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    changed.extend_from_slice(&bytes[copied..]);
    Cow::Owned(changed)
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Whether what stands before `rest` is a key, which a number cannot be.
fn is_key(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Whether it is a whole number, written as JSON has them, that does not fit 64 bits with sign.
fn is_beyond(number: &[u8]) -> bool {
    if number.len() < MOST_DIGITS {
        return false;
    }
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let is_whole = digits.iter().all(u8::is_ascii_digit) && digits.first() != Some(&b'0');
    is_whole && std::str::from_utf8(number).is_ok_and(|text| text.parse::<i64>().is_err())
}

/// Whether it is no whole number and has more digits than a double keeps.
fn is_rounded(number: &[u8]) -> bool {
    let mantissa = number.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let digits = mantissa.iter().filter(|byte| byte.is_ascii_digit()).skip_while(|byte| **byte == b'0').count();
    digits > f64::DIGITS as usize && number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Where the text ends that begins at `at`.
fn after_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(length) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += length;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        match parse(text.as_bytes()) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn numbers_keep_what_they_say() {
        assert_eq!(check("[9223372036854775807, -9223372036854775808]"), "[9223372036854775807,-9223372036854775808]");
        assert_eq!(
            check("[9223372036854775808, -123456789012345678901234567890, 1]"),
            "[\"9223372036854775808\",\"-123456789012345678901234567890\",1]"
        );
        assert_eq!(
            check("{\"a\\\"12345678901234567890\": 12345678901234567890.5}"),
            "{\"a\\\"12345678901234567890\":1.2345678901234567e+19}"
        );
        // A key must be a text: a number is none, however long.
        assert_eq!(check("{12345678901234567890 : 1}"), "key must be a string at line 1 column 2");
        assert_eq!(check("1e400"), "number out of range at line 1 column 5");
    }

    #[test]
    fn numbers_that_a_double_rounds_are_to_be_had_as_they_are_written() {
        let digits = |text: &str| with_digits(text.as_bytes()).map(|value| value.to_string());
        assert_eq!(
            digits("{\"a\": [0.1, 123456789012345, -1.5e300, 0.000123456789012345], \"b\": \"1234567890123456.7\"}"),
            None
        );
        assert_eq!(
            digits("[1234567890123456.70, -0.1234567890123456789, 1.2345678901234567e2, 9007199254740993, 9223372036854775808]")
                .as_deref(),
            Some(
                "[\"1234567890123456.70\",\"-0.1234567890123456789\",\"1.2345678901234567e2\",9007199254740993,\"9223372036854775808\"]"
            )
        );
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        assert_eq!(check("{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}"), "the key `c` is there twice at line 1 column 26");
        assert_eq!(check("{} 5"), "trailing characters at line 1 column 4");
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert_eq!(check(&deep), "recursion limit exceeded at line 1 column 128");
        assert!(parse(b"\"\xff\"").is_err());
    }
}
