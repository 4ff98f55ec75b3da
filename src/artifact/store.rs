//! The content-addressed store on a local folder, or on one that stands in front of an object store.
//!
//! Layout below the root: `blobs/ab/<digest>` holds one file each, read-only; a folder artifact is a blob that lists
//! its files, laid out under `folders/<digest>/` as hard links to their blobs; `staging/` holds what is being
//! written, `corrupt/` what failed verification.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::remote::{self, Remote};
use super::{ArtifactError, ArtifactKind, ArtifactRef, Digest};
use crate::fault;

/// Immutable artifacts on a local folder or in an object store. Cheap to clone; safe to use from several processes at once.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    root: PathBuf,
    /// Where blobs are kept, if `root` is only the folder in front.
    pub(super) remote: Option<Remote>,
}

/// A file or folder that is being written and does not exist for anybody else until it is committed.
/// Dropped without a commit, it is deleted.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    kind: ArtifactKind,
    _holder: tempfile::TempDir,
}

impl Staged {
    /// Where to write: a file to create, or for folder kinds an empty folder to fill.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FolderEntry {
    path: String,
    pub(super) digest: Digest,
    pub(super) bytes: u64,
}

pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |source| ArtifactError::Io { doing, path, source }
}

impl ArtifactStore {
    /// The store in folder `root`, which is created if it does not exist, or in the object store whose URL it is.
    ///
    /// `s3://`, `gs://` and `az://` take their credentials from the environment; `file://` is the folder it names.
    pub fn open(root: impl Into<PathBuf>) -> Result<ArtifactStore, ArtifactError> {
        let root = root.into();
        match root.to_str() {
            Some(url) if url.starts_with("file:///") => Self::in_folder(PathBuf::from(&url["file://".len()..]), None),
            Some(url) if remote::is_url(url) => {
                let remote = Remote::open(url)?;
                let folder = remote.cache_folder();
                Self::in_folder(folder, Some(remote))
            }
            _ => Self::in_folder(root, None),
        }
    }

    #[cfg(test)]
    pub(super) fn in_front_of(remote: Remote, folder: &Path) -> Result<ArtifactStore, ArtifactError> {
        Self::in_folder(folder.to_owned(), Some(remote))
    }

    #[cfg(test)]
    pub(super) fn remote_for_tests(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    fn in_folder(root: PathBuf, remote: Option<Remote>) -> Result<ArtifactStore, ArtifactError> {
        for folder in ["blobs", "folders", "staging"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(failed("create", &path))?;
        }
        Ok(ArtifactStore { root, remote })
    }

    /// The folder that holds the store, or stands in front of it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A place to write an artifact of `kind`.
    pub fn stage(&self, kind: ArtifactKind) -> Result<Staged, ArtifactError> {
        let staging = self.root.join("staging");
        let holder = tempfile::tempdir_in(&staging).map_err(failed("create a folder in", &staging))?;
        let path = holder.path().join("content");
        if kind.is_folder() {
            fs::create_dir(&path).map_err(failed("create", &path))?;
        }
        Ok(Staged { path, kind, _holder: holder })
    }

    /// Hashes, syncs and publishes what was staged. `rows` is recorded for tables.
    ///
    /// # Errors
    /// When the disk refuses; nothing is published then.
    #[expect(clippy::needless_pass_by_value, reason = "what is committed is no longer there to be written")]
    pub fn commit(&self, staged: Staged, rows: Option<u64>) -> Result<ArtifactRef, ArtifactError> {
        let (digest, bytes) =
            if staged.kind.is_folder() { self.commit_folder(&staged.path)? } else { self.publish(&staged.path)? };
        Ok(ArtifactRef { digest, kind: staged.kind, bytes, rows })
    }

    /// Stores `content` as an artifact of a single-file `kind`.
    pub fn put(&self, kind: ArtifactKind, content: &[u8]) -> Result<ArtifactRef, ArtifactError> {
        let staged = self.stage(kind)?;
        fs::write(&staged.path, content).map_err(failed("write", &staged.path))?;
        self.commit(staged, None)
    }

    /// The local path of an artifact's file or folder, after a cheap look that it is whole (existence and size).
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] or [`ArtifactError::Corrupt`] when the bytes are not as recorded.
    pub fn path(&self, artifact: &ArtifactRef) -> Result<PathBuf, ArtifactError> {
        if !artifact.kind.is_folder() {
            let path = self.blob_path(artifact.digest);
            self.bring(artifact, artifact.digest)?;
            self.check_size(artifact, &path, artifact.bytes)?;
            return Ok(path);
        }
        let folder = self.root.join("folders").join(artifact.digest.to_string());
        let entries = self.folder_entries(artifact)?;
        for entry in &entries {
            self.bring(artifact, entry.digest)?;
            self.check_size(artifact, &self.blob_path(entry.digest), entry.bytes)?;
        }
        if !folder.exists() {
            self.lay_out(&entries, &folder)?;
        }
        Ok(folder)
    }

