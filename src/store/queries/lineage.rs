//! What went into an artifact, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::connection::{Many, Session};
use super::super::{Store, StoreError};
use super::artifacts::find;
use super::not_found;

/// Which way to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what went into it.
    Up,
    /// To what came of it.
    Down,
}

/// One artifact in a lineage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LineageNode {
    /// Its digest.
    pub digest: String,
    /// What it holds.
    pub kind: String,
    /// Rows, for tables.
    pub rows: Option<i64>,
    /// Size.
    pub bytes: i64,
    /// The pipeline that made it first.
    pub pipeline: String,
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// The kind of that step.
    pub uses: String,
    /// The output; none for a bundle made in passing.
    pub output: Option<String>,
    /// The model versions that it is, as `churn@3`.
    pub models: Vec<String>,
}

/// An artifact with everything on one side of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LineageGraph {
    /// The digest of the artifact that was asked about.
    pub root: String,
    /// All artifacts, the root among them, by digest.
    pub nodes: BTreeMap<String, LineageNode>,
    /// From each artifact to those it was made from, or, on the way down, to those made from it.
    pub edges: BTreeMap<String, Vec<String>>,
}

impl Store {
    /// The lineage of a model (`churn`, `churn@champion`, `churn@3`) or of an artifact by the beginning of its digest.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is neither.
    pub async fn lineage(&self, subject: &str, direction: Direction) -> Result<LineageGraph, StoreError> {
        let model = self.find_model(subject).await?;
        let mut session = self.read("walk the lineage").await?;
        let root = match model {
            Some(version) => version.bundle,
            None => match find(&mut session, subject).await {
                Ok(found) => found.artifact.digest.to_string(),
                Err(StoreError::NotFound { .. }) if !is_digest(subject) => {
                    return Err(self.no_such_model(&mut session, subject).await?);
                }
                Err(other) => return Err(other),
            },
        };
        let edges = edges(&mut session, &root, direction).await?;
        let digests = edges.iter().flat_map(|(digest, others)| others.iter().chain([digest]));
        let digests: BTreeSet<String> = digests.cloned().chain([root.clone()]).collect();
        Ok(LineageGraph { nodes: nodes(&mut session, digests).await?, root, edges })
    }

    async fn no_such_model(&self, session: &mut Session<'_>, subject: &str) -> Result<StoreError, StoreError> {
        let rows = session.fetch("select endpoint from endpoints order by endpoint", vec![]).await?;
        let names = rows.iter().map(|row| row.get("endpoint")).collect::<Result<Vec<String>, _>>()?;
        let help = match names.as_slice() {
            [] => "no model is registered yet; the beginning of an artifact's digest will do as well".to_owned(),
            names => format!("the models are {}; the beginning of a digest will do as well", names.join(", ")),
        };
        Ok(not_found(format!("there is no model `{subject}`"), help))
    }
}

fn is_digest(text: &str) -> bool {
    text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// All edges that can be reached from `root`, level by level, so that circles and shared parts are walked once.
async fn edges(
    session: &mut Session<'_>,
    root: &str,
    direction: Direction,
) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
    let before = match direction {
        Direction::Up => "select d.to_digest as near, d.from_digest as far from (",
        Direction::Down => "select d.from_digest as near, d.to_digest as far from (",
    };
    let after = match direction {
        Direction::Up => ") as v join derivations d on d.to_digest = v.column1 order by near, far",
        Direction::Down => ") as v join derivations d on d.from_digest = v.column1 order by near, far",
    };
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = BTreeSet::from([root.to_owned()]);
    let mut level = vec![root.to_owned()];
    while !level.is_empty() {
        let rows = level.drain(..).map(|digest| vec![digest.into()]).collect();
        for row in session.fetch_rows(Many { before, after }, rows).await? {
            let (near, far): (String, String) = (row.get("near")?, row.get("far")?);
            if seen.insert(far.clone()) {
                level.push(far.clone());
            }
            edges.entry(near).or_default().push(far);
        }
    }
    Ok(edges)
}

async fn nodes(
    session: &mut Session<'_>,
    digests: BTreeSet<String>,
) -> Result<BTreeMap<String, LineageNode>, StoreError> {
    let rows: Vec<_> = digests.into_iter().map(|digest| vec![digest.into()]).collect();
    let many = Many {
        before: "select a.digest, a.kind, a.rows, a.bytes, r.pipeline, a.run_id, a.step, coalesce(s.kind, '') as uses,
                a.output
            from (",
        after: ") as v join artifacts a on a.digest = v.column1 join runs r on r.run_id = a.run_id
            left join steps s on s.run_id = a.run_id and s.step = a.step",
    };
    let mut nodes = BTreeMap::new();
    for row in session.fetch_rows(many, rows.clone()).await? {
        let node = LineageNode {
            digest: row.get("digest")?,
            kind: row.get("kind")?,
            rows: row.get("rows")?,
            bytes: row.get("bytes")?,
            pipeline: row.get("pipeline")?,
            run: row.get("run_id")?,
            step: row.get("step")?,
            uses: row.get("uses")?,
            output: row.get("output")?,
            models: vec![],
        };
        nodes.insert(node.digest.clone(), node);
    }
    let many = Many {
        before: "select v.column1 as digest, m.model, m.version from (",
        after: ") as v join model_versions m on m.bundle = v.column1 or m.digest = v.column1 order by m.model, m.version",
    };
    for row in session.fetch_rows(many, rows).await? {
        let (digest, model, version): (String, String, i64) =
            (row.get("digest")?, row.get("model")?, row.get("version")?);
        if let Some(node) = nodes.get_mut(&digest) {
            node.models.push(format!("{model}@{version}"));
        }
    }
    Ok(nodes)
}
