//! The manifests that daemons have loaded.

use super::super::{Store, StoreError};

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
}
