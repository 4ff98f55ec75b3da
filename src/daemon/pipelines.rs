//! Keeps the pipelines of a folder loaded, and what is on record about them true.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::folder::{Findings, ManifestFolder, duplicate};
use super::health::Health;
use super::{DaemonError, systemd};
use crate::control::Version;
use crate::engine::Bell;
use crate::id::PipelineName;
use crate::store::{DaemonEntry, ManifestChanges, ManifestProblem, Store, StoreError};

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// The name of the loop in [`Health`].
const LOOP: &str = "pipelines";

/// Follows a folder of manifests.
pub(super) struct Pipelines {
    store: Store,
    by: String,
    root: PathBuf,
    folder: Option<ManifestFolder>,
    /// What is on record, as far as this daemon knows.
    recorded: Findings,
    versions: watch::Sender<Arc<Vec<Version>>>,
    is_away: bool,
}

impl Pipelines {
    /// Loads the folder for the first time, and retires what is on record of it and gone.
    pub(super) async fn load(store: Store, root: &Path, by: &str) -> Result<Pipelines, DaemonError> {
        let refused = |source| DaemonError::Pipelines { folder: root.to_owned(), source };
        let root = std::path::absolute(root).map_err(refused)?;
        let kept = store.kept_manifests().await?;
        let is_ours = |path: &str| Path::new(path).starts_with(&root);
        // Whatever the first scan does not find of this is retired or solved.
        let mut recorded = Findings::default();
        for kept in kept.iter().filter(|kept| is_ours(&kept.path)) {
            recorded.good.insert(kept.pipeline.clone(), Arc::new(kept.clone()));
        }
        for entry in store.pipelines().await?.into_iter().filter(|entry| is_ours(&entry.manifest_path)) {
            let name = entry.pipeline.and_then(|name| name.parse::<PipelineName>().ok());
            match (entry.state, entry.broken, name) {
                ("broken" | "duplicate", _, _) => {
                    let path = PathBuf::from(entry.manifest_path);
                    recorded.problems.insert(path.clone(), forgotten(&path));
                }
                (_, Some(report), Some(name)) => drop(recorded.broken.insert(name, report)),
                _ => {}
            }
        }
        let mut pipelines = Pipelines {
            folder: Some(ManifestFolder::new(&root, kept)),
            recorded,
            store,
            by: by.to_owned(),
            root: root.clone(),
            versions: watch::channel(Arc::default()).0,
            is_away: false,
        };
        let findings = pipelines.scan().await.map_err(refused)?;
        pipelines.retire_orphans(&findings).await?;
        pipelines.record(findings).await?;
        Ok(pipelines)
    }

    /// The last good versions of what is loaded, by the names of their pipelines, and their changes.
    pub(super) fn versions(&self) -> watch::Receiver<Arc<Vec<Version>>> {
        self.versions.subscribe()
    }

    /// Follows the folder for ever; looks at once when `reload` rings.
    pub(super) async fn follow(mut self, health: Arc<Health>, mut reload: Bell) {
        loop {
            health.turned(LOOP, LOOK * 30);
            let is_asked = tokio::select! {
                () = tokio::time::sleep(LOOK) => false,
                () = reload.rung() => true,
            };
            if is_asked {
                systemd::reloading();
            }
            self.look().await;
            if is_asked {
                systemd::ready(&format!("{} pipelines", self.recorded.good.len()));
            }
        }
    }

    async fn look(&mut self) {
        let findings = match self.scan().await {
            Ok(findings) => findings,
            Err(error) => {
                if !self.is_away {
                    tracing::error!("cannot read `{}`: {error}; all pipelines stay as they are", self.root.display());
                }
                self.is_away = true;
                return;
            }
        };
        self.is_away = false;
        if let Err(error) = self.record(findings).await {
            // The next look finds the same changes.
            tracing::debug!(error = &error as &dyn std::error::Error, "changed pipelines cannot be recorded now");
        }
    }

