//! Looking whether an artifact is whole, without touching it: nothing is set aside, laid out or copied to stay.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::store::{FolderEntry, failed};
use super::{ArtifactError, ArtifactKind, ArtifactRef, ArtifactStore, Digest, Staged};

/// How closely is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closeness {
    /// Whether everything is there in its size.
    Presence,
    /// Every byte, by its digest.
    Content,
}

/// How an artifact is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// As it was stored, as far as was looked.
    Whole,
    /// Something of it is not there.
    Missing,
    /// Something of it is not as it was stored.
    Damaged(String),
}

/// A blob on this machine, for as long as this lives.
struct Copy {
    path: PathBuf,
    _staged: Option<Staged>,
}

impl ArtifactStore {
    /// Looks how an artifact is.
    ///
    /// # Errors
    /// When the disk or the object store does not answer.
    pub fn examine(&self, artifact: &ArtifactRef, closeness: Closeness) -> Result<Condition, ArtifactError> {
        if !artifact.kind.is_folder() {
            return self.examine_blob(artifact.digest, artifact.bytes, closeness);
        }
        let Some(copy) = self.copy_of(artifact.digest)? else { return Ok(Condition::Missing) };
        let listing = fs::read(&copy.path).map_err(failed("read", &copy.path))?;
        let entries: Vec<FolderEntry> = match serde_json::from_slice(&listing) {
            Ok(entries) if Digest::of(&listing) == artifact.digest => entries,
            _ => return Ok(Condition::Damaged("its listing has changed".to_owned())),
        };
        for entry in entries {
            let condition = self.examine_blob(entry.digest, entry.bytes, closeness)?;
            if condition != Condition::Whole {
                return Ok(condition);
            }
        }
        Ok(Condition::Whole)
    }

    /// How many files lie where damaged ones are put.
    pub fn set_aside_count(&self) -> usize {
        fs::read_dir(self.root().join("corrupt")).map_or(0, Iterator::count)
    }

    fn examine_blob(&self, digest: Digest, bytes: u64, closeness: Closeness) -> Result<Condition, ArtifactError> {
        let path = self.blob_path(digest);
        let here = match fs::metadata(&path) {
            Ok(found) => Some(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("look at", &path)(error)),
        };
        let found = match (here, &self.remote) {
            (Some(found), _) => Some(found),
            (None, Some(remote)) => remote.size(digest)?,
            (None, None) => None,
        };
        match found {
            None => return Ok(Condition::Missing),
            Some(found) if found != bytes => {
                return Ok(Condition::Damaged(format!("it has {found} bytes where {bytes} were stored")));
            }
            Some(_) if closeness == Closeness::Presence => return Ok(Condition::Whole),
            Some(_) => {}
        }
        let Some(copy) = self.copy_of(digest)? else { return Ok(Condition::Missing) };
        let file = File::open(&copy.path).map_err(failed("open", &copy.path))?;
        let (found, _) = Digest::of_reader(file).map_err(failed("read", &copy.path))?;
        Ok(if found == digest {
            Condition::Whole
        } else {
            Condition::Damaged(format!("its content has digest {}", found.short()))
        })
    }

    /// The blob as a file: the one that is here, or one that is fetched for now.
    fn copy_of(&self, digest: Digest) -> Result<Option<Copy>, ArtifactError> {
        let path = self.blob_path(digest);
        if path.exists() {
            return Ok(Some(Copy { path, _staged: None }));
        }
        let Some(remote) = &self.remote else { return Ok(None) };
        let staged = self.stage(ArtifactKind::File)?;
        let path = staged.path().to_owned();
        Ok(remote.fetch(digest, &path)?.then_some(Copy { path, _staged: Some(staged) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overwrite(path: &std::path::Path, content: &[u8]) {
        fs::remove_file(path).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn damage_is_told_and_left_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path()).unwrap();
        let artifact = store.put(ArtifactKind::File, b"12345").unwrap();
        let look = |closeness| store.examine(&artifact, closeness).unwrap();
        assert_eq!(look(Closeness::Content), Condition::Whole);
        let path = store.path(&artifact).unwrap();
        overwrite(&path, b"12346");
        assert_eq!(look(Closeness::Presence), Condition::Whole);
        assert!(matches!(look(Closeness::Content), Condition::Damaged(_)));
        overwrite(&path, b"123");
        let told = Condition::Damaged("it has 3 bytes where 5 were stored".to_owned());
        assert_eq!(look(Closeness::Presence), told);
        assert_eq!((fs::read(&path).unwrap().as_slice(), store.set_aside_count()), (b"123".as_slice(), 0));
        fs::remove_file(&path).unwrap();
        assert_eq!(look(Closeness::Presence), Condition::Missing);
    }

    #[test]
    fn a_folder_is_whole_when_each_of_its_files_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path()).unwrap();
        let staged = store.stage(ArtifactKind::Model).unwrap();
        fs::write(staged.path().join("weights"), b"123").unwrap();
        let model = store.commit(staged, None).unwrap();
        assert_eq!(store.examine(&model, Closeness::Content).unwrap(), Condition::Whole);
        fs::remove_file(store.blob_path(Digest::of("123"))).unwrap();
        assert_eq!(store.examine(&model, Closeness::Presence).unwrap(), Condition::Missing);
    }
}
