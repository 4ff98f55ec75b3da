//! Freeing what nobody needs: blobs, laid-out folders and what was left in staging.
//!
//! Whoever publishes a blob that is already there marks it as new, under a lock that is shared with other publishers. What
//! is freed is looked at again under the same lock, alone, so a result that is being committed never loses its bytes.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::store::failed;
use super::{ArtifactError, ArtifactKind, ArtifactRef, ArtifactStore, Digest};

/// What became of a blob that was to be freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freed {
    /// It is gone; it had this many bytes.
    Bytes(u64),
    /// It was published or used again since.
    Recent,
    /// There was none.
    Missing,
}

/// A blob in the folder of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// The digest of its content.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// When it was last published.
    pub published: SystemTime,
}

impl ArtifactStore {
    /// The blobs that an artifact consists of, the listing of a folder among them.
    pub fn blobs(&self, artifact: &ArtifactRef) -> Result<Vec<Digest>, ArtifactError> {
        let mut blobs = vec![artifact.digest];
        if artifact.kind.is_folder() {
            blobs.extend(self.folder_entries(artifact)?.into_iter().map(|entry| entry.digest));
        }
        Ok(blobs)
    }

    /// Deletes a blob, here and where blobs are kept, unless it was published after `before`.
    ///
    /// # Errors
    /// When the disk or the object store refuses.
    pub fn free(&self, digest: Digest, before: SystemTime) -> Result<Freed, ArtifactError> {
        let lock = self.lock_file()?;
        lock.lock().map_err(failed("lock", self.root()))?;
        let path = self.blob_path(digest);
        let here = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            found => Some(found.map_err(failed("look at", &path))?),
        };
        if let Some(found) = &here
            && found.modified().map_err(failed("look at", &path))? > before
        {
            return Ok(Freed::Recent);
        }
        let kept = match &self.remote {
            Some(remote) => remote.free(digest, before)?,
            None => Freed::Missing,
        };
        if kept == Freed::Recent {
            return Ok(Freed::Recent);
        }
        if let Some(found) = here {
            fs::remove_file(&path).map_err(failed("delete", &path))?;
            return Ok(if self.remote.is_some() { kept } else { Freed::Bytes(found.len()) });
        }
        Ok(kept)
    }

    /// Deletes the laid-out form of a folder artifact, which is made again when it is needed.
    pub fn free_layout(&self, artifact: Digest) -> Result<(), ArtifactError> {
        let folder = self.root().join("folders").join(artifact.to_string());
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("delete", &folder)(error)),
            _ => Ok(()),
        }
    }

    /// All blobs in the folder of the store. Files that are none are left out.
    pub fn blobs_here(&self) -> Result<Vec<Blob>, ArtifactError> {
        let blobs = self.root().join("blobs");
        let mut found = Vec::new();
        for folder in fs::read_dir(&blobs).map_err(failed("list", &blobs))?.flatten() {
            let Ok(files) = fs::read_dir(folder.path()) else { continue };
            for file in files.flatten() {
                let digest = file.file_name().to_str().and_then(|name| name.parse().ok());
                // A blob that vanishes while we look is no blob.
                let seen = file.metadata().and_then(|seen| Ok((seen.len(), seen.modified()?)));
                if let (Some(digest), Ok((bytes, published))) = (digest, seen) {
                    found.push(Blob { digest, bytes, published });
                }
            }
        }
        Ok(found)
    }

    /// Deletes what was left in staging, and set aside as corrupt, before `before`. Tells how many bytes.
    pub fn free_leftovers(&self, before: SystemTime, mode: Mode) -> Result<u64, ArtifactError> {
        let mut bytes = 0;
        for name in ["staging", "corrupt"] {
            let folder = self.root().join(name);
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                if newest(&path).is_none_or(|newest| newest > before) {
                    continue;
                }
                bytes += size(&path);
                if mode == Mode::Apply {
                    let deleted = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                    deleted.map_err(failed("delete", &path))?;
                }
            }
        }
        Ok(bytes)
    }

    /// The file whose lock orders publishing and freeing.
    pub(super) fn lock_file(&self) -> Result<File, ArtifactError> {
        let path = self.root().join("lock");
        File::options().create(true).append(true).open(&path).map_err(failed("open", &path))
    }
}

/// Whether something is done or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only look.
    DryRun,
    /// Do it.
    Apply,
}

/// When anything in it was last changed.
fn newest(path: &Path) -> Option<SystemTime> {
    let own = fs::symlink_metadata(path).ok()?.modified().ok()?;
    let below = fs::read_dir(path).into_iter().flatten().flatten().filter_map(|entry| newest(&entry.path()));
    below.chain([own]).max()
}

fn size(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| size(&entry.path())).sum(),
        Err(_) => fs::symlink_metadata(path).map_or(0, |found| found.len()),
    }
}

/// An artifact of which only this is known; enough to find its blobs.
pub fn known_by(digest: Digest, kind: ArtifactKind, bytes: u64) -> ArtifactRef {
    ArtifactRef { digest, kind, bytes, rows: None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_old_is_freed_and_what_was_published_again_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path()).unwrap();
        let artifact = store.put(ArtifactKind::File, b"12345").unwrap();
        let path = store.path(&artifact).unwrap();
        let long_ago = SystemTime::now() - Duration::from_hours(100);
        File::open(&path).unwrap().set_modified(long_ago).unwrap();
        let before = SystemTime::now() - Duration::from_hours(1);
        store.put(ArtifactKind::File, b"12345").unwrap();
        assert_eq!(store.free(artifact.digest, before).unwrap(), Freed::Recent);
        File::open(&path).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(store.free(artifact.digest, before).unwrap(), Freed::Bytes(5));
        assert_eq!(store.free(artifact.digest, before).unwrap(), Freed::Missing);
        assert!(matches!(store.path(&artifact), Err(ArtifactError::Missing { .. })));
    }

    #[test]
    fn staging_is_cleared_of_what_nobody_writes_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path()).unwrap();
        let staged = store.stage(ArtifactKind::File).unwrap();
        fs::write(staged.path(), b"123").unwrap();
        assert_eq!(store.free_leftovers(SystemTime::now() - Duration::from_hours(1), Mode::Apply).unwrap(), 0);
        let later = SystemTime::now() + Duration::from_hours(1);
        assert_eq!(store.free_leftovers(later, Mode::DryRun).unwrap(), 3);
        assert!(staged.path().exists());
        assert_eq!(store.free_leftovers(later, Mode::Apply).unwrap(), 3);
        assert!(!staged.path().exists());
    }

    #[test]
    fn a_folder_consists_of_its_listing_and_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path()).unwrap();
        let staged = store.stage(ArtifactKind::Model).unwrap();
        fs::write(staged.path().join("weights"), b"123").unwrap();
        let model = store.commit(staged, None).unwrap();
        assert_eq!(store.blobs(&model).unwrap(), [model.digest, Digest::of("123")]);
        let layout = store.path(&model).unwrap();
        store.free_layout(model.digest).unwrap();
        assert!(!layout.exists());
        assert!(store.path(&model).is_ok(), "it is laid out again");
    }
}
