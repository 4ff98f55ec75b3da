//! The manifests that daemons have loaded, and those of runs.

use super::super::{Store, StoreError};
use crate::engine::EngineError;
use crate::id::RunId;

impl Store {
    /// Path and text of the last good manifest of a pipeline; none if no daemon has loaded one of that name.
    pub async fn manifest_of(&self, pipeline: &str) -> Result<Option<(String, String)>, StoreError> {
        let mut session = self.read("look for a pipeline").await?;
        let sql = "select manifest_path, manifest_text from pipelines where pipeline = $1 and retired_at is null";
        let rows = session.fetch(sql, vec![pipeline.into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some((row.get("manifest_path")?, row.get("manifest_text")?)))
    }

    /// The names of all pipelines that daemons have loaded.
    pub async fn pipeline_names(&self) -> Result<Vec<String>, StoreError> {
        let mut session = self.read("list pipelines").await?;
        let rows =
            session.fetch("select pipeline from pipelines where retired_at is null order by pipeline", vec![]).await?;
        Ok(rows.iter().map(|row| row.get("pipeline")).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Path and text of the manifest that a run has for life.
    pub async fn manifest_of_run(&self, run: RunId) -> Result<(String, String), StoreError> {
        let mut session = self.read("read the manifest of a run").await?;
        let sql = "select r.manifest_path, d.manifest_text from runs r
            join run_definitions d on d.run_id = r.run_id where r.run_id = $1";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        let row = rows.first().ok_or(EngineError::NoRun(run))?;
        Ok((row.get("manifest_path")?, row.get("manifest_text")?))
    }

    /// How urgent a run is.
    pub async fn priority_of(&self, run: RunId) -> Result<i32, StoreError> {
        let mut session = self.read("read the priority of a run").await?;
        let sql = "select priority from runs where run_id = $1";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        let priority: i64 = rows.first().ok_or(EngineError::NoRun(run))?.get("priority")?;
        i32::try_from(priority)
            .map_err(|error| StoreError::Corrupt { what: "priority of a run", reason: error.to_string() })
    }
}
