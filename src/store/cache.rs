//! [`CacheIndex`] on the database.

use async_trait::async_trait;

use super::Store;
use super::append::AppendError;
use super::connection::{Access, Many, Row};
use super::queries::reference;
use super::run_log::retried;
use crate::artifact::ArtifactRef;
use crate::engine::{CacheIndex, CacheKey, CachedResult, EngineError, KeyParts};
use crate::id::{OutputName, PipelineName, StepName};

#[async_trait]
impl CacheIndex for Store {
    async fn lookup(&self, keys: &[CacheKey]) -> Result<Vec<(CacheKey, CachedResult)>, EngineError> {
        retried!(self, "look up cached results", retry => self.lookup_once(keys))
    }

    async fn forget(&self, key: CacheKey) -> Result<(), EngineError> {
        retried!(self, "forget a cached result", retry => self.forget_once(key))
    }

    async fn last_parts(&self, pipeline: &PipelineName) -> Result<Vec<(StepName, KeyParts)>, EngineError> {
        retried!(self, "read the latest keys", retry => self.last_parts_once(pipeline))
    }

    async fn former(
        &self,
        pipeline: &PipelineName,
        step: &StepName,
    ) -> Result<Vec<(OutputName, ArtifactRef)>, EngineError> {
        retried!(self, "read what the last run made", retry => self.former_once(pipeline, step))
    }
}

impl Store {
    async fn lookup_once(&self, keys: &[CacheKey]) -> Result<Vec<(CacheKey, CachedResult)>, AppendError> {
        let mut session = self.database.begin(Access::Read).await?;
        let many = Many {
            before: "select c.key, c.attempt_id, c.outcome from (",
            after: ") as v join cache_entries c on c.key = v.column1",
        };
        let rows = session.fetch_rows(many, keys.iter().map(|key| vec![key.to_string().into()]).collect()).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            // An entry that cannot be read, perhaps since another version wrote it, is as good as none.
            match entry(&row) {
                Some(entry) => found.push(entry),
                None => tracing::warn!("a cached result cannot be read and is ignored"),
            }
        }
        Ok(found)
    }

    async fn forget_once(&self, key: CacheKey) -> Result<(), AppendError> {
        let mut session = self.database.begin(Access::Write).await?;
        session.execute("delete from cache_entries where key = $1", vec![key.to_string().into()]).await?;
        session.commit().await?;
        Ok(())
    }

    async fn last_parts_once(&self, pipeline: &PipelineName) -> Result<Vec<(StepName, KeyParts)>, AppendError> {
        let mut session = self.database.begin(Access::Read).await?;
        let sql = "select step, parts from step_keys where pipeline = $1 order by step";
        let rows = session.fetch(sql, vec![pipeline.as_str().into()]).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.extend(latest(&row));
        }
        Ok(found)
    }

    async fn former_once(
        &self,
        pipeline: &PipelineName,
        step: &StepName,
    ) -> Result<Vec<(OutputName, ArtifactRef)>, AppendError> {
        let mut session = self.database.begin(Access::Read).await?;
        let sql = "select o.output, a.digest, a.kind, a.bytes, a.rows
            from step_outputs o join artifacts a on a.digest = o.digest
            where o.step = $2 and o.run_id = (
                select r.run_id from runs r join steps s on s.run_id = r.run_id and s.step = $2
                where r.pipeline = $1 and r.state = 'succeeded' and s.state in ('succeeded', 'reused')
                order by r.finished_at desc, r.run_id desc limit 1)";
        let rows = session.fetch(sql, vec![pipeline.as_str().into(), step.as_str().into()]).await?;
        Ok(rows.iter().filter_map(made).collect())
    }
}

fn made(row: &Row) -> Option<(OutputName, ArtifactRef)> {
    let artifact = reference(row, "digest", "kind", "bytes", "rows").ok()?;
    Some((row.get::<String>("output").ok()?.parse().ok()?, artifact))
}

fn entry(row: &Row) -> Option<(CacheKey, CachedResult)> {
    let text = |column| row.get::<String>(column).ok();
    let key = CacheKey(text("key")?.parse().ok()?);
    let outcome = serde_json::from_str(&text("outcome")?).ok()?;
    Some((key, CachedResult { made_by: text("attempt_id")?.parse().ok()?, outcome }))
}

/// What went into a step's latest key; none if it cannot be read: it only explains why a step runs.
fn latest(row: &Row) -> Option<(StepName, KeyParts)> {
    let text = |column| row.get::<String>(column).ok();
    Some((text("step")?.parse().ok()?, serde_json::from_str(&text("parts")?).ok()?))
}
