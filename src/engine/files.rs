//! Digests of the files that steps read, remembered by size, time and inode, so that a big file is read once and not at
//! every `plan`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::artifact::Digest;
use crate::step::understanding::source::pattern_within;

/// How a file looked when its digest was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    bytes: u64,
    modified_seconds: i64,
    modified_nanoseconds: i64,
    inode: u64,
    digest: Digest,
}

/// Digests of files, kept in a small JSON file.
#[derive(Debug, Default)]
pub struct FileDigests {
    kept_in: Option<PathBuf>,
    seen: BTreeMap<PathBuf, Seen>,
    is_changed: bool,
}

/// A file that a step names and that has no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {reason}")]
pub struct NoDigest {
    /// The file or pattern as written.
    pub path: String,
    /// Why.
    pub reason: String,
}

impl FileDigests {
    /// The name of the file in a state folder.
    pub const FILE: &'static str = "file-digests.json";

    /// Digests that are forgotten at the end.
    pub fn in_memory() -> FileDigests {
        FileDigests::default()
    }

    /// The digests kept in `path`; a file that is missing or unreadable means that nothing is remembered.
    pub fn kept_in(path: impl Into<PathBuf>) -> FileDigests {
        let path = path.into();
        let seen = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        FileDigests { kept_in: Some(path), seen, is_changed: false }
    }

    /// The digests of all files that `pattern` means, by path as written: a file, a folder with all it holds, or a glob.
    /// A relative pattern starts from `base`.
    ///
    /// # Errors
    /// When nothing matches or a file cannot be read. A step with such a pattern has no key.
    pub fn of_pattern(&mut self, base: &Path, pattern: &str) -> Result<BTreeMap<String, Digest>, NoDigest> {
        let refused = |reason: String| NoDigest { path: pattern.to_owned(), reason };
        let mut found = Vec::new();
        if base.join(pattern).exists() {
            found.push(base.join(pattern));
        } else {
            for path in glob::glob(&pattern_within(base, pattern)).map_err(|error| refused(error.to_string()))? {
                found.push(path.map_err(|error| refused(error.to_string()))?);
            }
        }
        let mut digests = BTreeMap::new();
        for path in found {
            self.collect(base, &path, &mut digests).map_err(|error| refused(error.to_string()))?;
        }
        if digests.is_empty() { Err(refused("there is no such file".to_owned())) } else { Ok(digests) }
    }

    fn collect(&mut self, base: &Path, path: &Path, digests: &mut BTreeMap<String, Digest>) -> std::io::Result<()> {
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                self.collect(base, &entry?.path(), digests)?;
            }
        } else {
            let shown = path.strip_prefix(base).unwrap_or(path).to_string_lossy().into_owned();
            digests.insert(shown, self.of_file(path)?);
        }
        Ok(())
    }

    fn of_file(&mut self, path: &Path) -> std::io::Result<Digest> {
        let file = fs::File::open(path)?;
        let found = file.metadata()?;
        let path = fs::canonicalize(path)?;
        if let Some(seen) = self.seen.get(&path)
            && (seen.bytes, seen.modified_seconds, seen.modified_nanoseconds, seen.inode)
                == (found.len(), found.mtime(), found.mtime_nsec(), found.ino())
        {
            return Ok(seen.digest);
        }
        let (digest, bytes) = Digest::of_reader(file)?;
        let seen = Seen {
            bytes,
            modified_seconds: found.mtime(),
            modified_nanoseconds: found.mtime_nsec(),
            inode: found.ino(),
            digest,
        };
        self.seen.insert(path, seen);
        self.is_changed = true;
        Ok(digest)
    }

    /// Writes what is remembered, if there is anything new. Failing to only costs the time of the next reading.
    pub fn save(&mut self) {
        let Some(path) = self.kept_in.as_ref().filter(|_| self.is_changed) else { return };
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|file| {
            serde_json::to_writer(&file, &self.seen)?;
            file.persist(path).map_err(|error| error.error)
        });
        match written {
            Ok(_) => self.is_changed = false,
            Err(error) => tracing::debug!(%error, path = %path.display(), "file digests are not kept"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_globs_and_folders_are_digested_by_path_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("with [brackets]");
        fs::create_dir_all(base.join("src")).unwrap();
        for (name, text) in [("a.csv", "1"), ("b.csv", "2"), ("src/x.py", "3")] {
            fs::write(base.join(name), text).unwrap();
        }
        let mut digests = FileDigests::in_memory();
        let mut names = |pattern: &str| -> Vec<String> {
            digests.of_pattern(&base, pattern).map(|found| found.into_keys().collect()).unwrap_or_default()
        };
        assert_eq!(names("a.csv"), ["a.csv"]);
        assert_eq!(names("*.csv"), ["a.csv", "b.csv"]);
        assert_eq!(names("src"), ["src/x.py"]);
        assert!(names("c*.csv").is_empty());
        assert!(digests.of_pattern(&base, "gone.csv").unwrap_err().to_string().contains("no such file"));
    }

    #[test]
    fn a_changed_file_is_read_again_and_an_unchanged_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let memory = folder.path().join("memory.json");
        let digest = |text: Option<&str>| {
            if let Some(text) = text {
                fs::write(folder.path().join("a.csv"), text).unwrap();
            }
            let mut digests = FileDigests::kept_in(&memory);
            let found = digests.of_pattern(folder.path(), "a.csv").unwrap()["a.csv"];
            let was_read = digests.is_changed;
            digests.save();
            (found, was_read)
        };
        assert_eq!(digest(Some("one")), (Digest::of("one"), true));
        assert_eq!(digest(None), (Digest::of("one"), false));
        assert_eq!(digest(Some("longer")), (Digest::of("longer"), true));
    }
}
