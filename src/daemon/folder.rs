//! The manifests below a folder: which file each pipeline comes from, its last good version, and what is wrong.
//!
//! A file is read again when its size or time of change differs, and parsed when its digest does. Where two files name
//! the same pipeline, the one that had it first stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::artifact::Digest;
use crate::id::PipelineName;
use crate::manifest::{self, Colour, Manifest, Rejected, Source};
use crate::plan::{Overrides, Plan};
use crate::step::StepRegistry;
use crate::store::{KeptManifest, ManifestChanges, ManifestProblem, ProblemKind};

/// How deep folders are looked into.
const DEEPEST: usize = 16;

/// A file that was changed so lately may change again without another time of change.
const UNSETTLED: Duration = Duration::from_secs(2);

/// All manifests below a folder.
pub(super) struct ManifestFolder {
    root: PathBuf,
    registry: StepRegistry,
    files: BTreeMap<PathBuf, File>,
    /// Which file each pipeline comes from.
    holders: BTreeMap<PipelineName, PathBuf>,
}

#[derive(Debug, Default)]
struct File {
    stamp: Option<Stamp>,
    digest: Option<Digest>,
    good: Option<Arc<KeptManifest>>,
    /// What is wrong with its text as it is.
    report: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed: SystemTime,
    bytes: u64,
    is_settled: bool,
}

/// What should be on record about a folder.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Findings {
    pub(super) good: BTreeMap<PipelineName, Arc<KeptManifest>>,
    pub(super) broken: BTreeMap<PipelineName, String>,
    pub(super) problems: BTreeMap<PathBuf, ManifestProblem>,
}

impl ManifestFolder {
    /// The manifests below `root`, of which earlier daemons have kept some: those count until their files are read,
    /// and go on counting if a file turns out to be broken.
    pub(super) fn new(root: &Path, kept: Vec<KeptManifest>) -> ManifestFolder {
        let mut folder = ManifestFolder {
            root: root.to_owned(),
            registry: StepRegistry::builtin(),
            files: BTreeMap::new(),
            holders: BTreeMap::new(),
        };
        for kept in kept {
            let path = PathBuf::from(&kept.path);
            if path.starts_with(root) && path.exists() {
                folder.holders.insert(kept.pipeline.clone(), path.clone());
                let good = Some(Arc::new(kept));
                folder.files.insert(path, File { good, ..File::default() });
            }
        }
        folder
    }

    /// Reads what has changed since the last time.
    ///
    /// # Errors
    /// When the folder itself cannot be read; then everything stays as it is.
    pub(super) fn scan(&mut self) -> io::Result<Findings> {
        let found = manifests(&self.root)?;
        self.files.retain(|path, _| found.contains_key(path));
        for (path, stamp) in found {
            let file = self.files.entry(path.clone()).or_default();
            if file.stamp != Some(stamp) || !stamp.is_settled {
                file.stamp = Some(stamp);
                file.read(&path, &self.registry);
            }
        }
        self.assign();
        Ok(self.findings())
    }

    /// Gives each pipeline one file: the one that had it, or else the first by path.
    fn assign(&mut self) {
        let name_of = |path: &PathBuf| self.files.get(path)?.good.as_ref().map(|good| good.pipeline.clone());
        self.holders.retain(|pipeline, path| name_of(path).as_ref() == Some(pipeline));
        for (path, file) in &self.files {
            if let Some(good) = &file.good {
                self.holders.entry(good.pipeline.clone()).or_insert_with(|| path.clone());
            }
        }
    }

    fn findings(&self) -> Findings {
        let mut findings = Findings::default();
        for (path, file) in &self.files {
            match &file.good {
                Some(good) if self.holders.get(&good.pipeline) == Some(path) => {
                    findings.good.insert(good.pipeline.clone(), Arc::clone(good));
                    if let Some(report) = &file.report {
                        findings.broken.insert(good.pipeline.clone(), report.clone());
                    }
                }
                Some(good) => {
                    let holder = self.holders[&good.pipeline].to_string_lossy();
                    findings.problems.insert(path.clone(), duplicate(good, &holder));
                }
                None => {
                    if let Some(report) = file.report.clone() {
                        let kind = ProblemKind::Broken;
                        let path = path.to_string_lossy().into_owned();
                        let problem = ManifestProblem { path: path.clone(), pipeline: None, kind, report };
                        findings.problems.insert(path.into(), problem);
                    }
                }
            }
        }
        findings
    }
}

/// What is wrong with a file whose pipeline another one has.
pub(super) fn duplicate(good: &KeptManifest, holder: &str) -> ManifestProblem {
    let KeptManifest { pipeline, path, .. } = good;
    let report = format!(
        "pipeline `{pipeline}` is loaded from `{holder}` already: give this one another name, or remove one of the files"
    );
    ManifestProblem { path: path.clone(), pipeline: Some(pipeline.clone()), kind: ProblemKind::Duplicate, report }
}

