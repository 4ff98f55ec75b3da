//! The pipelines that daemons have loaded, and the files that none could be loaded from.

use chrono::Utc;
use serde::Serialize;

use super::connection::{Access, Row, Session, Value};
use super::retry::repeated;
use super::rows::insert;
use super::time::text;
use super::{Store, StoreError};
use crate::artifact::Digest;
use crate::fault;
use crate::id::PipelineName;

/// A good version of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptManifest {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The file, as an absolute path.
    pub path: String,
    /// The digest of its text.
    pub digest: Digest,
    /// Its text.
    pub text: String,
    /// What it is.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
}

/// A file that no version of a pipeline comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestProblem {
    /// The file, as an absolute path.
    pub path: String,
    /// The pipeline that it names, if that much could be read.
    pub pipeline: Option<PipelineName>,
    /// What is the matter with it.
    pub kind: ProblemKind,
    /// The full report.
    pub report: String,
}

/// What is the matter with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// It has mistakes.
    Broken,
    /// Another file has a pipeline of the same name.
    Duplicate,
}

/// What has changed among the manifests below a folder.
#[derive(Debug, Clone, Default)]
pub struct ManifestChanges {
    /// New good versions.
    pub kept: Vec<KeptManifest>,
    /// Pipelines whose newer text is broken, with the report; without one the text is good again.
    pub broken: Vec<(PipelineName, Option<String>)>,
    /// Pipelines whose file is gone.
    pub retired: Vec<PipelineName>,
    /// Problems that are new or read differently.
    pub problems: Vec<ManifestProblem>,
    /// Files that have none any more.
    pub solved: Vec<String>,
}

impl ManifestChanges {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        let ManifestChanges { kept, broken, retired, problems, solved } = self;
        kept.is_empty() && broken.is_empty() && retired.is_empty() && problems.is_empty() && solved.is_empty()
    }
}

/// A pipeline, or a file that should be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineEntry {
    /// Its name, if that much is known.
    pub pipeline: Option<String>,
    /// `ready`, `broken_edit` (the last good version counts), `paused`, `retired`, `broken` or `duplicate`.
    pub state: &'static str,
    /// The file.
    pub manifest_path: String,
    /// The digest of the last good text.
    pub manifest_digest: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// When the last good version was loaded, or the problem noted.
    pub loaded_at: String,
    /// Which daemon did.
    pub loaded_by: String,
    /// What is wrong with the file as it is now.
    pub broken: Option<String>,
    /// Since when no new run of it starts.
    pub paused_at: Option<String>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Why.
    pub paused_because: Option<String>,
    /// When its file was gone.
    pub retired_at: Option<String>,
}

/// Stands for words that cannot be read.
const UNREADABLE: &str = "(cannot be read)";

impl Store {
    /// Records what a daemon has found in its folder, all of it or nothing.
    pub async fn record_manifests(&self, changes: &ManifestChanges, by: &str) -> Result<(), StoreError> {
        repeated!(self, "record pipelines", self.record_manifests_once(changes, by))
    }

