//! BLAKE3 digests: the identity of content.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The BLAKE3 digest of some bytes, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Digest {
        Digest(*blake3::hash(bytes.as_ref()).as_bytes())
    }

    /// The digest and length of everything that `reader` gives.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Digest, u64)> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut length = 0;
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Ok((Digest(*hasher.finalize().as_bytes()), length));
            }
            hasher.update(&buffer[..count]);
            length += count as u64;
        }
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: expected 64 hexadecimal digits")]
pub struct InvalidDigest(String);

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        blake3::Hash::from_hex(text).map(|hash| Digest(*hash.as_bytes())).map_err(|_| InvalidDigest(text.to_owned()))
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({})", self.short())
    }
}

/// Hashes a canonical, length-prefixed encoding of named fields, so that no two different lists of fields
/// hash alike by running into each other.
#[derive(Default)]
pub struct DigestWriter(blake3::Hasher);

impl DigestWriter {
    /// A writer whose digests differ from those of every other `domain`.
    pub fn new(domain: &str) -> DigestWriter {
        let mut writer = DigestWriter::default();
        writer.bytes(domain);
        writer
    }

    /// Adds one length-prefixed text or byte string.
    pub fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Adds a JSON value in canonical form: objects by sorted key, so that key order never matters.
    pub fn json(&mut self, value: &serde_json::Value) -> &mut Self {
        use serde_json::Value;
        match value {
            Value::Null => self.bytes("n"),
            Value::Bool(value) => self.bytes(if *value { "t" } else { "f" }),
            Value::Number(value) => self.bytes("d").bytes(value.to_string()),
            Value::String(value) => self.bytes("s").bytes(value),
            Value::Array(items) => {
                self.bytes("a").number(items.len() as u64);
                items.iter().fold(self, |writer, item| writer.json(item))
            }
            Value::Object(fields) => {
                self.bytes("o").number(fields.len() as u64);
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(key, _)| key.as_str());
                fields.into_iter().fold(self, |writer, (key, value)| writer.bytes(key).json(value))
            }
        }
    }

    /// The digest of everything added so far.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

impl Write for DigestWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.update(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_reads_back_as_shown() {
        let digest = Digest::of("churn");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("abc".parse::<Digest>().is_err());
    }

    #[test]
    fn the_order_of_keys_does_not_change_a_digest() {
        let left = DigestWriter::new("x").json(&json!({"a": 1, "b": [2, 3]})).finish();
        let right = DigestWriter::new("x").json(&json!({"b": [2, 3], "a": 1})).finish();
        assert_eq!(left, right);
        assert_ne!(left, DigestWriter::new("x").json(&json!({"a": 1, "b": [3, 2]})).finish());
    }

    proptest! {
        #[test]
        fn fields_never_run_into_each_other(left in "[ab]{0,4}", right in "[ab]{0,4}", cut in 0usize..4) {
            let whole = format!("{left}{right}");
            let cut = cut.min(whole.len());
            let one = DigestWriter::new("x").bytes(&left).bytes(&right).finish();
            let other = DigestWriter::new("x").bytes(&whole[..cut]).bytes(&whole[cut..]).finish();
            prop_assert_eq!(one == other, cut == left.len());
        }
    }
}