impl File {
    /// Reads the file; a text that is broken leaves the last good version.
    fn read(&mut self, path: &Path, registry: &StepRegistry) {
        if fs::metadata(path).is_ok_and(|facts| !facts.is_file()) {
            // To open a pipe would wait for somebody who writes.
            self.digest = None;
            self.report = Some(format!("`{}` is a pipe or a device, and a manifest is a file", path.display()));
            return;
        }
        let source = match Source::read(path) {
            Ok(source) => source,
            Err(rejected) => {
                self.digest = None;
                self.report = Some(rejected.render(Colour::Never));
                return;
            }
        };
        let digest = source.digest();
        if self.digest == Some(digest) {
            return;
        }
        self.digest = Some(digest);
        match load(source, registry) {
            Ok(manifest) => {
                let kept = KeptManifest {
                    pipeline: manifest.pipeline.clone(),
                    path: path.to_string_lossy().into_owned(),
                    digest,
                    text: manifest.source.text.clone(),
                    description: manifest.description.clone(),
                    owner: manifest.owner.clone(),
                };
                self.good = Some(Arc::new(kept));
                self.report = None;
            }
            Err(rejected) => self.report = Some(rejected.render(Colour::Never)),
        }
    }
}

/// The manifest in a text, if `phaseline check` would find nothing wrong with it.
fn load(source: Arc<Source>, registry: &StepRegistry) -> Result<Manifest, Rejected> {
    let manifest = manifest::read_with_mistakes(source)?;
    Plan::build(&manifest, registry, &Overrides::stand_ins())?;
    Ok(manifest)
}

/// The manifests below a folder by path. Hidden files and folders are left out.
fn manifests(root: &Path) -> io::Result<BTreeMap<PathBuf, Stamp>> {
    let mut found = BTreeMap::new();
    let now = SystemTime::now();
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(error) => {
                tracing::warn!("the manifests in `{}` are left out: {error}", folder.display());
                continue;
            }
        };
        for entry in entries.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // Follows links: a mounted configuration consists of them.
            let Ok(facts) = fs::metadata(&path) else { continue };
            if facts.is_dir() {
                if depth < DEEPEST && !leads_up(&entry, &folder) {
                    folders.push((path, depth + 1));
                }
            } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                let changed = facts.modified()?;
                let is_settled = now.duration_since(changed).is_ok_and(|age| age > UNSETTLED);
                found.insert(path, Stamp { changed, bytes: facts.len(), is_settled });
            }
        }
    }
    Ok(found)
}

/// Whether an entry of `folder` is a link to a folder that it lies in, so that there would be no end.
fn leads_up(entry: &fs::DirEntry, folder: &Path) -> bool {
    let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
    is_link
        && entry
            .path()
            .canonicalize()
            .is_ok_and(|target| folder.canonicalize().is_ok_and(|here| here.starts_with(target)))
}

