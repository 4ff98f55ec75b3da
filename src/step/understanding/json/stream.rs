//! One record after the other, out of a list of objects or out of lines, as bytes; only one is held at a time.

use std::io::Read;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::step::StepError;
use crate::step::understanding::source::{Refill, refill};

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

/// How bytes are cut where there is no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Where an object ends, whatever lines it takes.
    Objects,
    /// At the ends of lines, so that a broken one leaves the next ones whole.
    Lines,
}

/// The bytes of a record, which may not be JSON at all.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'file> {
    /// Its number, from 1.
    pub number: u64,
    /// The line that it starts on, from 1.
    pub line: u64,
    /// How many bytes stand before it on that line.
    pub column: usize,
    /// Its bytes.
    pub bytes: &'file [u8],
}

/// Why a stream of records ended early.
#[derive(Debug)]
pub enum StreamError {
    /// The text between records is not what a list has there.
    List {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A record is longer than any record is.
    TooLong {
        /// The line that it starts on, from 1.
        line: u64,
    },
    /// The taker of records failed.
    Taker(StepError),
    /// The bytes could not be read.
    Io(std::io::Error),
}

/// Takes a record.
type Take<'take> = &'take mut dyn FnMut(Raw<'_>) -> Result<(), StepError>;

/// Gives every record of `bytes` to `take`.
pub fn each_record(bytes: impl Read, format: JsonFormat, cut: Cut, take: Take<'_>) -> Result<(), StreamError> {
    let mut stream = Stream { source: bytes, buffer: Vec::new(), start: 0, is_ended: false, line: 1, column: 0 };
    if stream.starts_with(b"\xef\xbb\xbf")? {
        stream.start += 3;
    }
    let first = stream.next_byte()?;
    let is_list = match format {
        JsonFormat::Array => true,
        JsonFormat::Lines => false,
        JsonFormat::Auto => first == Some(b'['),
    };
    match (is_list, first) {
        (_, None) => Ok(()),
        (true, Some(b'[')) => stream.list(take),
        (true, Some(_)) => Err(stream.no_list("a list of objects begins with `[`")),
        (false, Some(_)) => stream.lines(cut, take),
    }
}

struct Stream<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    is_ended: bool,
    line: u64,
    column: usize,
}

impl<R: Read> Stream<R> {
    fn list(&mut self, take: Take<'_>) -> Result<(), StreamError> {
        self.advance(1);
        let mut number = 0;
        while self.next_byte()? != Some(b']') || number > 0 {
            number += 1;
            self.give(number, Cut::Objects, take)?;
            match self.next_byte()? {
                Some(b',') => self.advance(1),
                Some(b']') => break,
                Some(_) => return Err(self.no_list("expected `,` or `]` after a record")),
                None => return Err(self.no_list("the list is never closed")),
            }
        }
        self.advance(1);
        match self.next_byte()? {
            None => Ok(()),
            Some(_) => Err(self.no_list("something follows the list")),
        }
    }

    fn lines(&mut self, cut: Cut, take: Take<'_>) -> Result<(), StreamError> {
        let mut number = 0;
        while self.next_byte()?.is_some() {
            number += 1;
            self.give(number, cut, take)?;
        }
        Ok(())
    }

    /// Gives the record that starts here.
    fn give(&mut self, number: u64, cut: Cut, take: Take<'_>) -> Result<(), StreamError> {
        let length = loop {
            let ahead = &self.buffer[self.start..];
            let end = match cut {
                Cut::Objects => end_of_value(ahead),
                Cut::Lines => memchr::memchr(b'\n', ahead),
            };
            match end {
                Some(end) => break end,
                None if self.is_ended => break ahead.len(),
                None => self.fill()?,
            }
        };
        let bytes = &self.buffer[self.start..self.start + length];
        let raw = Raw { number, line: self.line, column: self.column, bytes: bytes.trim_ascii_end() };
        take(raw).map_err(StreamError::Taker)?;
        self.advance(length);
        Ok(())
    }

    fn no_list(&self, what: &'static str) -> StreamError {
        StreamError::List { line: self.line, what }
    }