    async fn scan(&mut self) -> std::io::Result<Findings> {
        let Some(mut folder) = self.folder.take() else {
            return Err(std::io::Error::other("an earlier look at it has panicked"));
        };
        let looked = tokio::task::spawn_blocking(move || {
            let findings = folder.scan();
            (folder, findings)
        });
        let (folder, findings) = looked.await.map_err(std::io::Error::other)?;
        self.folder = Some(folder);
        findings
    }

    async fn record(&mut self, mut findings: Findings) -> Result<(), StoreError> {
        let mut changes = findings.changes_since(&self.recorded);
        if !changes.kept.is_empty() {
            self.leave_to_others(&changes, &mut findings).await?;
            changes = findings.changes_since(&self.recorded);
        }
        if !changes.is_empty() {
            self.store.record_manifests(&changes, &self.by).await?;
            say(&changes);
        }
        let versions = Arc::new(versions(&findings));
        self.recorded = findings;
        self.versions.send_if_modified(|known| {
            let is_new = *known != versions;
            *known = versions;
            is_new
        });
        Ok(())
    }

    /// Where a living daemon has loaded a pipeline of the same name from another folder, its version stays.
    async fn leave_to_others(&self, changes: &ManifestChanges, findings: &mut Findings) -> Result<(), StoreError> {
        let daemons = self.store.daemons().await?;
        for entry in self.store.pipelines().await? {
            let Some(kept) = changes.kept.iter().find(|kept| Some(kept.pipeline.as_str()) == entry.pipeline.as_deref())
            else {
                continue;
            };
            let is_loaded = entry.manifest_digest.is_some() && entry.state != "retired";
            let is_ours = entry.loaded_by == self.by || Path::new(&entry.manifest_path).starts_with(&self.root);
            if is_loaded
                && !is_ours
                && lives(&daemons, &entry.loaded_by)
                && let Some(good) = findings.good.remove(&kept.pipeline)
            {
                findings.broken.remove(&kept.pipeline);
                findings.problems.insert(kept.path.clone().into(), duplicate(&good, &entry.manifest_path));
            }
        }
        Ok(())
    }

    /// Retires pipelines whose daemon is gone and that this one does not have, such as those of a folder that is not
    /// used any more.
    async fn retire_orphans(&self, findings: &Findings) -> Result<(), StoreError> {
        let daemons = self.store.daemons().await?;
        let orphans = self.store.pipelines().await?.into_iter().filter(|entry| {
            entry.state != "retired" && entry.manifest_digest.is_some() && !lives(&daemons, &entry.loaded_by)
        });
        let retired: Vec<PipelineName> = orphans
            .filter_map(|entry| entry.pipeline?.parse().ok())
            .filter(|name| !findings.good.contains_key(name))
            .collect();
        let changes = ManifestChanges { retired, ..ManifestChanges::default() };
        if changes.is_empty() { Ok(()) } else { self.store.record_manifests(&changes, &self.by).await }
    }
}

/// A problem on record that no scan will find again in these words, so that it is written anew or solved.
fn forgotten(path: &Path) -> ManifestProblem {
    let path = path.to_string_lossy().into_owned();
    ManifestProblem { path, pipeline: None, kind: crate::store::ProblemKind::Broken, report: String::new() }
}

fn lives(daemons: &[DaemonEntry], name: &str) -> bool {
    daemons.iter().any(|entry| entry.daemon == name && entry.state != "gone")
}

fn versions(findings: &Findings) -> Vec<Version> {
    let good = findings.good.values();
    good.map(|good| Version::new(good.path.clone(), good.text.clone())).collect()
}

fn say(changes: &ManifestChanges) {
    for kept in &changes.kept {
        tracing::info!(pipeline = %kept.pipeline, "loaded from `{}`", kept.path);
    }
    for (pipeline, report) in &changes.broken {
        match report {
            Some(report) => {
                tracing::error!(%pipeline, "its file is broken now; the last good version stays:\n{report}");
            }
            None => tracing::info!(%pipeline, "its file is right again"),
        }
    }
    for pipeline in &changes.retired {
        tracing::info!(%pipeline, "its file is gone; what it has done stays");
    }
    for problem in &changes.problems {
        tracing::error!("no pipeline is loaded from `{}`:\n{}", problem.path, problem.report);
    }
}
