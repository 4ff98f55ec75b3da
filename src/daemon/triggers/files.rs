//! The files that a trigger waits for: which there are, and whether they are others than before.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use futures_util::TryStreamExt;
use object_store::ObjectStore;
use url::Url;

use crate::artifact::{DigestWriter, redacted};

/// How many files a pattern may match: all of them are looked at each time.
const MOST_FILES: usize = 10_000;

/// The files that match a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Listing {
    /// In the order of their names.
    files: Vec<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// As a step would name it: from the manifest's folder if it lies below, else in full.
    path: String,
    bytes: u64,
    /// What changes whenever the content does: a time in nanoseconds, or the version that a store gives.
    version: String,
    /// In nanoseconds since 1970.
    modified: i64,
}

impl Listing {
    /// What the listing is known by: the digest of all names, sizes and versions.
    pub(super) fn digest(&self) -> String {
        let mut digest = DigestWriter::new("phaseline files 1");
        for file in &self.files {
            digest.bytes(&file.path).number(file.bytes).bytes(&file.version);
        }
        digest.finish().to_string()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The names, in their order.
    pub(super) fn paths(&self) -> Vec<&str> {
        self.files.iter().map(|file| file.path.as_str()).collect()
    }

    /// The file that was changed last.
    pub(super) fn newest(&self) -> Option<&str> {
        self.files.iter().max_by_key(|file| (file.modified, &file.path)).map(|file| file.path.as_str())
    }

    fn of(mut files: Vec<Found>) -> Result<Listing, String> {
        if files.len() > MOST_FILES {
            return Err(format!("more than {MOST_FILES} files match: write a narrower pattern"));
        }
        files.sort();
        Ok(Listing { files })
    }
}

/// The files that match `pattern`, which starts in `folder` unless it says otherwise.
///
/// # Errors
/// What hinders, in words.
pub(super) async fn list(pattern: &str, folder: &Path) -> Result<Listing, String> {
    if pattern.contains("://") {
        return objects(pattern).await;
    }
    let (pattern, folder) = (pattern.to_owned(), folder.to_owned());
    tokio::task::spawn_blocking(move || local(&pattern, &folder))
        .await
        .map_err(|_| "the look at the files broke off; this is a bug".to_owned())?
}

fn local(pattern: &str, folder: &Path) -> Result<Listing, String> {
    let base = std::path::absolute(folder).map_err(|error| format!("cannot use `{}`: {error}", folder.display()))?;
    // What is special in a pattern may stand in the name of the folder.
    let whole: PathBuf = Path::new(&glob::Pattern::escape(&base.to_string_lossy())).join(pattern);
    let found = glob::glob(&whole.to_string_lossy()).map_err(|error| format!("`{pattern}` is no pattern: {error}"))?;
    let mut files = Vec::new();
    for entry in found {
        let path = entry.map_err(|error| format!("cannot read `{}`: {}", error.path().display(), error.error()))?;
        // A file that goes away between its listing and this look is not there.
        let Ok(facts) = std::fs::metadata(&path) else { continue };
        if !facts.is_file() {
            continue;
        }
        let modified = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        files.push(Found {
            path: path.strip_prefix(&base).unwrap_or(&path).to_string_lossy().into_owned(),
            bytes: facts.len(),
            version: modified.as_nanos().to_string(),
            modified: i64::try_from(modified.as_nanos()).unwrap_or(i64::MAX),
        });
        if files.len() > MOST_FILES {
            break;
        }
    }
    Listing::of(files)
}

async fn objects(pattern: &str) -> Result<Listing, String> {
    let shown = redacted(pattern);
    let failed = |error: object_store::Error| format!("the object store failed at `{shown}`: {error}");
    let url = Url::parse(pattern).map_err(|error| format!("`{shown}` is no URL: {error}"))?;
    let (store, path) = object_store::parse_url_opts(&url, std::env::vars()).map_err(failed)?;
    let matcher = glob::Pattern::new(path.as_ref()).map_err(|error| format!("`{shown}` is no pattern: {error}"))?;
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let is_plain = |part: &str| !part.contains(['*', '?', '[']);
    let prefix: object_store::path::Path = path.parts().take_while(|part| is_plain(part.as_ref())).collect();
    // A pattern without a wildcard is one object, which stands beside others under its folder.
    let folder: object_store::path::Path = if is_plain(path.as_ref()) {
        let parts: Vec<_> = path.parts().collect();
        parts[..parts.len().saturating_sub(1)].iter().cloned().collect()
    } else {
        prefix
    };
    // What stands before the path in the URL stands before each object's.
    let before = &pattern[..pattern.len() - url.path().trim_start_matches('/').len()];
    let mut files = Vec::new();
    let mut listed = store.list(Some(&folder));
    while let Some(object) = listed.try_next().await.map_err(failed)? {
        if matcher.matches_with(object.location.as_ref(), options) {
            files.push(Found {
                path: format!("{before}{}", object.location),
                bytes: object.size,
                version: object.e_tag.or(object.version).unwrap_or_else(|| object.last_modified.to_rfc3339()),
                modified: object.last_modified.timestamp_nanos_opt().unwrap_or(i64::MAX),
            });
        }
        if files.len() > MOST_FILES {
            break;
        }
    }
    Listing::of(files)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn files_are_known_by_their_names_sizes_and_times() {
        let folder = tempfile::Builder::new().prefix("in[1]").tempdir().unwrap();
        // File systems tell times by ticks: two writes may well have the same one.
        let write = |name: &str, text: &str, second: u64| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        };
        let look = async || list("in/**/*.csv", folder.path()).await.unwrap();
        assert!(look().await.is_empty());
        write("in/b.csv", "1", 1);
        write("in/deep/a.csv", "1", 2);
        write("in/c.txt", "1", 3);
        let first = look().await;
        assert_eq!(first.paths(), ["in/b.csv", "in/deep/a.csv"]);
        assert_eq!(first.newest(), Some("in/deep/a.csv"));
        assert_eq!(look().await.digest(), first.digest());
        write("in/b.csv", "12", 2);
        let longer = look().await;
        assert_ne!(longer.digest(), first.digest());
        write("in/b.csv", "21", 4);
        let later = look().await;
        assert_ne!(later.digest(), longer.digest());
        assert_eq!(later.newest(), Some("in/b.csv"));
    }

    #[tokio::test]
    async fn objects_have_their_whole_url_as_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["in/a.csv", "in/b.csv", "in/c.txt", "in/deep/d.csv"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let base = format!("file://{}", folder.path().display());
        let found = list(&format!("{base}/in/*.csv"), Path::new(".")).await.unwrap();
        assert_eq!(found.paths(), [format!("{base}/in/a.csv"), format!("{base}/in/b.csv")]);
        let one = list(&format!("{base}/in/c.txt"), Path::new(".")).await.unwrap();
        assert_eq!(one.paths(), [format!("{base}/in/c.txt")]);
        assert!(list("s4://bucket/*", Path::new(".")).await.is_err());
    }
}
