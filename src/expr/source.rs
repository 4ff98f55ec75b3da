//! The text of an expression before CEL sees it: limits, quoted names, and the way back to the user's positions.
//!
//! CEL has no quoted names at the root of a path and reserves `if`, so both are replaced by plain names here and put
//! back when the tree is lowered. Limits keep hostile text from exhausting the stack of the recursive parser.

use std::ops::Range;

use super::ExprError;

/// The longest expression in bytes; long enough for a list of several hundred values.
const MAX_BYTES: usize = 16 * 1024;
/// How deep brackets may nest.
const MAX_NESTING: usize = 24;
/// How many operators there may be: a chain of them is a tree as deep as it is long.
const MAX_OPERATORS: usize = 200;

/// An expression's text made ready for the CEL parser.
pub(super) struct Source<'text> {
    /// The text for the parser.
    pub(super) rewritten: String,
    text: &'text str,
    prefix: String,
    names: Vec<String>,
    pieces: Vec<Piece>,
}

/// A part of the text that was replaced.
struct Piece {
    rewritten: Range<usize>,
    original: Range<usize>,
}

impl<'text> Source<'text> {
    /// Checks the limits and replaces what CEL does not know.
    pub(super) fn prepare(text: &'text str) -> Result<Source<'text>, ExprError> {
        if text.len() > MAX_BYTES {
            return Err(ExprError::new(0..0, format!("the expression is longer than {MAX_BYTES} bytes")));
        }
        if text.trim().is_empty() {
            return Err(ExprError::new(0..text.len(), "the expression is empty"));
        }
        let mut prefix = "q_".to_owned();
        while text.contains(&prefix) {
            prefix.push('_');
        }
        let mut source = Source {
            rewritten: String::with_capacity(text.len()),
            text,
            prefix,
            names: Vec::new(),
            pieces: Vec::new(),
        };
        Scanner { text, source: &mut source, position: 0, nesting: 0, operators: 0, previous: b' ' }.scan()?;
        Ok(source)
    }

    /// The name that the user wrote where the parser saw `name`.
    pub(super) fn name(&self, name: &str) -> String {
        match name.strip_prefix(&self.prefix) {
            Some("if") => "if".to_owned(),
            Some(index) => index
                .parse()
                .ok()
                .and_then(|index: usize| self.names.get(index))
                .map_or(name, String::as_str)
                .to_owned(),
            None => name.to_owned(),
        }
    }

    /// The span in the user's text of a span in the rewritten text.
    pub(super) fn span(&self, rewritten: &Range<usize>) -> Range<usize> {
        let start = self.original(rewritten.start, |piece| piece.original.start);
        let end = self.original(rewritten.end, |piece| piece.original.end).max(start);
        self.text.floor_char_boundary(start)..self.text.ceil_char_boundary(end)
    }

    /// The end of the name, if one stands behind `offset` in the user's text, after spaces.
    pub(super) fn name_end(&self, offset: usize) -> usize {
        let rest = &self.text[offset..];
        let name = rest.trim_start();
        let length = if let Some(quoted) = name.strip_prefix('`') {
            quoted.find('`').map_or(0, |length| length + 2)
        } else {
            name.find(|letter: char| !is_word(letter)).unwrap_or(name.len())
        };
        if length == 0 { offset } else { offset + rest.len() - name.len() + length }
    }

    /// The start of the name, if one stands before `offset` in the user's text.
    pub(super) fn name_start(&self, offset: usize) -> usize {
        self.text[..offset].trim_end().trim_end_matches(is_word).len()
    }

    fn original(&self, offset: usize, inside: impl Fn(&Piece) -> usize) -> usize {
        let before = self.pieces.partition_point(|piece| piece.rewritten.start < offset);
        match before.checked_sub(1).map(|index| &self.pieces[index]) {
            None => offset,
            Some(piece) if offset < piece.rewritten.end => inside(piece),
            Some(piece) => offset - piece.rewritten.end + piece.original.end,
        }
    }

    fn replace(&mut self, original: Range<usize>, replacement: &str) {
        let start = self.rewritten.len();
        self.rewritten.push_str(replacement);
        self.pieces.push(Piece { rewritten: start..self.rewritten.len(), original });
    }
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

struct Scanner<'text, 'source> {
    text: &'text str,
    source: &'source mut Source<'text>,
    position: usize,
    nesting: usize,
    operators: usize,
    /// The last byte that was not white space.
    previous: u8,
}

impl Scanner<'_, '_> {
    fn scan(&mut self) -> Result<(), ExprError> {
        while let Some(&byte) = self.text.as_bytes().get(self.position) {
            let start = self.position;
            match byte {
                b'`' => self.quoted_name()?,
                b'"' | b'\'' => self.text_literal(byte)?,
                b'/' if self.rest().starts_with("//") => {
                    let length = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.copy(length);
                    continue;
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9' => self.word(),
                _ => self.symbol(byte)?,
            }
            let seen = self.text.as_bytes()[start..self.position].iter().rev().find(|byte| !byte.is_ascii_whitespace());
            self.previous = seen.copied().unwrap_or(self.previous);
        }
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.text[self.position..]
    }

    fn copy(&mut self, length: usize) {
        let end = self.position + length;
        self.source.rewritten.push_str(&self.text[self.position..end]);
        self.position = end;
    }

    fn quoted_name(&mut self) -> Result<(), ExprError> {
        let start = self.position;
        let inner = &self.rest()[1..];
        let Some(length) = inner.find('`') else {
            return Err(ExprError::new(start..self.text.len(), "a quoted name has no closing backquote"));
        };
        if length == 0 {
            return Err(ExprError::new(start..start + 2, "a quoted name is empty"));
        }
        let placeholder = format!("{}{}", self.source.prefix, self.source.names.len());
        self.source.names.push(inner[..length].to_owned());
        self.position = start + length + 2;
        self.source.replace(start..self.position, &placeholder);
        Ok(())
    }

    /// Text is copied as it is; a backquote or a bracket in it means nothing.
    fn text_literal(&mut self, quote: u8) -> Result<(), ExprError> {
        let start = self.position;
        let raw = start > 0 && matches!(self.text.as_bytes()[start - 1], b'r' | b'R');
        let bytes = self.rest().as_bytes();
        let triple = bytes.starts_with(&[quote; 3]);
        let width = if triple { 3 } else { 1 };
        let mut index = width;
        loop {
            match bytes.get(index) {
                None => return Err(ExprError::new(start..self.text.len(), "a text has no closing quote")),
                Some(b'\\') if !raw => index += 2,
                Some(_) if bytes[index..].starts_with(&[quote; 3][..width]) => break,
                Some(_) => index += 1,
            }
        }
        self.copy(index + width);
        Ok(())
    }

    fn word(&mut self) {
        let length = self
            .rest()
            .bytes()
            .position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))
            .unwrap_or(self.rest().len());
        let is_if = &self.rest()[..length] == "if" && self.rest()[length..].trim_start().starts_with('(');
        if is_if {
            let replacement = format!("{}if", self.source.prefix);
            self.source.replace(self.position..self.position + length, &replacement);
            self.position += length;
        } else {
            self.copy(length);
        }
    }

    fn symbol(&mut self, byte: u8) -> Result<(), ExprError> {
        let here = self.position..self.position + 1;
        match byte {
            b'(' | b'[' | b'{' => {
                self.nesting += 1;
                if self.nesting > MAX_NESTING {
                    return Err(ExprError::new(here, format!("brackets nest deeper than {MAX_NESTING}")));
                }
            }
            b')' | b']' | b'}' => self.nesting = self.nesting.saturating_sub(1),
            b'=' => {
                let next = self.text.as_bytes().get(self.position + 1).copied();
                if next == Some(b'=') {
                    self.copy(1);
                } else if !matches!(self.previous, b'!' | b'<' | b'>') {
                    return Err(ExprError::new(here, "`=` assigns nothing here").help("compare with `==`"));
                }
            }
            _ => {}
        }
        // The point of `1.5` and the sign in `[-1, -2]` deepen nothing.
        let is_operator = match byte {
            b'.' => !self.previous.is_ascii_digit(),
            b'-' => !matches!(self.previous, b',' | b'[' | b'('),
            _ => matches!(byte, b'+' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'?' | b'&' | b'|' | b'['),
        };
        if is_operator {
            self.operators += 1;
            if self.operators > MAX_OPERATORS {
                return Err(ExprError::new(here, format!("the expression has more than {MAX_OPERATORS} operators")));
            }
        }
        if !byte.is_ascii() {
            let end = self.text.ceil_char_boundary(here.end);
            let error =
                ExprError::new(here.start..end, format!("`{}` is not expected here", &self.text[here.start..end]));
            return Err(error.help("put names that are not plain words in backquotes"));
        }
        self.copy(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_and_if_become_plain_names_and_come_back() {
        let source = Source::prepare("if(`Total Charges` > 1, '`no`', x)").unwrap();
        assert_eq!(source.rewritten, "q_if(q_0 > 1, '`no`', x)");
        assert_eq!(source.name("q_0"), "Total Charges");
        assert_eq!(source.name("q_if"), "if");
        assert_eq!(source.name("x"), "x");
        assert_eq!(source.span(&(5..8)), 3..18);
        assert_eq!(source.span(&(9..10)), 19..20);
    }

    #[test]
    fn hostile_text_is_refused_before_it_is_parsed() {
        let refused = |text: &str| Source::prepare(text).map(|_| ()).unwrap_err().message;
        assert_eq!(refused(&"(".repeat(25)), "brackets nest deeper than 24");
        assert_eq!(refused(&"1+".repeat(300)), "the expression has more than 200 operators");
        assert_eq!(refused(&"1".repeat(20_000)), "the expression is longer than 16384 bytes");
        assert_eq!(refused("x = 1"), "`=` assigns nothing here");
        assert_eq!(refused("'abc"), "a text has no closing quote");
        assert!(Source::prepare(&format!("x in [{}]", "-1.5, ".repeat(500))).is_ok());
    }
}
