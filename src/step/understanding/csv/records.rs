//! Records that were cut from a file, as text.

use super::bad_row::RecordError;
use crate::step::understanding::source::BadRow;

/// Some records of equal width, as text.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The bytes of all fields, one after the other.
    pub(super) text: Vec<u8>,
    /// Where each field ends in them.
    pub(super) ends: Vec<usize>,
    /// The line that each record starts on.
    pub(super) lines: Vec<u64>,
    /// Fields of a record.
    pub(super) width: usize,
    /// What was set aside between them.
    pub(super) bad: Vec<BadRow>,
}

impl Records {
    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing was read, not even what was set aside: the file has ended.
    pub(super) fn is_end(&self) -> bool {
        self.lines.is_empty() && self.bad.is_empty()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many fields each has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The line that record `row` starts on, from 1.
    pub(super) fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// The bytes of a field; valid UTF-8.
    pub(super) fn field(&self, row: usize, column: usize) -> &[u8] {
        let index = row * self.width + column;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..self.ends[index]]
    }

    /// The text of a field.
    pub(super) fn text(&self, row: usize, column: usize) -> &str {
        std::str::from_utf8(self.field(row, column)).expect("records are checked when they are read")
    }

    /// The fields of a record with `delimiter` between them; bytes that are no text are replaced.
    pub(super) fn joined(&self, row: usize, delimiter: u8) -> String {
        let fields: Vec<_> = (0..self.width).map(|column| String::from_utf8_lossy(self.field(row, column))).collect();
        fields.join(&char::from(delimiter).to_string())
    }

    /// Takes away fields that were read for a record that is none.
    pub(super) fn cut(&mut self, text: usize, ends: usize) {
        self.text.truncate(text);
        self.ends.truncate(ends);
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.lines.clear();
        self.bad.clear();
    }

    /// Keeps the records whose fields are text and sets the others aside.
    pub(super) fn sift(&mut self, delimiter: u8) {
        let mut whole = std::mem::take(self);
        (self.width, self.bad) = (whole.width, std::mem::take(&mut whole.bad));
        let (mut start, mut first) = (0, 0);
        for (row, &line) in whole.lines.iter().enumerate() {
            let ends = &whole.ends[first..first + whole.width];
            let end = ends.last().copied().unwrap_or(start);
            match check_fields(&whole.text, start, ends, line) {
                Ok(()) => {
                    let shift = self.text.len();
                    self.text.extend_from_slice(&whole.text[start..end]);
                    self.ends.extend(ends.iter().map(|end| end - start + shift));
                    self.lines.push(line);
                }
                Err(error) => {
                    let text = whole.joined(row, delimiter);
                    self.bad.push(BadRow { line, code: error.code(), message: error.to_string(), text });
                }
            }
            (start, first) = (end, first + whole.width);
        }
    }

    /// Every field must be UTF-8 by itself: two halves of a character in neighbouring fields are not.
    pub(super) fn check(&self) -> Result<(), RecordError> {
        if memchr::memchr(0, &self.text).is_none() && self.text.is_ascii() {
            return Ok(());
        }
        let mut start = 0;
        for (ends, &line) in self.ends.chunks(self.width.max(1)).zip(&self.lines) {
            check_fields(&self.text, start, ends, line)?;
            start = ends.last().copied().unwrap_or(start);
        }
        Ok(())
    }
}

/// Whether the fields of one record, which end at `ends`, are text.
fn check_fields(text: &[u8], mut start: usize, ends: &[usize], line: u64) -> Result<(), RecordError> {
    for (&end, field) in ends.iter().zip(1..) {
        let bytes = &text[start..end];
        if bytes.contains(&0) {
            return Err(RecordError::Nul { line, field });
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(RecordError::NotUtf8 { line, field, byte: bytes[error.valid_up_to()] });
        }
        start = end;
    }
    Ok(())
}
