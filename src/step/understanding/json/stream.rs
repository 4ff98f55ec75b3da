//! One record after the other, out of a list of objects or out of lines, without holding more than one.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::step::StepError;

/// How records stand in a JSON file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JsonFormat {
    /// By the first character: `[` begins a list.
    #[default]
    Auto,
    /// One list of objects.
    Array,
    /// One object per line, or simply one after the other.
    Lines,
}

/// Why a stream of records ended early.
#[derive(Debug)]
pub enum RecordError {
    /// The text is not JSON of the expected shape.
    Json(serde_json::Error),
    /// A record is not an object.
    NotAnObject(u64),
    /// The taker of records failed.
    Taker(StepError),
    /// The bytes could not be read.
    Io(std::io::Error),
}

type Take<'take> = &'take mut dyn FnMut(u64, Map<String, Value>) -> Result<(), StepError>;

/// Gives every record of `bytes` to `take`, with its number from 1.
pub fn each_record(bytes: impl Read, format: JsonFormat, take: Take<'_>) -> Result<(), RecordError> {
    let mut bytes = BufReader::with_capacity(256 * 1024, bytes);
    let is_list = match format {
        JsonFormat::Array => true,
        JsonFormat::Lines => false,
        JsonFormat::Auto => first_byte(&mut bytes).map_err(RecordError::Io)? == Some(b'['),
    };
    let mut records = Records { take, number: 0, failure: None };
    if is_list {
        let mut deserializer = serde_json::Deserializer::from_reader(bytes);
        let outcome = (&mut records).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        return match (records.failure, outcome) {
            (Some(failure), _) => Err(failure),
            (None, outcome) => outcome.map_err(RecordError::Json),
        };
    }
    for record in serde_json::Deserializer::from_reader(bytes).into_iter::<Value>() {
        if records.give(record.map_err(RecordError::Json)?).is_err() {
            break;
        }
    }
    records.failure.map_or(Ok(()), Err)
}

/// The first byte that is no space, which stays unread.
fn first_byte(bytes: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    loop {
        let ahead = bytes.fill_buf()?;
        if ahead.is_empty() {
            return Ok(None);
        }
        let spaces = ahead.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let found = ahead.get(spaces).copied();
        bytes.consume(spaces);
        if found.is_some() {
            return Ok(found);
        }
    }
}

struct Records<'take> {
    take: Take<'take>,
    number: u64,
    failure: Option<RecordError>,
}

/// The taker failed; the reason waits in `Records::failure`.
struct Stopped;

impl Records<'_> {
    fn give(&mut self, record: Value) -> Result<(), Stopped> {
        self.number += 1;
        let failure = match record {
            Value::Object(record) => match (self.take)(self.number, record) {
                Ok(()) => return Ok(()),
                Err(error) => RecordError::Taker(error),
            },
            _ => RecordError::NotAnObject(self.number),
        };
        self.failure = Some(failure);
        Err(Stopped)
    }
}

impl<'json> DeserializeSeed<'json> for &mut Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'json>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'json> Visitor<'json> for &mut Records<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'json>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(record) = list.next_element::<Value>()? {
            if self.give(record).is_err() {
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str, format: JsonFormat) -> String {
        let mut found = Vec::new();
        let ended = each_record(text.as_bytes(), format, &mut |number, record| {
            found.push(format!("{number}={}", record["a"]));
            Ok(())
        });
        match ended {
            Ok(()) => found.join(" "),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn lists_and_lines_are_told_apart_by_their_first_character() {
        assert_eq!(numbers(" \n[{\"a\": 1}, {\"a\": 2}]\n", JsonFormat::Auto), "1=1 2=2");
        assert_eq!(numbers("{\"a\": 1}\n\n{\"a\": 2}", JsonFormat::Auto), "1=1 2=2");
        assert_eq!(numbers("", JsonFormat::Auto), "");
    }

    #[test]
    fn what_is_no_record_is_named() {
        assert_eq!(numbers("[{\"a\": 1}, 5]", JsonFormat::Auto), "NotAnObject(2)");
        assert!(numbers("[{\"a\": 1}", JsonFormat::Auto).contains("line: 1, column: 9"));
        assert!(numbers("{\"a\": 1}", JsonFormat::Array).contains("expected a list of objects"));
    }
}
