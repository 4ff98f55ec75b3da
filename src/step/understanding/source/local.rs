//! A path, pattern or URL as written in a manifest, and the files it means.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::object::{self, Object};
use super::{Download, download};
use crate::artifact::Digest;
use crate::step::{Dependency, StepContext, StepError};

/// A file to read, on the local disk.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The name for messages: as written in the manifest, or the URL.
    pub name: String,
    /// Where the bytes are.
    pub path: PathBuf,
    /// How many bytes there are.
    pub bytes: u64,
    /// When it was written last, where the disk says so.
    pub written: Option<SystemTime>,
}

impl SourceFile {
    /// Opens the file.
    pub fn open(&self) -> Result<File, StepError> {
        File::open(&self.path).map_err(|error| unreadable(&self.name, error))
    }

    /// The file at `path`, which messages call `name`.
    pub fn at(name: String, path: PathBuf) -> Result<SourceFile, StepError> {
        let facts = std::fs::metadata(&path).map_err(|error| unreadable(&name, error))?;
        if facts.is_dir() {
            return Err(StepError::input("file_is_folder", format!("`{name}` is a folder and not a file"))
                .help("name its files with a pattern such as `folder/*.csv`"));
        }
        // Opening now tells a forbidden file before any work is done.
        File::open(&path).map_err(|error| unreadable(&name, error))?;
        Ok(SourceFile { name, path, bytes: facts.len(), written: facts.modified().ok() })
    }

    /// Refuses what was read of the file if something wrote to it since it was found.
    pub fn check_unchanged(&self) -> Result<(), StepError> {
        let facts = std::fs::metadata(&self.path).map_err(|error| unreadable(&self.name, error))?;
        if facts.len() == self.bytes && facts.modified().ok() == self.written {
            return Ok(());
        }
        Err(changed(&self.name))
    }
}

/// The file or object was written to while it was read.
pub(super) fn changed(name: &str) -> StepError {
    StepError::input("source_changed", format!("`{name}` changed while it was read"))
        .help("run again when whatever writes it has ended; writers should rename a finished file into its place")
}

/// A file or an object that a path means, of which nothing was read yet.
pub enum Found {
    /// A file of this machine.
    File(SourceFile),
    /// An object of a store.
    Object(Object),
}

impl Found {
    /// What tells it from others: its path, or its URL.
    pub fn name(&self) -> &str {
        match self {
            Found::File(file) => &file.name,
            Found::Object(object) => object.name(),
        }
    }

    /// What tells it from itself at another time: of a file its bytes, of an object what its store says of it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn version(&self) -> Result<Digest, StepError> {
        match self {
            Found::File(file) => Ok(Digest::of_reader(file.open()?)?.0),
            Found::Object(object) => Ok(object.version()),
        }
    }

    /// Brings it to this machine, as source `number`.
    ///
    /// # Errors
    /// The store refuses it, or it is another one by now.
    pub fn fetch(self, number: usize, context: &mut StepContext) -> Result<SourceFile, StepError> {
        match self {
            Found::File(file) => Ok(file),
            Found::Object(object) => object.fetch(number, context),
        }
    }
}

/// What `path` in a manifest means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file or a glob pattern.
    Local(String),
    /// A URL with its scheme in lower case.
    Url(String),
}

