//! Objects of a store behind a URL (`s3`, `gs`, `az`, `file`): found by their names, then copied to the scratch folder.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use super::SourceFile;
use super::local::changed;
use crate::artifact::{Digest, DigestWriter};
use crate::step::{Progress, StepContext, StepError};

/// An object that was found and not read yet.
pub struct Object {
    store: Arc<dyn ObjectStore>,
    /// Its URL.
    name: String,
    meta: ObjectMeta,
}

impl Object {
    /// Its URL, which tells it from others.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells this version of it from another: its size, and its entity tag or when it was written.
    pub fn version(&self) -> Digest {
        let ObjectMeta { size, e_tag, last_modified, .. } = &self.meta;
        let written = e_tag.as_deref().map_or_else(|| last_modified.to_rfc3339(), |tag| plain_tag(tag).to_owned());
        DigestWriter::new("phaseline object 1").bytes(size.to_string()).bytes(written).finish()
    }

    /// Copies it to the scratch folder, as source `number`.
    ///
    /// # Errors
    /// The store refuses it, or it is not what was found any more.
    pub fn fetch(&self, number: usize, context: &mut StepContext) -> Result<SourceFile, StepError> {
        let path = &self.meta.location;
        let target = scratch_file(context, number, path.filename().unwrap_or("object"));
        runtime()?.block_on(self.copy(&target, context))?;
        SourceFile::at(self.name.clone(), target)
    }

    async fn copy(&self, target: &std::path::Path, context: &mut StepContext) -> Result<(), StepError> {
        let failed = |error| failure(&self.name, error);
        let object = self.store.get(&self.meta.location).await.map_err(failed)?;
        let tags = (self.meta.e_tag.as_deref().map(plain_tag), object.meta.e_tag.as_deref().map(plain_tag));
        let is_other = matches!(tags, (Some(found), Some(given)) if found != given);
        if is_other || object.meta.size != self.meta.size {
            return Err(changed(&self.name));
        }
        let total = object.meta.size;
        let mut stream = object.into_stream();
        let mut file = std::io::BufWriter::new(std::fs::File::create(target)?);
        let mut done = 0;
        while let Some(piece) = stream.try_next().await.map_err(failed)? {
            context.check_cancelled()?;
            file.write_all(&piece)?;
            done += piece.len() as u64;
            context.progress(&Progress { done, total: Some(total), unit: "bytes", note: "download".to_owned() });
        }
        file.flush()?;
        Ok(())
    }
}

/// A tag as all answers of a store give it: some put it in quotes, others do not.
fn plain_tag(tag: &str) -> &str {
    tag.trim_start_matches("W/").trim_matches('"')
}

/// The object at `url`, or all objects that match its `*`, in the order of their names.
pub(super) fn list(url: &str, context: &mut StepContext) -> Result<Vec<Object>, StepError> {
    let shown = redacted(url);
    context.conceal(url);
    let mut parsed = Url::parse(url)
        .map_err(|error| StepError::input("url", format!("`{shown}` is no valid URL")).caused_by(error))?;
    let refused = |error: object_store::Error| failure(&shown, error);
    let (store, path) = object_store::parse_url_opts(&parsed, std::env::vars()).map_err(refused)?;
    let store: Arc<dyn ObjectStore> = store.into();
    let runtime = runtime()?;
    let found = if path.as_ref().contains('*') {
        let found = runtime.block_on(matching(&store, &path, &shown))?;
        if found.is_empty() {
            return Err(StepError::input("file_missing", format!("no object matches `{shown}`")));
        }
        found
    } else {
        vec![runtime.block_on(store.head(&path)).map_err(refused)?]
    };
    parsed.set_path("");
    let before = redacted(parsed.as_str());
    let before = before.strip_suffix('/').unwrap_or(&before);
    let object = |meta: ObjectMeta| {
        let name = format!("{before}/{}", meta.location);
        Object { store: Arc::clone(&store), name, meta }
    };
    Ok(found.into_iter().map(object).collect())
}

/// `url` without user, password, query and fragment, as it may stand in messages.
pub fn redacted(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            // Neither can fail for a URL with a host; one without has nothing to hide there.
            url.set_username("").ok();
            url.set_password(None).ok();
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        }
        Err(_) => url.split(['?', '#']).next().unwrap_or_default().rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

/// A runtime for the few asynchronous calls of a step.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, StepError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Where the bytes of source `number` go; the name keeps its ending, which tells the format.
pub(super) fn scratch_file(context: &StepContext, number: usize, name: &str) -> PathBuf {
    let name: String = name.chars().filter(|char| char.is_ascii_alphanumeric() || ".-_".contains(*char)).collect();
    context.surroundings().scratch.join(format!("source-{number}-{name}"))
}

async fn matching(store: &Arc<dyn ObjectStore>, pattern: &Path, shown: &str) -> Result<Vec<ObjectMeta>, StepError> {
    let wrong = |reason: String| StepError::input("file_pattern", format!("`{shown}` is no valid pattern: {reason}"));
    let matcher = glob::Pattern::new(pattern.as_ref()).map_err(|error| wrong(error.to_string()))?;
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let prefix: Path = pattern.parts().take_while(|part| !part.as_ref().contains('*')).collect();
    let mut found: Vec<ObjectMeta> = store
        .list(Some(&prefix))
        .try_filter(|object| std::future::ready(matcher.matches_with(object.location.as_ref(), options)))
        .try_collect()
        .await
        .map_err(|error| failure(shown, error))?;
    found.sort_by(|one, other| one.location.cmp(&other.location));
    Ok(found)
}

fn failure(shown: &str, error: object_store::Error) -> StepError {
    match error {
        object_store::Error::NotFound { .. } => {
            StepError::input("file_missing", format!("there is no object at `{shown}`"))
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            StepError::input("file_forbidden", format!("the object store does not let us read `{shown}`"))
                .help("give credentials in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        }
        error => {
            StepError::environment("object_store", format!("the object store failed at `{shown}`")).caused_by(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::Workbench;
    use crate::step::understanding::source::Location;

    #[test]
    fn what_is_secret_in_a_url_is_not_shown() {
        assert_eq!(redacted("https://user:pass@host/a.csv?token=x#y"), "https://host/a.csv");
        assert_eq!(redacted("postgres://me:pw@db/x?sslmode=off"), "postgres://db/x");
        assert_eq!(redacted("s3://bucket/a.csv"), "s3://bucket/a.csv");
    }

    #[test]
    fn objects_are_copied_in_the_order_of_their_names() {
        let bench = Workbench::new();
        bench.file("data/b.csv", "2");
        bench.file("data/a.csv", "1");
        bench.file("data/c.txt", "3");
        let (mut context, _) = bench.context(&[]);
        let url = format!("file://{}/data/*.csv", bench.folder().display());
        let files = Location::parse(&url).files(&mut context).unwrap();
        let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(&file.path).unwrap()).collect();
        assert_eq!(texts, ["1", "2"]);
        let url = format!("file://{}/data/none.csv", bench.folder().display());
        assert_eq!(Location::parse(&url).files(&mut context).unwrap_err().code(), "file_missing");
    }
}
