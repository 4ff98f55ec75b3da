//! Bytes to records: where fields begin and end, with exact line numbers.

use std::io::Read;

use super::Dialect;
use super::bad_row::RecordError;
use super::records::Records;
use crate::step::understanding::source::{BLOCK_BYTES, BadRow, Refill, refill};

/// Cuts a stream of bytes into records.
pub(super) struct RecordReader<R> {
    source: R,
    dialect: Dialect,
    buffer: Vec<u8>,
    start: usize,
    is_ended: bool,
    line: u64,
    width: Option<usize>,
    sets_aside: bool,
}

/// What one look at the buffer found.
enum Found {
    /// A record, a comment or an empty line that ends before this offset, and how many lines it spans.
    Record {
        next: usize,
        lines: u64,
    },
    Nothing {
        next: usize,
    },
    /// The buffer ends before the record does.
    More,
}

impl<R: Read> RecordReader<R> {
    /// A reader at the start of a file.
    pub(super) fn new(source: R, dialect: Dialect) -> Result<RecordReader<R>, RecordError> {
        let skip = dialect.skip_lines;
        let buffer = Vec::with_capacity(2 * BLOCK_BYTES);
        let mut reader = RecordReader {
            source,
            dialect,
            buffer,
            start: 0,
            is_ended: false,
            line: 1,
            width: None,
            sets_aside: false,
        };
        reader.fill()?;
        if reader.buffer.starts_with(b"\xEF\xBB\xBF") {
            reader.start = 3;
        }
        for _ in 0..skip {
            reader.skip_line()?;
        }
        Ok(reader)
    }

    /// From here on, sets records aside that are broken by themselves. A quote that is never closed stays an error: all
    /// that follows it is in doubt.
    pub(super) fn set_aside(&mut self) {
        self.sets_aside = true;
    }

    /// Replaces the content of `records` with up to `limit` records; none are left at the end of the file.
    pub(super) fn read(&mut self, records: &mut Records, limit: usize, limit_bytes: usize) -> Result<(), RecordError> {
        records.clear();
        records.width = self.width.unwrap_or(0);
        let mut bad_bytes = 0;
        while records.len() + records.bad.len() < limit && records.text.len() + bad_bytes < limit_bytes {
            let (text, ends) = (records.text.len(), records.ends.len());
            let scanned = self.scan(&mut records.text, &mut records.ends);
            let found = match scanned {
                Err(error @ RecordError::AfterQuote { .. }) if self.sets_aside => {
                    records.cut(text, ends);
                    match memchr::memchr(b'\n', &self.buffer[self.start..]) {
                        None if !self.is_ended => self.fill()?,
                        end => {
                            let next = end.map_or(self.buffer.len(), |end| self.start + end + 1);
                            bad_bytes += self.pass_over(records, next, 1, &error);
                        }
                    }
                    continue;
                }
                found => found?,
            };
            match found {
                Found::Record { next, lines } => {
                    let found = records.ends.len() - ends;
                    let expected = *self.width.get_or_insert(found);
                    if found != expected {
                        let error = RecordError::Ragged { line: self.line, expected, found };
                        if !self.sets_aside {
                            return Err(error);
                        }
                        records.cut(text, ends);
                        bad_bytes += self.pass_over(records, next, lines, &error);
                        continue;
                    }
                    records.width = expected;
                    records.lines.push(self.line);
                    self.line += lines;
                    self.start = next;
                }
                Found::Nothing { next } => {
                    self.line += 1;
                    self.start = next;
                }
                Found::More => {
                    records.cut(text, ends);
                    if self.is_ended {
                        break;
                    }
                    self.fill()?;
                }
            }
        }
        match records.check() {
            Err(_) if self.sets_aside => {
                records.sift(self.dialect.delimiter);
                Ok(())
            }
            checked => checked,
        }
    }

