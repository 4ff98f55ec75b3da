//! Digests of the files that steps read, remembered by size, inode and time of the last change, so that a big file is read
//! once and not at every `plan`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::artifact::Digest;
use crate::step::understanding::source::pattern_within;

/// Two writes within this time may leave the same time on a file: on some file systems it is told in steps of two seconds.
const UNSETTLED: Duration = Duration::from_secs(2);

/// What a file looks like before its digest is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    inode: u64,
    /// The time of the last change in seconds and nanoseconds (`ctime`): unlike that of the last write, no program can set
    /// it back, as `cp -p` and `rsync` do.
    changed: (i64, i64),
}

impl Stamp {
    fn of(facts: &fs::Metadata) -> Stamp {
        Stamp { bytes: facts.len(), inode: facts.ino(), changed: (facts.ctime(), facts.ctime_nsec()) }
    }

    /// Whether the next write will change it for sure.
    fn is_settled(&self, after: Duration) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let [seconds, nanoseconds] = [seconds, nanoseconds].map(|part| u64::try_from(part).unwrap_or(0));
        let changed = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > after)
    }
}

/// How a file looked when its digest was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    stamp: Stamp,
    digest: Digest,
}

/// Digests of files, kept in a small JSON file.
#[derive(Debug)]
pub struct FileDigests {
    kept_in: Option<PathBuf>,
    seen: BTreeMap<PathBuf, Seen>,
    is_changed: bool,
    /// How old a change must be before its file is remembered.
    settled_after: Duration,
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
        FileDigests { kept_in: None, seen: BTreeMap::new(), is_changed: false, settled_after: UNSETTLED }
    }

    /// The digests kept in `path`; a file that is missing or unreadable means that nothing is remembered.
    pub fn kept_in(path: impl Into<PathBuf>) -> FileDigests {
        let path = path.into();
        let seen = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        FileDigests { kept_in: Some(path), seen, ..FileDigests::in_memory() }
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
        let stamp = Stamp::of(&file.metadata()?);
        let path = fs::canonicalize(path)?;
        if let Some(seen) = self.seen.get(&path).filter(|seen| seen.stamp == stamp) {
            return Ok(seen.digest);
        }
        // Before the bytes are read, so that a write meanwhile shows.
        let is_settled = stamp.is_settled(self.settled_after);
        let (digest, _) = Digest::of_reader(file)?;
        if is_settled {
            self.seen.insert(path, Seen { stamp, digest });
            self.is_changed = true;
        }
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
        let (memory, data) = (folder.path().join("memory.json"), folder.path().join("a.csv"));
        let digest = || {
            let mut digests = FileDigests { settled_after: Duration::ZERO, ..FileDigests::kept_in(&memory) };
            let found = digests.of_pattern(folder.path(), "a.csv").unwrap()["a.csv"];
            let was_read = digests.is_changed;
            digests.save();
            (found, was_read)
        };
        fs::write(&data, "one").unwrap();
        assert_eq!(digest(), (Digest::of("one"), true));
        assert_eq!(digest(), (Digest::of("one"), false));
        fs::write(&data, "longer").unwrap();
        assert_eq!(digest(), (Digest::of("longer"), true));

        // As long as before, and with the time of the last write as before.
        let before = fs::metadata(&data).unwrap();
        while Stamp::of(&fs::metadata(&data).unwrap()) == Stamp::of(&before) {
            fs::write(&data, "as old").unwrap();
            fs::File::options().write(true).open(&data).unwrap().set_modified(before.modified().unwrap()).unwrap();
        }
        assert_eq!(digest(), (Digest::of("as old"), true));
    }

    #[test]
    fn a_file_that_was_written_just_now_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut digests = FileDigests::in_memory();
        for text in ["one", "two", "six"] {
            fs::write(folder.path().join("a.csv"), text).unwrap();
            assert_eq!(digests.of_pattern(folder.path(), "a.csv").unwrap()["a.csv"], Digest::of(text));
        }
    }
}
