//! Bytes of a file to UTF-8: decompression and character sets.

use std::io::{self, BufReader, Read};
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

/// The character set of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    #[serde(rename = "utf-8", alias = "utf8")]
    Utf8,
    /// ISO 8859-1.
    #[serde(rename = "latin1", alias = "iso-8859-1")]
    Latin1,
    /// Windows-1252, the character set of Western European Excel.
    #[serde(rename = "windows-1252", alias = "cp1252")]
    Windows1252,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// By its name: `.gz` and `.zst` are compressed, others are not.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// With gzip.
    Gzip,
    /// With Zstandard.
    Zstd,
}

impl Compression {
    /// A reader of the plain bytes of the file called `name`.
    pub fn open(self, name: &str, raw: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        Ok(match (self, extension) {
            (Compression::Gzip, _) | (Compression::Auto, "gz" | "gzip") => {
                Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(256 * 1024, raw)))
            }
            (Compression::Zstd, _) | (Compression::Auto, "zst" | "zstd") => Box::new(zstd::Decoder::new(raw)?),
            (Compression::None | Compression::Auto, _) => Box::new(raw),
        })
    }
}

/// Whether it is the file's fault that reading failed, and not the disk's. Decompressors report damaged data as these; a disk
/// reports anything else.
pub fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | Other)
}

impl Encoding {
    /// A reader of UTF-8.
    pub fn decode(self, bytes: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        match self {
            Encoding::Utf8 => bytes,
            Encoding::Latin1 => Box::new(Transcoded { bytes, high: &LATIN1, ready: Vec::new(), given: 0 }),
            Encoding::Windows1252 => Box::new(Transcoded { bytes, high: &WINDOWS_1252, ready: Vec::new(), given: 0 }),
        }
    }
}

/// What the bytes 0x80 to 0x9f mean.
type High = [char; 32];

static LATIN1: High = {
    let mut high = ['\0'; 32];
    let mut index = 0;
    while index < 32 {
        high[index as usize] = match char::from_u32(0x80 + index) {
            Some(character) => character,
            None => '\0',
        };
        index += 1;
    }
    high
};

/// The five bytes without a meaning become the replacement character.
static WINDOWS_1252: High = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž', '\u{fffd}', '\u{fffd}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}', 'ž', 'Ÿ',
];

struct Transcoded {
    bytes: Box<dyn Read + Send>,
    high: &'static High,
    ready: Vec<u8>,
    given: usize,
}

impl Read for Transcoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            let mut block = vec![0; 64 * 1024];
            let count = self.bytes.read(&mut block)?;
            self.ready.clear();
            self.given = 0;
            let mut character = [0; 4];
            for &byte in &block[..count] {
                let meant = match byte {
                    0x80..=0x9f => self.high[usize::from(byte - 0x80)],
                    other => char::from(other),
                };
                self.ready.extend_from_slice(meant.encode_utf8(&mut character).as_bytes());
            }
        }
        let count = buffer.len().min(self.ready.len() - self.given);
        buffer[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: Encoding, bytes: &'static [u8]) -> String {
        let mut text = String::new();
        encoding.decode(Box::new(bytes)).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn western_character_sets_become_utf_8() {
        assert_eq!(decode(Encoding::Latin1, b"Z\xfcrich \x80"), "Zürich \u{80}");
        assert_eq!(decode(Encoding::Windows1252, b"10 \x80 \x96 Z\xfcrich"), "10 € – Zürich");
    }

    #[test]
    fn compressed_files_are_known_by_their_names() {
        let plain = b"a,b\n1,2\n";
        let packed = zstd::encode_all(plain.as_slice(), 1).unwrap();
        let mut text = Vec::new();
        Compression::Auto.open("x.csv.zst", io::Cursor::new(packed)).unwrap().read_to_end(&mut text).unwrap();
        assert_eq!(text, plain);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, plain).unwrap();
        let packed = encoder.finish().unwrap();
        let mut text = Vec::new();
        Compression::Auto.open("x.csv.gz", io::Cursor::new(packed)).unwrap().read_to_end(&mut text).unwrap();
        assert_eq!(text, plain);
    }
}