    async fn record_manifests_once(&self, changes: &ManifestChanges, by: &str) -> Result<(), sqlx::Error> {
        let now = || Value::from(text(Utc::now()));
        let mut session = self.database.begin(Access::Write).await?;
        let kept = changes.kept.iter().map(|kept| {
            vec![
                kept.pipeline.as_str().into(),
                kept.path.as_str().into(),
                kept.digest.to_string().into(),
                kept.text.as_str().into(),
                kept.description.clone().into(),
                kept.owner.clone().into(),
                now(),
                by.into(),
            ]
        });
        let into = "insert into pipelines
            (pipeline, manifest_path, manifest_digest, manifest_text, description, owner, loaded_at, loaded_by)";
        let conflict = "on conflict (pipeline) do update set manifest_path = excluded.manifest_path,
            manifest_digest = excluded.manifest_digest, manifest_text = excluded.manifest_text,
            description = excluded.description, owner = excluded.owner, loaded_at = excluded.loaded_at,
            loaded_by = excluded.loaded_by, broken = null, broken_at = null, retired_at = null";
        insert(&mut session, into, conflict, kept.collect()).await?;
        for (pipeline, report) in &changes.broken {
            let sql = "update pipelines set broken = $2, broken_at = $3 where pipeline = $1";
            let at = report.as_ref().map(|_| text(Utc::now()));
            session.execute(sql, vec![pipeline.as_str().into(), report.clone().into(), at.into()]).await?;
        }
        for pipeline in &changes.retired {
            let sql = "update pipelines set retired_at = $2 where pipeline = $1 and retired_at is null";
            session.execute(sql, vec![pipeline.as_str().into(), now()]).await?;
        }
        let problems = changes.problems.iter().map(|problem| {
            vec![
                problem.path.as_str().into(),
                problem.pipeline.as_ref().map(PipelineName::as_str).into(),
                problem.kind.as_str().into(),
                problem.report.as_str().into(),
                now(),
                by.into(),
            ]
        });
        let into = "insert into manifest_problems (manifest_path, pipeline, kind, report, noted_at, noted_by)";
        let conflict = "on conflict (manifest_path) do update set pipeline = excluded.pipeline,
            kind = excluded.kind, report = excluded.report, noted_at = excluded.noted_at,
            noted_by = excluded.noted_by";
        insert(&mut session, into, conflict, problems.collect()).await?;
        for path in &changes.solved {
            let sql = "delete from manifest_problems where manifest_path = $1";
            session.execute(sql, vec![path.as_str().into()]).await?;
        }
        fault::point("pipelines.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await?;
        fault::point("pipelines.after_commit").map_err(sqlx::Error::Io)
    }

    /// All pipelines and all files with problems, by name and path.
    pub async fn pipelines(&self) -> Result<Vec<PipelineEntry>, StoreError> {
        let mut session = self.read("list pipelines").await?;
        let mut entries = pipelines(&mut session, "").await?;
        let sql = "select manifest_path, pipeline, kind, report, noted_at, noted_by from manifest_problems
            order by manifest_path";
        let rows = session.fetch(sql, vec![]).await?;
        entries.extend(readable(&rows, "a manifest's problem", problem));
        entries
            .sort_by(|left, right| (&left.pipeline, &left.manifest_path).cmp(&(&right.pipeline, &right.manifest_path)));
        Ok(entries)
    }

    /// One pipeline; none if no daemon has ever loaded one of that name.
    pub async fn pipeline(&self, name: &str) -> Result<Option<PipelineEntry>, StoreError> {
        let mut session = self.read("look for a pipeline").await?;
        Ok(pipelines(&mut session, name).await?.into_iter().next())
    }

    /// The last good versions of all pipelines, for a daemon that starts.
    pub async fn kept_manifests(&self) -> Result<Vec<KeptManifest>, StoreError> {
        let mut session = self.read("list pipelines").await?;
        let sql = "select pipeline, manifest_path, manifest_digest, manifest_text, description, owner from pipelines
            where retired_at is null order by pipeline";
        let rows = session.fetch(sql, vec![]).await?;
        let read = |row: &Row| -> Result<KeptManifest, StoreError> {
            Ok(KeptManifest {
                pipeline: super::queries::parsed("pipeline name", &row.get::<String>("pipeline")?)?,
                path: row.get("manifest_path")?,
                digest: super::queries::parsed("digest of a manifest", &row.get::<String>("manifest_digest")?)?,
                text: row.get("manifest_text")?,
                description: row.get("description")?,
                owner: row.get("owner")?,
            })
        };
        // The file of one that is left out is read again anyway.
        Ok(readable(&rows, "a kept manifest", read).collect())
    }
}

impl ProblemKind {
    /// The kind as it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            ProblemKind::Broken => "broken",
            ProblemKind::Duplicate => "duplicate",
        }
    }
}

async fn pipelines(session: &mut Session<'_>, name: &str) -> Result<Vec<PipelineEntry>, StoreError> {
    let sql = "select pipeline, manifest_path, manifest_digest, description, owner, loaded_at, loaded_by, retired_at,
            broken, paused_at, paused_by, paused_because
        from pipelines where pipeline = $1 or $1 = '' order by pipeline";
    let rows = session.fetch(sql, vec![name.into()]).await?;
    Ok(readable(&rows, "a pipeline", entry).collect())
}

/// The rows that make sense: one that does not must not hide the others.
fn readable<T, E: std::fmt::Display>(
    rows: &[Row],
    what: &'static str,
    read: impl Fn(&Row) -> Result<T, E>,
) -> impl Iterator<Item = T> {
    rows.iter().filter_map(move |row| {
        read(row).inspect_err(|error| tracing::warn!(%error, "{what} cannot be read and is left out")).ok()
    })
}

fn entry(row: &Row) -> Result<PipelineEntry, sqlx::Error> {
    let words = |column| row.get::<Option<String>>(column).unwrap_or_else(|_| Some(UNREADABLE.to_owned()));
    let (broken, paused_at, retired_at) = (words("broken"), words("paused_at"), words("retired_at"));
    let state = match (&retired_at, &paused_at, &broken) {
        (Some(_), _, _) => "retired",
        (None, Some(_), _) => "paused",
        (None, None, Some(_)) => "broken_edit",
        (None, None, None) => "ready",
    };
    Ok(PipelineEntry {
        pipeline: row.get("pipeline")?,
        state,
        manifest_path: row.get("manifest_path")?,
        manifest_digest: words("manifest_digest"),
        description: words("description"),
        owner: words("owner"),
        loaded_at: words("loaded_at").unwrap_or_default(),
        loaded_by: words("loaded_by").unwrap_or_default(),
        broken,
        paused_at,
        paused_by: words("paused_by"),
        paused_because: words("paused_because"),
        retired_at,
    })
}

fn problem(row: &Row) -> Result<PipelineEntry, StoreError> {
    let kind: String = row.get("kind")?;
    Ok(PipelineEntry {
        pipeline: row.get("pipeline")?,
        state: if kind == "duplicate" { "duplicate" } else { "broken" },
        manifest_path: row.get("manifest_path")?,
        manifest_digest: None,
        description: None,
        owner: None,
        loaded_at: row.get("noted_at")?,
        loaded_by: row.get("noted_by")?,
        broken: row.get("report")?,
        paused_at: None,
        paused_by: None,
        paused_because: None,
        retired_at: None,
    })
}