impl Location {
    /// The location that `text` writes.
    pub fn parse(text: &str) -> Location {
        match text.split_once("://") {
            Some((scheme, rest)) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Location::Url(format!("{}://{rest}", scheme.to_ascii_lowercase()))
            }
            _ => Location::Local(text.to_owned()),
        }
    }

    /// What a cache key must hold of it.
    pub fn dependency(&self) -> Dependency {
        match self {
            Location::Local(pattern) => Dependency::Files(pattern.clone()),
            Location::Url(_) => Dependency::Unknown("a URL may give other bytes next time".to_owned()),
        }
    }

    /// Whether it is known what is there without reading it. A web server gives one file, whatever that is today.
    pub fn is_listed(&self) -> bool {
        !matches!(self, Location::Url(url) if url.starts_with("http://") || url.starts_with("https://"))
    }

    /// What is there, in the order of the names.
    ///
    /// # Errors
    /// Nothing is there, or it may not be looked at.
    pub fn list(&self, context: &mut StepContext) -> Result<Vec<Found>, StepError> {
        Ok(match self {
            Location::Local(pattern) => local_files(pattern, context)?.into_iter().map(Found::File).collect(),
            Location::Url(url) if self.is_listed() => {
                object::list(url, context)?.into_iter().map(Found::Object).collect()
            }
            Location::Url(url) => vec![Found::File(download(&Download::plain(url), context)?)],
        })
    }

    /// The files, in the order of their names.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub fn files(&self, context: &mut StepContext) -> Result<Vec<SourceFile>, StepError> {
        let found = self.list(context)?.into_iter().enumerate();
        found.map(|(number, found)| found.fetch(number, context)).collect()
    }
}

/// `pattern` from `base` on, if it is relative. A folder may itself hold characters that mean something in a pattern.
pub fn pattern_within(base: &Path, pattern: &str) -> String {
    if Path::new(pattern).is_absolute() {
        return pattern.to_owned();
    }
    format!("{}/{pattern}", glob::Pattern::escape(&base.to_string_lossy()))
}

fn local_files(pattern: &str, context: &StepContext) -> Result<Vec<SourceFile>, StepError> {
    let path = context.resolve(pattern);
    if path.exists() || !pattern.contains(['*', '?', '[']) {
        return Ok(vec![SourceFile::at(pattern.to_owned(), path)?]);
    }
    let wrong = |reason: String| StepError::input("file_pattern", format!("`{pattern}` is no valid pattern: {reason}"));
    let base = context.resolve("");
    let mut found = Vec::new();
    for entry in glob::glob(&pattern_within(&base, pattern)).map_err(|error| wrong(error.to_string()))? {
        let path = entry.map_err(|error| StepError::environment("io", error.to_string()))?;
        if path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(StepError::input("file_missing", format!("no file matches `{pattern}`"))
            .help(format!("patterns start from the manifest's folder `{}`", context.resolve("").display())));
    }
    // By bytes, whatever the locale.
    found.sort();
    found
        .into_iter()
        .map(|path| SourceFile::at(path.strip_prefix(&base).unwrap_or(&path).display().to_string(), path))
        .collect()
}

fn unreadable(name: &str, error: io::Error) -> StepError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let error = StepError::input("file_missing", format!("the file `{name}` does not exist"));
            if Path::new(name).is_absolute() {
                error.help("check the path; if it is a link, what it points to may be gone")
            } else {
                error.help("in a manifest, relative paths start from its folder; after `--set`, from where you are")
            }
        }
        io::ErrorKind::PermissionDenied => {
            StepError::input("file_forbidden", format!("the file `{name}` may not be read"))
                .help("give the user that runs Phaseline read access to it")
        }
        _ => StepError::environment("io", format!("the file `{name}` cannot be read")).caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_files_of_its_folder_whatever_that_is_called() {
        let base = tempfile::tempdir().unwrap();
        for (folder, text) in [("run[1]", "a"), ("run1", "b")] {
            std::fs::create_dir(base.path().join(folder)).unwrap();
            std::fs::write(base.path().join(folder).join("x.csv"), text).unwrap();
        }
        let found = |pattern: &str| {
            let paths = glob::glob(&pattern_within(&base.path().join("run[1]"), pattern)).unwrap();
            paths.map(|path| std::fs::read_to_string(path.unwrap()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found("*.csv"), ["a"]);
        assert_eq!(found(&format!("{}/run1/?.csv", base.path().display())), ["b"]);
    }

    #[test]
    fn a_file_that_is_written_to_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let file = SourceFile::at("t.csv".to_owned(), path.clone()).unwrap();
        file.check_unchanged().unwrap();
        std::fs::write(&path, "a\n1\n2\n").unwrap();
        assert_eq!(file.check_unchanged().unwrap_err().code(), "source_changed");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.check_unchanged().unwrap_err().code(), "file_missing");
    }
}
