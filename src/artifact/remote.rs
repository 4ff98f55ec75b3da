//! Blobs in an object store: the same layout behind a URL, with a local folder in front that every file passes through.
//!
//! Blobs are named by their content, so a copy that is here is right, one that is there need not be sent again, and
//! two writers of one blob write the same.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, WriteMultipart};
use url::Url;

use super::{ArtifactError, Digest, Freed};

/// After this time a blob is sent again when it is made again. Nothing younger than twice as much is freed.
const SENT_AGAIN_AFTER: Duration = Duration::from_hours(12);

/// Blobs up to this size are sent in one request, which creates them or leaves them; larger ones in parts.
const ONE_REQUEST_BYTES: u64 = 16 * 1024 * 1024;
/// The size of a part.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts on their way at once, which with their size bounds the memory of an upload.
const PARTS_AT_ONCE: usize = 4;

/// An object store that holds blobs.
#[derive(Clone)]
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    location: String,
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Remote({})", self.location)
    }
}

/// Whether `location` is the URL of an object store and not a folder.
pub(super) fn is_url(location: &str) -> bool {
    location
        .split_once("://")
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

impl Remote {
    /// The store at `location`, with credentials from the environment.
    pub(super) fn open(location: &str) -> Result<Remote, ArtifactError> {
        let shown = redacted(location);
        let refused = |reason: String| ArtifactError::Location { location: shown.clone(), reason };
        let url = Url::parse(location).map_err(|error| refused(error.to_string()))?;
        if matches!(url.scheme(), "http" | "https") {
            return Err(refused("a web server is no object store; use s3, gs, az or a folder".to_owned()));
        }
        let (store, prefix) =
            object_store::parse_url_opts(&url, std::env::vars()).map_err(|error| refused(error.to_string()))?;
        Ok(Remote { store: store.into(), prefix, location: shown })
    }

    /// The folder on this machine that stands in front of the store: `PHASELINE_ARTIFACT_CACHE`, or one in the user's
    /// cache folder.
    pub(super) fn cache_folder(&self) -> PathBuf {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = variable("PHASELINE_ARTIFACT_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("phaseline/artifacts")))
            .or_else(|| variable("HOME").map(|folder| folder.join(".cache/phaseline/artifacts")))
            .unwrap_or_else(|| std::env::temp_dir().join("phaseline-artifacts"));
        base.join(Digest::of(&self.location).to_string())
    }

    /// Deletes a blob unless it was sent after `before`.
    pub(super) fn free(&self, digest: Digest, before: SystemTime) -> Result<Freed, ArtifactError> {
        let key = self.key(digest);
        self.wait(async {
            let found = match self.store.head(&key).await {
                Ok(found) => found,
                Err(object_store::Error::NotFound { .. }) => return Ok(Freed::Missing),
                Err(error) => return Err(error.into()),
            };
            if SystemTime::from(found.last_modified) > before {
                return Ok(Freed::Recent);
            }
            self.store.delete(&key).await?;
            Ok(Freed::Bytes(found.size))
        })
    }

    /// How large a blob is; none if it is not there.
    pub(super) fn size(&self, digest: Digest) -> Result<Option<u64>, ArtifactError> {
        let key = self.key(digest);
        self.wait(async {
            match self.store.head(&key).await {
                Ok(found) => Ok(Some(found.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Sends the blob at `path`, unless it is there already and was sent lately: what was sent long ago may be about to be
    /// freed, so it is sent again.
    pub(super) fn send(&self, digest: Digest, bytes: u64, path: &Path) -> Result<(), ArtifactError> {
        let key = self.key(digest);
        self.wait(async {
            match self.store.head(&key).await {
                Ok(found) if found.size == bytes && is_recent(found.last_modified.into()) => return Ok(()),
                Ok(found) if found.size == bytes && bytes <= ONE_REQUEST_BYTES => {
                    self.store.put(&key, std::fs::read(path)?.into()).await?;
                    return Ok(());
                }
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if bytes > ONE_REQUEST_BYTES {
                return self.send_parts(&key, path).await;
            }
            let content = std::fs::read(path)?;
            let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match self.store.put_opts(&key, content.clone().into(), create).await {
                Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
                // Not every store can create conditionally; the content is the same whoever writes it.
                Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                    self.store.put(&key, content.into()).await?;
                    Ok(())
                }
                Err(error) => Err(error.into()),
            }
        })
    }

    async fn send_parts(&self, key: &Key, path: &Path) -> Result<(), Failure> {
        let mut file = File::open(path)?;
        let mut upload = WriteMultipart::new_with_chunk_size(self.store.put_multipart(key).await?, PART_BYTES);
        let mut part = vec![0; PART_BYTES];
        loop {
            let count = file.read(&mut part)?;
            if count == 0 {
                upload.finish().await?;
                return Ok(());
            }
            upload.wait_for_capacity(PARTS_AT_ONCE).await?;
            upload.write(&part[..count]);
        }
    }

    /// Copies a blob to `target`; says whether it was there. The caller compares the digest.
    pub(super) fn fetch(&self, digest: Digest, target: &Path) -> Result<bool, ArtifactError> {
        let key = self.key(digest);
        self.wait(async {
            let object = match self.store.get(&key).await {
                Ok(object) => object,
                Err(object_store::Error::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let mut stream = object.into_stream();
            let mut file = File::create(target)?;
            while let Some(piece) = stream.try_next().await? {
                file.write_all(&piece)?;
            }
            file.sync_all()?;
            Ok(true)
        })
    }

    fn key(&self, digest: Digest) -> Key {
        let name = digest.to_string();
        self.prefix.clone().join("blobs").join(&name[..2]).join(name.as_str())
    }

    /// Runs the few asynchronous calls on a thread of their own, so that callers may be inside a runtime or not.
    fn wait<T: Send>(&self, work: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, ArtifactError> {
        let failed = |source: Failure| ArtifactError::Remote { location: self.location.clone(), source };
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(work)
        };
        std::thread::scope(|scope| scope.spawn(run).join())
            .unwrap_or_else(|_| Err(io::Error::other("the transfer panicked").into()))
            .map_err(failed)
    }
}

/// Whether what was sent then is safe from being freed for long enough to be recorded.
fn is_recent(sent: SystemTime) -> bool {
    sent.elapsed().map_or(true, |age| age < SENT_AGAIN_AFTER)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// `location` without user, password and query, as it may stand in messages.
pub fn redacted(location: &str) -> String {
    let without_query = location.split(['?', '#']).next().unwrap_or_default();
    match without_query.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default()),
        None => without_query.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use object_store::memory::InMemory;

    use super::*;
    use crate::artifact::{ArtifactKind, ArtifactStore};

    struct Machines {
        bucket: Arc<InMemory>,
        folders: [tempfile::TempDir; 2],
    }

    impl Machines {
        fn new() -> Machines {
            let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            Machines { bucket: Arc::new(InMemory::new()), folders }
        }

        /// The store as one of two machines sees it, each with a folder of its own.
        fn store(&self, machine: usize) -> ArtifactStore {
            let store: Arc<dyn ObjectStore> = self.bucket.clone();
            let remote = Remote { store, prefix: Key::from("team"), location: "memory://test".to_owned() };
            ArtifactStore::in_front_of(remote, self.folders[machine].path()).unwrap()
        }
    }

    #[test]
    fn what_one_machine_makes_another_one_reads() {
        let machines = Machines::new();
        let staged = machines.store(0).stage(ArtifactKind::Model).unwrap();
        fs::write(staged.path().join("weights"), vec![7; 20 << 20]).unwrap();
        fs::write(staged.path().join("model.json"), b"{}").unwrap();
        let model = machines.store(0).commit(staged, None).unwrap();
        let path = machines.store(1).verified_path(&model).unwrap();
        assert_eq!(fs::read(path.join("weights")).unwrap().len(), 20 << 20);
        assert_eq!(fs::read(path.join("model.json")).unwrap(), b"{}");
    }

    #[test]
    fn what_is_nowhere_is_missing_and_what_changed_there_is_corrupt() {
        let machines = Machines::new();
        let here = machines.store(0);
        let artifact = here.put(ArtifactKind::File, b"12345").unwrap();
        let key = here.remote_for_tests().unwrap().key(artifact.digest);
        here.remote_for_tests()
            .unwrap()
            .wait(async { Ok(machines.bucket.put(&key, b"12346".to_vec().into()).await?) })
            .unwrap();
        assert!(matches!(machines.store(1).path(&artifact), Err(ArtifactError::Corrupt { .. })));
        // The copy here is still right.
        assert!(here.verified_path(&artifact).is_ok());
        here.remote_for_tests().unwrap().wait(async { Ok(machines.bucket.delete(&key).await?) }).unwrap();
        assert!(matches!(machines.store(1).path(&artifact), Err(ArtifactError::Missing { .. })));
    }

    #[test]
    fn a_blob_is_sent_once() {
        let machines = Machines::new();
        let one = machines.store(0).put(ArtifactKind::File, b"same").unwrap();
        let other = machines.store(1).put(ArtifactKind::File, b"same").unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn urls_are_told_from_folders() {
        assert!(is_url("s3://bucket/x") && !is_url("/data/artifacts") && !is_url("artifacts") && !is_url("://x"));
        let error = Remote::open("https://user:pw@host/x").unwrap_err().to_string();
        assert!(error.contains("https://host/x") && !error.contains("pw"), "{error}");
        assert!(Remote::open("memory:///").is_ok());
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/a", folder.path().display());
        assert_eq!(ArtifactStore::open(url).unwrap().root(), folder.path().join("a"));
    }
}