    /// The local path of an artifact after reading all of it and comparing its digest. A corrupt file is set aside,
    /// so that the next run makes it again.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] or [`ArtifactError::Corrupt`] when the bytes are not those that were stored.
    pub fn verified_path(&self, artifact: &ArtifactRef) -> Result<PathBuf, ArtifactError> {
        let path = self.path(artifact)?;
        self.check_digest(artifact, artifact.digest)?;
        if artifact.kind.is_folder() {
            for entry in self.folder_entries(artifact)? {
                self.check_digest(artifact, entry.digest)?;
            }
        }
        Ok(path)
    }

    /// The names of the files of a folder artifact with their sizes, or the one file of any other.
    pub fn files(&self, artifact: &ArtifactRef) -> Result<Vec<(String, u64)>, ArtifactError> {
        if artifact.kind.is_folder() {
            Ok(self.folder_entries(artifact)?.into_iter().map(|entry| (entry.path, entry.bytes)).collect())
        } else {
            Ok(vec![("content".to_owned(), artifact.bytes)])
        }
    }

    pub(super) fn blob_path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("blobs").join(&name[..2]).join(name)
    }

    /// Moves the file at `path` to its place by content, and sends it where blobs are kept.
    fn publish(&self, path: &Path) -> Result<(Digest, u64), ArtifactError> {
        let (digest, bytes) = self.publish_here(path)?;
        if let Some(remote) = &self.remote {
            remote.send(digest, bytes, &self.blob_path(digest))?;
        }
        Ok((digest, bytes))
    }

    /// Copies a blob from where blobs are kept, if it is not here.
    fn bring(&self, artifact: &ArtifactRef, digest: Digest) -> Result<(), ArtifactError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        if self.blob_path(digest).exists() {
            return Ok(());
        }
        let staged = self.stage(ArtifactKind::File)?;
        if !remote.fetch(digest, &staged.path)? {
            return Err(ArtifactError::Missing { artifact: artifact.clone() });
        }
        let file = File::open(&staged.path).map_err(failed("open", &staged.path))?;
        let (found, _) = Digest::of_reader(file).map_err(failed("read", &staged.path))?;
        if found != digest {
            let found = format!("the object store gives content with digest {}", found.short());
            return Err(ArtifactError::Corrupt { artifact: artifact.clone(), found });
        }
        self.publish_here(&staged.path).map(drop)
    }

    /// Moves the file at `path` to its place by content; an equal blob that is already there wins.
    fn publish_here(&self, path: &Path) -> Result<(Digest, u64), ArtifactError> {
        let file = File::open(path).map_err(failed("open", path))?;
        let (digest, bytes) = Digest::of_reader(&file).map_err(failed("read", path))?;
        let target = self.blob_path(digest);
        // Until the lock is dropped nothing is freed, and afterwards the blob is too young for that.
        let lock = self.lock_file()?;
        lock.lock_shared().map_err(failed("lock", &self.root))?;
        if fs::metadata(&target).is_ok_and(|found| found.len() == bytes) && mark_as_new(&target).is_ok() {
            return Ok((digest, bytes));
        }
        file.sync_all().map_err(failed("sync", path))?;
        let mut permissions = file.metadata().map_err(failed("read", path))?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions).map_err(failed("protect", path))?;
        let folder = target.parent().expect("a blob lies in a folder");
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        if target.is_dir() {
            // Nothing of ours: whoever damaged the store may look at it there.
            let aside = tempfile::Builder::new().prefix("damaged-").tempdir_in(self.root.join("staging"));
            let aside = aside.map_err(failed("move aside", &target))?.keep();
            fs::rename(&target, aside.join(digest.to_string())).map_err(failed("move aside", &target))?;
        }
        fault::point("artifact.before_rename").map_err(failed("publish", &target))?;
        fs::rename(path, &target).map_err(failed("publish", &target))?;
        fault::point("artifact.after_rename").map_err(failed("publish", &target))?;
        // The new name is durable only once its folder is.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))?;
        Ok((digest, bytes))
    }

    fn commit_folder(&self, folder: &Path) -> Result<(Digest, u64), ArtifactError> {
        let mut names = Vec::new();
        list_files(folder, "", &mut names)?;
        names.sort();
        let mut entries = Vec::new();
        for name in names {
            let (digest, bytes) = self.publish(&folder.join(&name))?;
            entries.push(FolderEntry { path: name, digest, bytes });
        }
        let total = entries.iter().map(|entry| entry.bytes).sum();
        let listing = serde_json::to_vec(&entries).expect("a listing is plain data");
        let staged = self.put(ArtifactKind::File, &listing)?;
        Ok((staged.digest, total))
    }

    pub(super) fn folder_entries(&self, artifact: &ArtifactRef) -> Result<Vec<FolderEntry>, ArtifactError> {
        let path = self.blob_path(artifact.digest);
        self.bring(artifact, artifact.digest)?;
        let listing = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ArtifactError::Missing { artifact: artifact.clone() });
            }
            other => other.map_err(failed("read", &path))?,
        };
        let is_whole = Digest::of(&listing) == artifact.digest;
        match serde_json::from_slice(&listing) {
            Ok(entries) if is_whole => Ok(entries),
            _ => Err(self.set_aside(artifact, &path, "its listing is damaged".to_owned())),
        }
    }

    fn lay_out(&self, entries: &[FolderEntry], folder: &Path) -> Result<(), ArtifactError> {
        let staging = self.root.join("staging");
        let holder = tempfile::tempdir_in(&staging).map_err(failed("create a folder in", &staging))?;
        let building = holder.path().join("folder");
        fs::create_dir(&building).map_err(failed("create", &building))?;
        for entry in entries {
            let link = building.join(&entry.path);
            let parent = link.parent().expect("a file lies in a folder");
            fs::create_dir_all(parent).map_err(failed("create", parent))?;
            fs::hard_link(self.blob_path(entry.digest), &link).map_err(failed("link", &link))?;
        }
        match fs::rename(&building, folder) {
            // Another process laid it out first; both are the same.
            Err(_) if folder.exists() => Ok(()),
            other => other.map_err(failed("publish", folder)),
        }
    }

    fn check_size(&self, artifact: &ArtifactRef, path: &Path, bytes: u64) -> Result<(), ArtifactError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ArtifactError::Missing { artifact: artifact.clone() })
            }
            Err(source) => Err(failed("read", path)(source)),
            Ok(found) if found.len() == bytes => Ok(()),
            Ok(found) => {
                let found = format!("{} bytes where {bytes} were stored", found.len());
                Err(self.set_aside(artifact, path, found))
            }
        }
    }

    fn check_digest(&self, artifact: &ArtifactRef, digest: Digest) -> Result<(), ArtifactError> {
        let path = self.blob_path(digest);
        let file = File::open(&path).map_err(failed("open", &path))?;
        let (found, _) = Digest::of_reader(file).map_err(failed("read", &path))?;
        if found == digest {
            return Ok(());
        }
        Err(self.set_aside(artifact, &path, format!("its content now has digest {}", found.short())))
    }

    /// Moves a damaged blob out of the way and forgets the folder that links to it.
    fn set_aside(&self, artifact: &ArtifactRef, path: &Path, found: String) -> ArtifactError {
        let corrupt = self.root.join("corrupt");
        let name = path.file_name().expect("a blob has a name");
        let moved = fs::create_dir_all(&corrupt).and_then(|()| fs::rename(path, corrupt.join(name)));
        drop(fs::remove_dir_all(self.root.join("folders").join(artifact.digest.to_string())));
        match moved {
            Ok(()) => ArtifactError::Corrupt { artifact: artifact.clone(), found },
            Err(source) => failed("set aside", path)(source),
        }
    }
}

