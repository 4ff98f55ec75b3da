//! What can be wrong with a row.

use std::io;

use crate::step::understanding::source::MAX_RECORD_BYTES;
use crate::units::size;

/// What is wrong with the text of a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    /// The bytes could not be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// A record has more or fewer fields than the first one.
    #[error("line {line} has {found} fields where {expected} are expected")]
    Ragged {
        /// The line, from 1.
        line: u64,
        /// Fields of the header.
        expected: usize,
        /// Fields of this record.
        found: usize,
    },
    /// A quote that opens and never closes.
    #[error("the quote that opens on line {line} is never closed")]
    OpenQuote {
        /// The line, from 1.
        line: u64,
    },
    /// A record that is longer than any is.
    #[error("the row that begins on line {line} is longer than {}", size(MAX_RECORD_BYTES as u64))]
    TooLong {
        /// The line, from 1.
        line: u64,
    },
    /// Text between a closing quote and the next delimiter.
    #[error("line {line} has text after the closing quote of field {field}")]
    AfterQuote {
        /// The line, from 1.
        line: u64,
        /// The field, from 1.
        field: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("line {line}, field {field} is not valid UTF-8: byte 0x{byte:02x}")]
    NotUtf8 {
        /// The line, from 1.
        line: u64,
        /// The field, from 1.
        field: usize,
        /// The first bad byte.
        byte: u8,
    },
    /// A NUL byte.
    #[error("line {line}, field {field} contains a NUL byte")]
    Nul {
        /// The line, from 1.
        line: u64,
        /// The field, from 1.
        field: usize,
    },
}

impl RecordError {
    /// The code of the error that a step ends with.
    pub(super) fn code(&self) -> &'static str {
        match self {
            RecordError::Io(_) => "io",
            RecordError::Ragged { .. } => "csv_ragged",
            RecordError::OpenQuote { .. } | RecordError::AfterQuote { .. } => "csv_quote",
            RecordError::TooLong { .. } => "csv_long",
            RecordError::NotUtf8 { .. } => "csv_encoding",
            RecordError::Nul { .. } => "csv_nul",
        }
    }
}
