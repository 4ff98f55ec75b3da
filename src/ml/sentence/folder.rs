//! The folder of a sentence model: its files as they are read, and copies of them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::de::DeserializeOwned;

use crate::artifact::{Digest, DigestWriter};

/// A sentence model that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SentenceError {
    /// The disk refused.
    #[error("cannot read `{path}`", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file does not say what it should.
    #[error("`{path}`: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model has parts or settings that this program does not know.
    #[error("`{path}`: {reason}", path = path.display())]
    Unknown {
        /// The file that names the part.
        path: PathBuf,
        /// The part, and what there is instead.
        reason: String,
    },
    /// What is asked of the model is not what it can do.
    #[error("{0}")]
    Options(String),
    /// The model takes more memory than there is.
    #[error("the model takes about {needed} bytes of memory, and the step may use {limit}{}", beside(*taken))]
    Memory {
        /// What it takes, in bytes.
        needed: u64,
        /// What there is, in bytes.
        limit: u64,
        /// What models that are open already take of that, in bytes.
        taken: u64,
    },
    /// A text cannot be encoded.
    #[error("{0}")]
    Text(String),
    /// The forward pass failed.
    #[error("the sentence model failed")]
    Forward(#[from] candle_core::Error),
}

fn beside(taken: u64) -> String {
    if taken == 0 { String::new() } else { format!(", of which other models take {taken}") }
}

/// The files of a model that were read, in the order of reading.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    read: Vec<(String, Digest)>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Folder {
        Folder { path: path.to_owned(), read: Vec::new() }
    }

    pub(super) fn bytes(&mut self, name: &str) -> Result<Vec<u8>, SentenceError> {
        let path = self.path.join(name);
        let bytes = fs::read(&path).map_err(|source| SentenceError::Io { path, source })?;
        self.read.push((name.to_owned(), Digest::of(&bytes)));
        Ok(bytes)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    /// How long a file is; nothing if it cannot be said.
    pub(super) fn length(&self, name: &str) -> u64 {
        fs::metadata(self.path.join(name)).map_or(0, |found| found.len())
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, SentenceError> {
        let bytes = self.bytes(name)?;
        serde_json::from_slice(&bytes).map_err(|error| self.wrong(name, error.to_string()))
    }

    pub(super) fn json_if_there<T: DeserializeOwned + Default>(&mut self, name: &str) -> Result<T, SentenceError> {
        if self.has(name) { self.json(name) } else { Ok(T::default()) }
    }

    pub(super) fn wrong(&self, name: &str, reason: impl Into<String>) -> SentenceError {
        SentenceError::Format { path: self.path.join(name), reason: reason.into() }
    }

    pub(super) fn unknown(&self, name: &str, reason: impl Into<String>) -> SentenceError {
        SentenceError::Unknown { path: self.path.join(name), reason: reason.into() }
    }

    /// The digest of all files that were read.
    pub(super) fn digest(&self) -> Digest {
        let mut writer = DigestWriter::new("phaseline sentence model");
        for (name, digest) in &self.read {
            writer.bytes(name).bytes(digest.to_string());
        }
        writer.finish()
    }

    /// Copies the files that were read into `target`, which must not be there.
    ///
    /// # Errors
    /// When a file has changed since.
    pub(super) fn copy(&self, target: &Path) -> io::Result<()> {
        for (name, digest) in &self.read {
            let (from, to) = (self.path.join(name), target.join(name));
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::copy(&from, &to)?;
            if Digest::of_reader(fs::File::open(&to)?)?.0 != *digest {
                return Err(io::Error::other(format!("`{}` has changed while the step ran", from.display())));
            }
        }
        Ok(())
    }
}