fn mark_as_new(blob: &Path) -> io::Result<()> {
    File::open(blob)?.set_modified(SystemTime::now())
}

/// Collects the relative names of all files below `folder`, with `/` between parts.
fn list_files(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), ArtifactError> {
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed("read", folder))?.is_dir() {
            list_files(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, ArtifactStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path()).unwrap();
        (folder, store)
    }

    fn overwrite(path: &Path, content: &[u8]) {
        fs::remove_file(path).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn equal_content_is_stored_once() {
        let (_folder, store) = store();
        let one = store.put(ArtifactKind::Report, b"{}").unwrap();
        let other = store.put(ArtifactKind::Report, b"{}").unwrap();
        assert_eq!(one, other);
        assert_eq!(fs::read(store.verified_path(&one).unwrap()).unwrap(), b"{}");
    }

    #[test]
    fn a_folder_comes_back_whole() {
        let (_folder, store) = store();
        let staged = store.stage(ArtifactKind::Model).unwrap();
        fs::create_dir(staged.path().join("part")).unwrap();
        fs::write(staged.path().join("part/weights"), b"123").unwrap();
        fs::write(staged.path().join("model.json"), b"{}").unwrap();
        let model = store.commit(staged, None).unwrap();
        assert_eq!(model.bytes, 5);
        let path = store.verified_path(&model).unwrap();
        assert_eq!(fs::read(path.join("part/weights")).unwrap(), b"123");
    }

    #[test]
    fn a_truncated_artifact_is_refused_and_set_aside() {
        let (_folder, store) = store();
        let artifact = store.put(ArtifactKind::File, b"12345").unwrap();
        overwrite(&store.path(&artifact).unwrap(), b"123");
        assert!(matches!(store.path(&artifact), Err(ArtifactError::Corrupt { .. })));
        assert!(matches!(store.path(&artifact), Err(ArtifactError::Missing { .. })));
        let again = store.put(ArtifactKind::File, b"12345").unwrap();
        assert!(store.verified_path(&again).is_ok());
    }

    #[test]
    fn a_changed_artifact_of_equal_size_is_found_by_its_digest() {
        let (_folder, store) = store();
        let artifact = store.put(ArtifactKind::File, b"12345").unwrap();
        overwrite(&store.path(&artifact).unwrap(), b"12346");
        assert!(matches!(store.verified_path(&artifact), Err(ArtifactError::Corrupt { .. })));
    }

    #[test]
    fn what_is_staged_but_not_committed_leaves_nothing() {
        let (folder, store) = store();
        drop(store.stage(ArtifactKind::Model).unwrap());
        assert_eq!(fs::read_dir(folder.path().join("staging")).unwrap().count(), 0);
    }
}
