//! The types that columns have in manifests and contracts, and the words for them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use arrow::datatypes::{DataType, TimeUnit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most digits of a decimal number.
const MOST_DIGITS: u8 = 38;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Whole numbers of 64 bits.
    Int64,
    /// Numbers in double precision.
    Float64,
    /// Text as it stands.
    Text,
    /// Truth values.
    Bool,
    /// A day.
    Date,
    /// A moment without time zone.
    Timestamp,
    /// A moment with time zone, kept in UTC.
    Instant,
    /// Decimal numbers kept to the last digit.
    Decimal {
        /// All digits, at most [`MOST_DIGITS`].
        precision: u8,
        /// Those after the point.
        scale: u8,
    },
}

/// The word for each plain type, what it means, and other words for it.
const WORDS: [(ColumnType, &str, &str, &[&str]); 7] = [
    (ColumnType::Int64, "int64", "Whole numbers of 64 bits.", &["int", "integer"]),
    (
        ColumnType::Float64,
        "float64",
        "Numbers in double precision; `NaN` counts as missing.",
        &["float", "double", "number"],
    ),
    (ColumnType::Text, "text", "Text as it stands.", &["string", "str", "utf8", "category"]),
    (
        ColumnType::Bool,
        "bool",
        "`true` or `false`; in text files also `yes`/`no`, `t`/`f`, `y`/`n` and `1`/`0`.",
        &["boolean"],
    ),
    (ColumnType::Date, "date", "A day: `2026-02-28`.", &[]),
    (ColumnType::Timestamp, "timestamp", "A moment without time zone: `2026-02-28 12:30:00.5`.", &["datetime"]),
    (
        ColumnType::Instant,
        "instant",
        "A moment with time zone, kept in UTC: `2026-02-28T12:30:00+01:00`.",
        &["timestamptz"],
    ),
];

impl ColumnType {
    /// The Arrow type.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            // An offset and not a name: Arrow knows named zones only with a database of them.
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale.cast_signed()),
        }
    }

    /// The types that have a word of their own: all but decimals.
    pub fn plain() -> impl Iterator<Item = ColumnType> {
        WORDS.iter().map(|(known, ..)| *known)
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal { precision, scale } => formatter.pad(&format!("decimal({precision},{scale})")),
            plain => formatter.pad(WORDS.iter().find(|(known, ..)| known == plain).map_or("", |(_, word, ..)| word)),
        }
    }
}

impl FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<ColumnType, String> {
        let mut known = WORDS.iter().filter(|(_, word, _, others)| *word == text || others.contains(&text));
        if let Some((known, ..)) = known.next() {
            return Ok(*known);
        }
        if let Some(digits) = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
            return decimal(digits).ok_or_else(|| {
                format!(
                    "`{text}` is no decimal type: it has 1 to {MOST_DIGITS} digits, not more of them after the point"
                )
            });
        }
        let words: Vec<&str> = WORDS.iter().map(|(_, word, ..)| *word).collect();
        let near = words.iter().map(|word| (strsim::damerau_levenshtein(word, text), word)).min();
        let hint = near.filter(|(distance, _)| *distance <= 2).map(|(_, word)| format!("; did you mean `{word}`?"));
        let words = words.join(", ");
        Err(format!("`{text}` is none of {words} and decimal(digits, after the point){}", hint.unwrap_or_default()))
    }
}

/// The type that `18, 2` stands for: all digits, and those after the point.
fn decimal(digits: &str) -> Option<ColumnType> {
    let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    ((1..=MOST_DIGITS).contains(&precision) && scale <= precision).then_some(ColumnType::Decimal { precision, scale })
}

impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ColumnType, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for ColumnType {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ColumnType")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let word = |(_, word, meaning, _): &(ColumnType, &str, &str, &[&str])| serde_json::json!({"const": word, "description": meaning});
        let others: Vec<&str> = WORDS.iter().flat_map(|(.., others)| others.iter().copied()).collect();
        let mut all: Vec<serde_json::Value> = WORDS.iter().map(word).collect();
        all.push(serde_json::json!({"enum": others, "description": "Other words for the same."}));
        all.push(serde_json::json!({
            "pattern": r"^decimal\( *[0-9]+ *(, *[0-9]+ *)?\)$",
            "description": "Decimal numbers kept to the last digit: `decimal(18, 2)` has up to 18 digits, two of them after the point.",
        }));
        json_schema!({"description": "The type of a column.", "type": "string", "anyOf": all})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        for known in ColumnType::plain() {
            assert_eq!(known.to_string().parse(), Ok(known));
        }
        assert_eq!("integer".parse(), Ok(ColumnType::Int64));
        let decimal = |precision, scale| Ok(ColumnType::Decimal { precision, scale });
        assert_eq!("decimal(20, 2)".parse(), decimal(20, 2));
        assert_eq!("decimal(38)".parse(), decimal(38, 0));
        assert_eq!(decimal(18, 2).map(|it| it.to_string().parse()), Ok(decimal(18, 2)));
        for wrong in ["decimal(39,0)", "decimal(2,3)", "decimal()", "decimal", "blob", "decimal(0)", "decimal(-1,0)"] {
            assert!(wrong.parse::<ColumnType>().is_err(), "{wrong}");
        }
        insta::assert_snapshot!("flot64".parse::<ColumnType>().unwrap_err(), @"`flot64` is none of int64, float64, text, bool, date, timestamp, instant and decimal(digits, after the point); did you mean `float64`?");
    }

    #[test]
    fn the_schema_has_every_word() {
        let schema = schemars::schema_for!(ColumnType).to_value();
        let alternatives = schema["anyOf"].as_array().unwrap();
        let is_known = |word: &str| {
            let is_it = |schema: &serde_json::Value| {
                schema["const"] == word || schema["enum"].as_array().is_some_and(|words| words.contains(&word.into()))
            };
            alternatives.iter().any(is_it)
        };
        for (_, word, _, others) in WORDS {
            assert!(is_known(word) && others.iter().all(|other| is_known(other)), "{word}");
        }
        let pattern = alternatives.iter().find_map(|schema| schema["pattern"].as_str()).unwrap();
        let pattern = regex::Regex::new(pattern).unwrap();
        assert!(pattern.is_match("decimal(18, 2)") && pattern.is_match("decimal(38)") && !pattern.is_match("decimal"));
    }
}
