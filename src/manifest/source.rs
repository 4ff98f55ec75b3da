//! The text that a report points into: a manifest, or settings given on the command line.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rejected::{Mistake, Rejected};
use crate::artifact::Digest;

/// The largest manifest and the largest text file that one may name, in bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A place in a source, in bytes.
pub type Span = Range<usize>;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }
}

/// A text with the name under which reports show it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it.
    pub name: String,
    /// The folder that relative paths in the manifest start from.
    pub folder: PathBuf,
    /// The text.
    pub text: String,
}

impl Source {
    /// A source that is not a file, such as a manifest in a test.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), folder: PathBuf::from("."), text: text.into() })
    }

    /// The source in a file.
    ///
    /// # Errors
    /// The file cannot be read, is larger than [`MAX_FILE_BYTES`] or is not UTF-8.
    pub fn read(path: &Path) -> Result<Arc<Source>, Rejected> {
        let name = path.display().to_string();
        let empty = Source::new(&name, "");
        let refuse =
            |code, message: String, help: &str| Rejected::one(&empty, Mistake::new(code, 0..0, message).help(help));
        let text = read_limited(path).map_err(|error| match error {
            ReadError::Io(source) if source.kind() == std::io::ErrorKind::NotFound => refuse(
                "file_missing",
                format!("there is no file `{name}`"),
                "check the path; `phaseline init` writes a first manifest",
            ),
            ReadError::Io(source) => refuse(
                "file_unreadable",
                format!("cannot read `{name}`: {source}"),
                "check that it is a file and may be read",
            ),
            ReadError::TooLarge => refuse(
                "too_large",
                format!("`{name}` is larger than a manifest may be (1 MiB)"),
                "data belongs in files that steps read; a manifest only names them",
            ),
            ReadError::NotText { offset } => {
                refuse("not_utf8", format!("`{name}` is not UTF-8 text (byte {offset})"), "save the file as UTF-8")
            }
        })?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Arc::new(Source { name, folder, text }))
    }

    /// The digest of the text.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text)
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let line = before.split(|byte| *byte == b'\n').count();
        (line, String::from_utf8_lossy(&before[line_start..]).chars().count() + 1)
    }
}

/// Why a text file was not read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The operating system refused.
    Io(std::io::Error),
    /// It is larger than [`MAX_FILE_BYTES`].
    TooLarge,
    /// It is not UTF-8 from this byte on.
    NotText {
        /// The first bad byte.
        offset: usize,
    },
}

/// Reads a text file, but never more than the limit of it.
pub(super) fn read_limited(path: &Path) -> Result<String, ReadError> {
    let file = File::open(path).map_err(ReadError::Io)?;
    if file.metadata().map_err(ReadError::Io)?.len() > MAX_FILE_BYTES {
        return Err(ReadError::TooLarge);
    }
    let mut bytes = Vec::new();
    // The size in the metadata says nothing about pipes and devices.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ReadError::TooLarge);
    }
    let text =
        String::from_utf8(bytes).map_err(|error| ReadError::NotText { offset: error.utf8_error().valid_up_to() })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("a.yaml", "a: é!\nb: 2");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(5), (1, 5), "é is one character");
        assert_eq!(source.position(7), (2, 1));
        assert_eq!(source.position(999), (2, 5), "past the end is the end");
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_without_reading_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.yaml");
        // A sparse file: 100 GB that would not fit into memory.
        File::create(&path).unwrap().set_len(100_000_000_000).unwrap();
        assert_eq!(Source::read(&path).unwrap_err().mistakes()[0].code, "too_large");
    }

    #[test]
    fn what_is_not_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latin1.yaml");
        std::fs::write(&path, b"pipeline: caf\xe9").unwrap();
        assert_eq!(Source::read(&path).unwrap_err().mistakes()[0].code, "not_utf8");
        assert_eq!(Source::read(folder.path()).unwrap_err().mistakes()[0].code, "file_unreadable");
        assert_eq!(Source::read(&folder.path().join("none")).unwrap_err().mistakes()[0].code, "file_missing");
    }
}
