//! Finds the values of secrets in texts and streams, and writes `***` in their place.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::forms::forms;
use super::pattern::{Fit, Pattern};

/// The shortest value, in bytes, that can be kept out of a log without making the log unreadable.
pub const SHORTEST_SECRET: usize = 4;

/// The shortest value in the query of a URL that is taken for a secret.
const SHORTEST_QUERIED: usize = 16;

/// What stands in place of a secret.
const MASK: &[u8] = b"***";

/// Knows the values of secrets. Clones know the same ones.
#[derive(Clone, Default)]
pub struct Masker(Arc<RwLock<Patterns>>);

#[derive(Default)]
struct Patterns {
    all: Vec<Pattern>,
    /// The patterns that can begin with a byte, by byte; empty if there are no patterns.
    by_first: Vec<Vec<usize>>,
}

/// A text that comes in pieces: what may be the beginning of a secret is held back until it is decided.
#[derive(Debug, Default)]
pub struct MaskedStream {
    held: Vec<u8>,
}

impl Masker {
    /// Masks `value` from now on, in all its forms; a value that is too short for that is left as it is.
    pub fn add(&self, value: &str) {
        if value.len() < SHORTEST_SECRET {
            return;
        }
        let mut patterns = self.0.write().unwrap_or_else(PoisonError::into_inner);
        patterns.by_first.resize(256, Vec::new());
        for form in forms(value) {
            let pattern = Pattern::new(&form);
            let index = patterns.all.len();
            for first in pattern.first_bytes() {
                let starting = &mut patterns.by_first[usize::from(first)];
                if !starting.contains(&index) {
                    starting.push(index);
                }
            }
            patterns.all.push(pattern);
        }
    }

    /// Masks what is not for everybody in `text`: of a URL the password and the values of its query, else all of it.
    pub fn conceal(&self, text: &str) {
        let Some(url) = url::Url::parse(text).ok().filter(|_| text.contains("://")) else { return self.add(text) };
        if let Some(password) = url.password() {
            self.add(password);
            self.add(&percent_decoded(password));
        }
        // A token in a query is long; a short value, such as `csv`, would be masked all over the log.
        let queried = url.query_pairs().filter(|(_, value)| value.len() >= SHORTEST_QUERIED);
        queried.for_each(|(_, value)| self.add(&value));
    }

    /// `text` without any secret.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = Vec::with_capacity(text.len());
        self.scan(text.as_bytes(), End::OfText, &mut masked);
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// Copies `text` to `out` without secrets, and returns how much of it was decided.
    fn scan(&self, text: &[u8], end: End, out: &mut Vec<u8>) -> usize {
        let patterns = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if patterns.all.is_empty() {
            out.extend_from_slice(text);
            return text.len();
        }
        let mut place = 0;
        while let Some(step) = text[place..].iter().position(|byte| !patterns.by_first[usize::from(*byte)].is_empty()) {
            out.extend_from_slice(&text[place..place + step]);
            place += step;
            let rest = &text[place..];
            let mut longest = 0;
            for index in &patterns.by_first[usize::from(rest[0])] {
                match patterns.all[*index].fit(rest) {
                    Fit::Until(length) => longest = longest.max(length),
                    Fit::Undecided if end == End::OfPiece => return place,
                    Fit::No | Fit::Undecided => {}
                }
            }
            if longest > 0 {
                out.extend_from_slice(MASK);
                place += longest;
            } else {
                out.push(rest[0]);
                place += 1;
            }
        }
        out.extend_from_slice(&text[place..]);
        text.len()
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Masker")
    }
}

/// What the end of a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    OfText,
    OfPiece,
}

impl MaskedStream {
    /// The next piece of the text: what is decided of it, and of what was held back, goes to `out`.
    pub fn push(&mut self, masker: &Masker, piece: &[u8], out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let decided = masker.scan(piece, End::OfPiece, out);
            self.held.extend_from_slice(&piece[decided..]);
        } else {
            self.held.extend_from_slice(piece);
            let decided = masker.scan(&self.held, End::OfPiece, out);
            self.held.drain(..decided);
        }
    }

    /// The text has ended: what is held back goes to `out`.
    pub fn finish(&mut self, masker: &Masker, out: &mut Vec<u8>) {
        masker.scan(&std::mem::take(&mut self.held), End::OfText, out);
    }
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(byte);
            rest = &after[2..];
        } else {
            decoded.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