    /// The next byte that is no space; it stays unread.
    fn next_byte(&mut self) -> Result<Option<u8>, StreamError> {
        loop {
            let ahead = &self.buffer[self.start..];
            let spaces = ahead.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = ahead.get(spaces).copied();
            self.advance(spaces);
            if found.is_some() || self.is_ended {
                return Ok(found);
            }
            self.fill()?;
        }
    }

    fn starts_with(&mut self, mark: &[u8]) -> Result<bool, StreamError> {
        self.fill()?;
        Ok(self.buffer.starts_with(mark))
    }

    fn advance(&mut self, count: usize) {
        let passed = &self.buffer[self.start..self.start + count];
        match memchr::memrchr(b'\n', passed) {
            Some(last) => {
                self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
                self.column = count - last - 1;
            }
            None => self.column += count,
        }
        self.start += count;
    }

    fn fill(&mut self) -> Result<(), StreamError> {
        let came = refill(&mut self.source, &mut self.buffer, std::mem::take(&mut self.start));
        match came.map_err(StreamError::Io)? {
            Refill::TooLong => return Err(StreamError::TooLong { line: self.line }),
            came => self.is_ended = came == Refill::Ended,
        }
        Ok(())
    }
}

/// Where the value at the start of `bytes` ends, if it does: behind its last bracket, or before what cannot belong to it.
fn end_of_value(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                loop {
                    at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
                    if bytes[at] == b'"' {
                        break;
                    }
                    at += 2;
                }
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return Some(if depth == 1 { at + 1 } else { at.max(1) }),
            b'}' | b']' => depth -= 1,
            b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return Some(at.max(1)),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'bytes>(&'bytes [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn cut_by(text: &str, format: JsonFormat, cut: Cut) -> String {
        let mut found = Vec::new();
        let ended = each_record(Slow(text.as_bytes()), format, cut, &mut |raw| {
            found.push(format!("{}:{}={}", raw.line, raw.column, String::from_utf8_lossy(raw.bytes)));
            Ok(())
        });
        match ended {
            Ok(()) => found.join(" "),
            Err(error) => format!("{} {error:?}", found.join(" ")).trim_start().to_owned(),
        }
    }

    fn cut(text: &str, format: JsonFormat) -> String {
        cut_by(text, format, Cut::Objects)
    }

    #[test]
    fn lists_and_lines_are_told_apart_by_their_first_character() {
        assert_eq!(
            cut(" \n[{\"a\": [1]}, {\"b\": \"]\\\"\"}]\n", JsonFormat::Auto),
            "2:1={\"a\": [1]} 2:13={\"b\": \"]\\\"\"}"
        );
        assert_eq!(cut("\u{feff}{\"a\":\n1}\n\n{} 5", JsonFormat::Auto), "1:0={\"a\":\n1} 4:0={} 4:3=5");
        assert_eq!(cut("", JsonFormat::Auto), "");
        assert_eq!(cut("[ ]", JsonFormat::Auto), "");
        assert_eq!(cut_by("{\"a\"\n{}\r\n\n}", JsonFormat::Lines, Cut::Lines), "1:0={\"a\" 2:0={} 4:0=}");
    }

    #[test]
    fn what_is_no_list_is_named() {
        let wrong = |text: &str| cut(text, JsonFormat::Array).rsplit("what: ").next().unwrap().to_owned();
        assert_eq!(wrong("{}"), "\"a list of objects begins with `[`\" }");
        assert_eq!(wrong("[{} {}]"), "\"expected `,` or `]` after a record\" }");
        assert_eq!(wrong("[{}"), "\"the list is never closed\" }");
        assert_eq!(wrong("[{}] 5"), "\"something follows the list\" }");
        assert_eq!(cut("[{\"a\": 1}, {", JsonFormat::Auto).split(' ').next_back(), Some("}"));
    }

    #[test]
    fn no_bytes_make_the_reader_stand_still() {
        for text in ["[,]", "[}", "]]]", "[\"", "\"\\", "[1,,2]", "}{", "[1,]"] {
            for format in [JsonFormat::Auto, JsonFormat::Array, JsonFormat::Lines] {
                cut(text, format);
            }
        }
    }
}