    /// Sets aside the record that ends before `next`; gives how many bytes it has.
    fn pass_over(&mut self, records: &mut Records, next: usize, lines: u64, error: &RecordError) -> usize {
        let bytes = &self.buffer[self.start..next];
        let text = String::from_utf8_lossy(bytes).trim_end_matches(['\r', '\n']).to_owned();
        let passed = bytes.len();
        records.bad.push(BadRow { line: self.line, code: error.code(), message: error.to_string(), text });
        (self.line, self.start) = (self.line + lines, next);
        passed
    }

    fn fill(&mut self) -> Result<(), RecordError> {
        match refill(&mut self.source, &mut self.buffer, std::mem::take(&mut self.start))? {
            Refill::TooLong => return Err(RecordError::TooLong { line: self.line }),
            came => self.is_ended = came == Refill::Ended,
        }
        Ok(())
    }

    fn skip_line(&mut self) -> Result<(), RecordError> {
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[self.start..]) {
                self.start += length + 1;
                self.line += 1;
                return Ok(());
            }
            if self.is_ended {
                self.start = self.buffer.len();
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Looks at the record that starts at `self.start` and appends its fields.
    fn scan(&self, text: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<Found, RecordError> {
        let buffer = self.buffer.as_slice();
        let mut at = self.start;
        let Some(&first) = buffer.get(at) else { return Ok(Found::More) };
        if first == b'\n' || first == b'\r' || Some(first) == self.dialect.comment {
            return Ok(self.scan_nothing(at));
        }
        let delimiter = self.dialect.delimiter;
        let first_field = ends.len();
        let mut lines = 1;
        loop {
            if self.dialect.trim {
                at += buffer[at..].iter().take_while(|byte| self.is_space(**byte)).count();
            }
            let mut end;
            if let Some(quote) = self.dialect.quote.filter(|quote| buffer.get(at) == Some(quote)) {
                let Some(closed) = self.scan_quoted(at + 1, quote, text, &mut lines)? else { return Ok(Found::More) };
                end = closed;
                if self.dialect.trim {
                    end += buffer[end..].iter().take_while(|byte| self.is_space(**byte)).count();
                }
                match buffer.get(end) {
                    Some(&byte) if byte != delimiter && byte != b'\n' && byte != b'\r' => {
                        let field = ends.len() - first_field + 1;
                        return Err(RecordError::AfterQuote { line: self.line + lines - 1, field });
                    }
                    _ => {}
                }
            } else {
                let rest = &buffer[at..];
                let length = field_length(rest, delimiter);
                end = at + length;
                let mut field = &rest[..length];
                while self.dialect.trim && field.last().is_some_and(|byte| self.is_space(*byte)) {
                    field = &field[..field.len() - 1];
                }
                text.extend_from_slice(field);
            }
            if end == buffer.len() && !self.is_ended {
                return Ok(Found::More);
            }
            ends.push(text.len());
            match buffer.get(end) {
                Some(&byte) if byte == delimiter => at = end + 1,
                Some(b'\r') if end + 1 == buffer.len() && !self.is_ended => return Ok(Found::More),
                Some(b'\r') if buffer.get(end + 1) == Some(&b'\n') => {
                    return Ok(Found::Record { next: end + 2, lines });
                }
                Some(_) => return Ok(Found::Record { next: end + 1, lines }),
                None => return Ok(Found::Record { next: end, lines }),
            }
        }
    }

    /// Appends the content of a quoted field that starts at `at`; gives the offset behind the closing quote.
    fn scan_quoted(
        &self,
        mut at: usize,
        quote: u8,
        text: &mut Vec<u8>,
        lines: &mut u64,
    ) -> Result<Option<usize>, RecordError> {
        let mut breaks = 0;
        loop {
            let Some(length) = memchr::memchr(quote, &self.buffer[at..]) else {
                return if self.is_ended {
                    Err(RecordError::OpenQuote { line: self.line + *lines - 1 })
                } else {
                    Ok(None)
                };
            };
            let piece = &self.buffer[at..at + length];
            breaks += memchr::memchr_iter(b'\n', piece).count() as u64;
            text.extend_from_slice(piece);
            at += length + 1;
            if self.buffer.get(at) == Some(&quote) {
                text.push(quote);
                at += 1;
            } else if at == self.buffer.len() && !self.is_ended {
                return Ok(None);
            } else {
                *lines += breaks;
                return Ok(Some(at));
            }
        }
    }

    /// An empty line or a comment.
    fn scan_nothing(&self, at: usize) -> Found {
        let rest = &self.buffer[at..];
        match rest.iter().position(|byte| *byte == b'\n' || *byte == b'\r') {
            Some(end) if rest[end] == b'\r' && end + 1 == rest.len() && !self.is_ended => Found::More,
            Some(end) if rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n') => {
                Found::Nothing { next: at + end + 2 }
            }
            Some(end) => Found::Nothing { next: at + end + 1 },
            None if self.is_ended => Found::Nothing { next: self.buffer.len() },
            None => Found::More,
        }
    }

    fn is_space(&self, byte: u8) -> bool {
        byte != self.dialect.delimiter && (byte == b' ' || byte == b'\t')
    }
}

/// Where a field without quotes ends in `bytes`: at a delimiter, a line break, or their end. Looks at eight bytes at once.
fn field_length(bytes: &[u8], delimiter: u8) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let ends = [delimiter, b'\n', b'\r'].map(|byte| ONES * u64::from(byte));
    let mut words = bytes.chunks_exact(8);
    for (index, word) in words.by_ref().enumerate() {
        let word = u64::from_le_bytes(word.try_into().expect("a word has eight bytes"));
        // A byte of `word ^ end` that is zero borrows, which sets its highest bit; so may bytes above it, but none below.
        let found = ends.iter().fold(0, |found, end| {
            let zero = word ^ end;
            found | zero.wrapping_sub(ONES) & !zero
        }) & (ONES << 7);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_end = |byte: &u8| *byte == delimiter || *byte == b'\n' || *byte == b'\r';
    let rest = words.remainder();
    bytes.len() - rest.len() + rest.iter().position(is_end).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces, as a network or a decompressor does.
    struct Pieces<'bytes>(&'bytes [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn cut_with(bytes: &[u8], dialect: Dialect) -> Result<Vec<Vec<String>>, RecordError> {
        let mut reader = RecordReader::new(Pieces(bytes, 7), dialect)?;
        let (mut records, mut rows) = (Records::default(), Vec::new());
        loop {
            reader.read(&mut records, 2, usize::MAX)?;
            if records.is_empty() {
                return Ok(rows);
            }
            for row in 0..records.len() {
                let mut fields: Vec<String> =
                    (0..records.width()).map(|column| records.text(row, column).to_owned()).collect();
                fields.insert(0, records.line(row).to_string());
                rows.push(fields);
            }
        }
    }

    fn cut(text: &str) -> String {
        match cut_with(text.as_bytes(), Dialect { comment: Some(b'#'), ..Dialect::default() }) {
            Ok(rows) => rows.iter().map(|row| row.join("|")).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn records_know_the_line_they_start_on() {
        assert_eq!(cut("a,b\r\n\r\n# note\n\"x\ny\",2\n3,4"), "1|a|b\n4|x\ny|2\n6|3|4");
        assert_eq!(cut("a,\n,b\n"), "1|a|\n2||b");
        assert_eq!(cut("\u{feff}a\rb"), "1|a\n2|b");
        assert_eq!(cut("\"say \"\"hi\"\"\",it's \"so\"\n"), "1|say \"hi\"|it's \"so\"");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert_eq!(cut("a,b\n1,2,3\n"), "line 2 has 3 fields where 2 are expected");
        assert_eq!(cut("a,b\n\"x\n\ny\",1\n1\n"), "line 5 has 1 fields where 2 are expected");
        assert_eq!(cut("a\n\"b\nc\n"), "the quote that opens on line 2 is never closed");
        assert_eq!(cut("a,b\n1,\"b\"c\n"), "line 2 has text after the closing quote of field 2");
        assert_eq!(cut("a,b\n1,\0\n"), "line 2, field 2 contains a NUL byte");
        let latin1 = cut_with(b"a,b\nx,\xe9t\xe9\n", Dialect::default()).unwrap_err();
        assert_eq!(latin1.to_string(), "line 2, field 2 is not valid UTF-8: byte 0xe9");
        // Each half alone is broken, side by side they would pass for one character.
        assert!(cut_with(b"\xc3,\xa9\n", Dialect::default()).is_err());
    }

    #[test]
    fn broken_rows_are_set_aside_with_their_lines_and_texts_and_the_others_are_kept() {
        let text = b"a,b\n1,2\n3\n\"x\"y,4\n\xff,5\n\"six\n\",6\n7,\0\n8,9,10\n11,12";
        for (limit, piece) in [(100, 100), (1, 7), (2, 3)] {
            let mut reader = RecordReader::new(Pieces(text, piece), Dialect::default()).unwrap();
            let (mut records, mut kept, mut bad) = (Records::default(), Vec::new(), Vec::new());
            reader.read(&mut records, 1, usize::MAX).unwrap();
            reader.set_aside();
            loop {
                reader.read(&mut records, limit, usize::MAX).unwrap();
                if records.is_end() {
                    break;
                }
                kept.extend((0..records.len()).map(|row| format!("{} {}", records.line(row), records.text(row, 1))));
                bad.extend(records.bad.iter().map(|row| (row.line, row.code, row.text.clone())));
            }
            assert_eq!(kept, ["2 2", "6 6", "10 12"], "by {limit}");
            bad.sort();
            let expected = [
                (3, "csv_ragged", "3"),
                (4, "csv_quote", "\"x\"y,4"),
                (5, "csv_encoding", "\u{fffd},5"),
                (8, "csv_nul", "7,\0"),
                (9, "csv_ragged", "8,9,10"),
            ];
            assert_eq!(bad, expected.map(|(line, code, text)| (line, code, text.to_owned())), "by {limit}");
        }
    }

    #[test]
    fn spaces_around_fields_can_be_dropped() {
        let dialect = Dialect { trim: true, ..Dialect::default() };
        assert_eq!(cut_with(b"a , \"b \" ,c\n", dialect).unwrap()[0][1..], ["a", "b ", "c"]);
    }

    proptest! {
        #[test]
        fn a_field_ends_at_the_first_delimiter_or_line_break(
            bytes in prop::collection::vec(prop::sample::select(b",\n\r;ab\x2b\x2d\x0b\xac\xff\x00\x80".to_vec()), 0..40), start in 0_usize..9,
        ) {
            let bytes = &bytes[start.min(bytes.len())..];
            let plain = bytes.iter().position(|byte| matches!(byte, b',' | b'\n' | b'\r')).unwrap_or(bytes.len());
            prop_assert_eq!(field_length(bytes, b','), plain);
        }

        #[test]
        fn any_table_reads_back_as_it_was_quoted(rows in prop::collection::vec(
            prop::collection::vec("[a-c,\"\r\n\u{e9} ]{0,6}", 3), 1..20)
        ) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let lines: Vec<String> =
                rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",")).collect();
            let found = cut_with(lines.join("\r\n").as_bytes(), Dialect::default()).unwrap();
            let found: Vec<Vec<String>> = found.into_iter().map(|row| row[1..].to_vec()).collect();
            prop_assert_eq!(found, rows);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            cut_with(&bytes, Dialect { trim: true, ..Dialect::default() }).ok();
        }
    }
}
