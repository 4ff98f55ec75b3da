//! Objects in S3, Google Cloud Storage and Azure, copied to the scratch folder.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use super::SourceFile;
use crate::step::{Progress, StepContext, StepError};

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

/// Copies the object at `url`, or all objects that match its `*`, to the scratch folder, in the order of their names.
pub(super) fn fetch(url: &str, context: &mut StepContext) -> Result<Vec<SourceFile>, StepError> {
    let shown = redacted(url);
    context.conceal(url);
    let parsed = Url::parse(url)
        .map_err(|error| StepError::input("url", format!("`{shown}` is no valid URL")).caused_by(error))?;
    let refused = |error: object_store::Error| failure(&shown, error);
    let (store, path) = object_store::parse_url_opts(&parsed, std::env::vars()).map_err(refused)?;
    let store: Arc<dyn ObjectStore> = store.into();
    let runtime = runtime()?;
    let paths = if path.as_ref().contains('*') {
        let found = runtime.block_on(matching(&store, &path, &shown))?;
        if found.is_empty() {
            return Err(StepError::input("file_missing", format!("no object matches `{shown}`")));
        }
        found
    } else {
        vec![path]
    };
    let mut files = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let name = match path.filename() {
            Some(name) if paths.len() > 1 => format!("{shown} ({name})"),
            _ => shown.clone(),
        };
        let target = scratch_file(context, number, path.filename().unwrap_or("object"));
        runtime.block_on(copy(&store, path, &target, &name, context))?;
        let mut file = SourceFile::at(name, target)?;
        // The compression is told by the end of the name.
        path.filename().unwrap_or_default().clone_into(&mut file.name);
        files.push(file);
    }
    Ok(files)
}

/// Where the bytes of source `number` go; the name keeps its ending, which tells the format.
pub(super) fn scratch_file(context: &StepContext, number: usize, name: &str) -> PathBuf {
    let name: String = name.chars().filter(|char| char.is_ascii_alphanumeric() || ".-_".contains(*char)).collect();
    context.surroundings().scratch.join(format!("source-{number}-{name}"))
}

async fn matching(store: &Arc<dyn ObjectStore>, pattern: &Path, shown: &str) -> Result<Vec<Path>, StepError> {
    let wrong = |reason: String| StepError::input("file_pattern", format!("`{shown}` is no valid pattern: {reason}"));
    let matcher = glob::Pattern::new(pattern.as_ref()).map_err(|error| wrong(error.to_string()))?;
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let prefix: Path = pattern.parts().take_while(|part| !part.as_ref().contains('*')).collect();
    let mut found: Vec<Path> = store
        .list(Some(&prefix))
        .try_filter_map(|object| {
            let is_match = matcher.matches_with(object.location.as_ref(), options);
            std::future::ready(Ok(is_match.then_some(object.location)))
        })
        .try_collect()
        .await
        .map_err(|error| failure(shown, error))?;
    found.sort();
    Ok(found)
}

async fn copy(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    target: &std::path::Path,
    shown: &str,
    context: &mut StepContext,
) -> Result<(), StepError> {
    let object = store.get(path).await.map_err(|error| failure(shown, error))?;
    let total = object.meta.size;
    let mut stream = object.into_stream();
    let mut file = std::io::BufWriter::new(std::fs::File::create(target)?);
    let mut done = 0;
    while let Some(piece) = stream.try_next().await.map_err(|error| failure(shown, error))? {
        context.check_cancelled()?;
        file.write_all(&piece)?;
        done += piece.len() as u64;
        context.progress(&Progress { done, total: Some(total), unit: "bytes", note: "download".to_owned() });
    }
    file.flush()?;
    Ok(())
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
