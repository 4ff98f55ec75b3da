//! The files of one attempt.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::id::{AttemptId, RunId, StepName};

/// The largest document that is read: one that a step of many outputs and metrics leaves is a hundredth of this.
const LARGEST_DOCUMENT: u64 = 64 << 20;

/// The folder of one attempt below the state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFolder(PathBuf);

impl AttemptFolder {
    /// The folder of `attempt`, which may not exist yet.
    pub fn new(state: &Path, run: RunId, attempt: AttemptId) -> AttemptFolder {
        AttemptFolder(Self::run_folder(state, run).join("attempts").join(attempt.to_string()))
    }

    /// The folder at `path`, as a worker gets it on its command line.
    pub fn at(path: impl Into<PathBuf>) -> AttemptFolder {
        AttemptFolder(path.into())
    }

    /// The folder of everything that belongs to `run`.
    pub fn run_folder(state: &Path, run: RunId) -> PathBuf {
        state.join("runs").join(run.to_string())
    }

    /// The folder for checkpoints of `step`, which its later attempts find again.
    pub fn checkpoint(state: &Path, run: RunId, step: &StepName) -> PathBuf {
        Self::run_folder(state, run).join("checkpoints").join(step.as_str())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The work order.
    pub fn order(&self) -> PathBuf {
        self.0.join("order.json")
    }

    /// Who runs the attempt; created once.
    pub fn claim(&self) -> PathBuf {
        self.0.join("claim.json")
    }

    /// Touched every few seconds while the attempt runs.
    pub fn beat(&self) -> PathBuf {
        self.0.join("beat")
    }

    /// How the attempt ended; created once.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.json")
    }

    /// What limits are in force; created once.
    pub fn limits(&self) -> PathBuf {
        self.0.join("limits.json")
    }

    /// What the step and its programs wrote.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Temporary files of the step.
    pub fn scratch(&self) -> PathBuf {
        self.0.join("scratch")
    }

    /// Where a command writes progress and metrics as JSON lines.
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }
}

/// Creates the file at `path` with `document` as JSON, whole or not at all; fails if it exists.
pub(super) fn create_once(path: &Path, document: &impl Serialize) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file without a folder"))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(document)?)?;
    // A link fails if the name is taken, which a rename would silently replace.
    fs::hard_link(file.path(), path)
}

/// The JSON document at `path`, or none if there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_DOCUMENT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_DOCUMENT {
        return Err(io::Error::other(format!("it has more than {LARGEST_DOCUMENT} bytes")));
    }
    Ok(Some(serde_json::from_slice(&bytes)?))
}
