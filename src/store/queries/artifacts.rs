//! Finding an artifact by its digest.

use serde::Serialize;

use super::super::connection::{Row, Session};
use super::super::{Store, StoreError};
use super::page::{KeyKind, Listing, Order, Page, PageRequest, row};
use super::{not_found, parsed};
use crate::artifact::{ArtifactRef, Digest};

/// The shortest beginning of a digest that is looked up.
const SHORTEST: usize = 4;

/// An artifact with the step that made it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArtifactDetail {
    /// The artifact.
    #[serde(flatten)]
    pub artifact: ArtifactRef,
    /// The pipeline of the run.
    pub pipeline: String,
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// The output; none for a bundle made in passing.
    pub output: Option<String>,
    /// When.
    pub created_at: String,
    /// When its bytes were freed; none while they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collected_at: Option<String>,
}

row! {
    /// An artifact in a list.
    pub struct ArtifactSummary {
        /// Its digest.
        pub digest: String,
        /// `table`, `model`, `transform`, `report` or `file`.
        pub kind: String,
        /// Size.
        pub bytes: i64,
        /// Rows, for tables.
        pub rows: Option<i64>,
        /// The pipeline that made it first.
        pub pipeline: String,
        /// The run.
        pub run_id: String,
        /// The step.
        pub step: String,
        /// The output; none for a bundle made in passing.
        pub output: Option<String>,
        /// When.
        pub created_at: String,
        /// When its bytes were freed; none while they are kept.
        pub collected_at: Option<String>,
    }
}

const SUMMARIES: &str =
    "select a.digest, a.kind, a.bytes, a.rows, r.pipeline, a.run_id, a.step, a.output, a.created_at,
        a.collected_at
    from artifacts a join runs r on r.run_id = a.run_id";

impl Store {
    /// The artifact of that digest as lists tell it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn artifact_summary(&self, digest: &str) -> Result<ArtifactSummary, StoreError> {
        let mut session = self.read("read an artifact").await?;
        let rows = session.fetch(format!("{SUMMARIES} where a.digest = $1"), vec![digest.into()]).await?;
        let row = rows.first().ok_or_else(|| not_found(format!("there is no artifact {digest}"), None))?;
        ArtifactSummary::read(row)
    }

    /// The artifact whose digest begins with `prefix`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none or more than one.
    pub async fn artifact(&self, prefix: &str) -> Result<ArtifactDetail, StoreError> {
        let mut session = self.read("look for an artifact").await?;
        find(&mut session, prefix).await
    }

    /// Artifacts, newest first: those that a run made or reused, or all; `kind` narrows them down.
    pub async fn artifacts_page(
        &self,
        run: Option<&str>,
        kind: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<ArtifactSummary>, StoreError> {
        let mut session = self.read("list artifacts").await?;
        let sql = format!(
            "{SUMMARIES} where ($1 = '' or a.digest in (select o.digest from step_outputs o where o.run_id = $1))
                and ($2 = '' or a.kind = $2)"
        );
        let columns = &[("a.created_at", KeyKind::Text), ("a.digest", KeyKind::Text)];
        let values = vec![run.unwrap_or_default().into(), kind.unwrap_or_default().into()];
        Listing { sql, values, order: Order { columns, is_descending: true } }
            .page(&mut session, request, ArtifactSummary::read)
            .await
    }
}

pub(super) async fn find(session: &mut Session<'_>, prefix: &str) -> Result<ArtifactDetail, StoreError> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.len() < SHORTEST || prefix.len() > 64 || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let help =
            format!("write at least {SHORTEST} of its 64 hexadecimal digits, as `phaseline show RUN` lists them");
        return Err(not_found(format!("`{prefix}` is not the beginning of a digest"), help));
    }
    // Everything that begins with these digits lies between them and them followed by a letter after `f`.
    let sql = "select a.digest, a.kind, a.bytes, a.rows, r.pipeline, a.run_id, a.step, a.output, a.created_at,
            a.collected_at
        from artifacts a join runs r on r.run_id = a.run_id
        where a.digest >= $1 and a.digest < $2 order by a.digest limit 2";
    let rows = session.fetch(sql, vec![prefix.as_str().into(), format!("{prefix}g").into()]).await?;
    match rows.as_slice() {
        [only] => detail(only),
        [] => Err(not_found(format!("no artifact has a digest that begins with `{prefix}`"), None)),
        _ => {
            let help = "write more of it".to_owned();
            Err(not_found(format!("several artifacts have digests that begin with `{prefix}`"), help))
        }
    }
}

fn detail(row: &Row) -> Result<ArtifactDetail, StoreError> {
    Ok(ArtifactDetail {
        artifact: reference(row, "digest", "kind", "bytes", "rows")?,
        pipeline: row.get("pipeline")?,
        run: row.get("run_id")?,
        step: row.get("step")?,
        output: row.get("output")?,
        created_at: row.get("created_at")?,
        collected_at: row.get("collected_at")?,
    })
}

/// An artifact from the columns of those names.
pub(in crate::store) fn reference(
    row: &Row,
    digest: &str,
    kind: &str,
    bytes: &str,
    rows: &str,
) -> Result<ArtifactRef, StoreError> {
    Ok(ArtifactRef {
        digest: parsed::<Digest>("digest", &row.get::<String>(digest)?)?,
        kind: parsed("kind of an artifact", &row.get::<String>(kind)?)?,
        bytes: row.get::<i64>(bytes)?.unsigned_abs(),
        rows: row.get::<Option<i64>>(rows)?.map(i64::unsigned_abs),
    })
}