impl Findings {
    /// What has to be recorded so that what is on record becomes these findings.
    pub(super) fn changes_since(&self, recorded: &Findings) -> ManifestChanges {
        let is_kept = |name: &PipelineName| {
            let version = |findings: &Findings| findings.good.get(name).map(|good| (good.path.clone(), good.digest));
            version(self) == version(recorded)
        };
        let kept =
            self.good.iter().filter(|(name, _)| !is_kept(name)).map(|(_, good)| KeptManifest::clone(good)).collect();
        let names: BTreeSet<&PipelineName> = self.broken.keys().chain(recorded.broken.keys()).collect();
        // A new version clears what was said of the one before, so it is said again.
        let broken = names
            .into_iter()
            .filter(|name| self.good.contains_key(name))
            .filter(|name| self.broken.get(name) != recorded.broken.get(name) || !is_kept(name))
            .map(|name| (name.clone(), self.broken.get(name).cloned()))
            .collect();
        let retired = recorded.good.keys().filter(|name| !self.good.contains_key(name)).cloned().collect();
        let is_noted = |path: &PathBuf| self.problems.get(path) == recorded.problems.get(path);
        let problems = self.problems.iter().filter(|(path, _)| !is_noted(path)).map(|(_, it)| it.clone()).collect();
        let solved = recorded.problems.keys().filter(|path| !self.problems.contains_key(*path));
        let solved = solved.map(|path| path.to_string_lossy().into_owned()).collect();
        ManifestChanges { kept, broken, retired, problems, solved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, command: &str) -> String {
        format!(
            "version: 1\npipeline: {name}\ndata_engineering:\n  steps:\n    make:\n      run: {command:?}\n      \
             outputs: {{out: file}}\n"
        )
    }

    /// A folder with files, scanned.
    struct Written {
        folder: tempfile::TempDir,
        manifests: ManifestFolder,
        recorded: Findings,
    }

    impl Written {
        fn new(files: &[(&str, String)]) -> Written {
            let folder = tempfile::tempdir().unwrap();
            let manifests = ManifestFolder::new(folder.path(), Vec::new());
            let mut written = Written { folder, manifests, recorded: Findings::default() };
            for (name, text) in files {
                written.write(name, text);
            }
            written
        }

        fn write(&mut self, name: &str, text: &str) {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn scan(&mut self) -> ManifestChanges {
            let findings = self.manifests.scan().unwrap();
            let changes = findings.changes_since(&self.recorded);
            self.recorded = findings;
            changes
        }

        fn loaded(&self) -> Vec<(&str, &str)> {
            let good = self.recorded.good.values();
            good.map(|good| (good.pipeline.as_str(), good.path.rsplit('/').next().unwrap())).collect()
        }
    }

    #[test]
    fn every_manifest_below_the_folder_is_loaded_and_hidden_ones_are_not() {
        let mut written = Written::new(&[
            ("a.yaml", manifest("a", "true")),
            ("deep/er/b.yml", manifest("b", "true")),
            (".hidden/c.yaml", manifest("c", "true")),
            ("notes.txt", "no manifest".to_owned()),
        ]);
        written.scan();
        assert_eq!(written.loaded(), [("a", "a.yaml"), ("b", "b.yml")]);
        assert!(written.scan().is_empty(), "nothing has changed");
    }

    #[test]
    fn links_that_lead_up_are_not_followed_and_a_pipe_is_named_and_not_waited_for() {
        let mut written = Written::new(&[("deep/a.yaml", manifest("a", "true"))]);
        std::os::unix::fs::symlink("..", written.folder.path().join("deep/up")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(written.folder.path().join("pipe.yaml")).status().unwrap();
        assert!(made.success());
        let problems = written.scan().problems;
        assert_eq!(written.loaded(), [("a", "a.yaml")]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].report.ends_with("pipe.yaml` is a pipe or a device, and a manifest is a file"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_broken_edit_keeps_the_last_good_version_until_it_is_mended() {
        let mut written = Written::new(&[("a.yaml", manifest("a", "true"))]);
        let first = written.scan().kept;
        written.write("a.yaml", "pipeline: a\nsteps: [");
        let changes = written.scan();
        assert!(changes.kept.is_empty() && changes.retired.is_empty());
        let (name, report) = &changes.broken[0];
        assert!(name.as_str() == "a" && report.as_ref().unwrap().contains("a.yaml"), "{report:?}");
        assert_eq!(written.recorded.good.values().map(|good| KeptManifest::clone(good)).collect::<Vec<_>>(), first);
        written.write("a.yaml", &manifest("a", "echo better"));
        let changes = written.scan();
        assert_eq!((changes.kept.len(), changes.broken.as_slice()), (1, [(name.clone(), None)].as_slice()));
    }

    #[test]
    fn the_first_file_of_a_name_stays_and_the_second_takes_over_when_it_goes() {
        let mut written = Written::new(&[("b.yaml", manifest("same", "true"))]);
        written.scan();
        written.write("a.yaml", &manifest("same", "false"));
        let changes = written.scan();
        assert_eq!(written.loaded(), [("same", "b.yaml")]);
        let [problem] = changes.problems.as_slice() else { panic!("{changes:?}") };
        assert!(problem.kind == ProblemKind::Duplicate && problem.path.ends_with("a.yaml"), "{problem:?}");
        assert!(problem.report.contains("b.yaml"), "{problem:?}");
        fs::remove_file(written.folder.path().join("b.yaml")).unwrap();
        let changes = written.scan();
        assert_eq!(written.loaded(), [("same", "a.yaml")]);
        assert!(changes.retired.is_empty() && changes.solved.len() == 1, "{changes:?}");
    }

    #[test]
    fn a_file_that_goes_or_is_renamed_inside_retires_its_pipeline() {
        let mut written = Written::new(&[("a.yaml", manifest("a", "true")), ("b.yaml", manifest("b", "true"))]);
        written.scan();
        fs::remove_file(written.folder.path().join("a.yaml")).unwrap();
        written.write("b.yaml", &manifest("c", "true"));
        let retired = written.scan().retired;
        assert_eq!(retired.iter().map(PipelineName::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(written.loaded(), [("c", "b.yaml")]);
    }

    #[test]
    fn a_version_that_an_earlier_daemon_kept_outlives_a_broken_edit_between_the_two() {
        let mut written = Written::new(&[("a.yaml", manifest("a", "true"))]);
        let kept = written.scan().kept;
        written.write("a.yaml", "broken: [");
        let mut next = ManifestFolder::new(written.folder.path(), kept.clone());
        let findings = next.scan().unwrap();
        assert_eq!(findings.good.values().map(|good| KeptManifest::clone(good)).collect::<Vec<_>>(), kept);
        assert_eq!(findings.broken.len(), 1);
    }

    #[test]
    fn a_folder_that_is_away_leaves_everything_as_it_is() {
        let mut written = Written::new(&[("a.yaml", manifest("a", "true"))]);
        written.scan();
        let elsewhere = written.folder.path().with_extension("moved");
        fs::rename(written.folder.path(), &elsewhere).unwrap();
        assert!(written.manifests.scan().is_err());
        fs::rename(&elsewhere, written.folder.path()).unwrap();
        assert!(written.scan().is_empty());
    }
}
