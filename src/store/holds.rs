//! Triggers that are held back, one by one or all of a pipeline.

use chrono::{DateTime, Utc};

use super::connection::Value;
use super::retry::written;
use super::time::text;
use super::{Store, StoreError};

/// Who holds something back, why, and when.
type Hold<'hold> = Option<(&'hold str, Option<&'hold str>, DateTime<Utc>)>;

impl Store {
    /// Holds all triggers of a pipeline back, or lets them go on, and tells whether they were held back before; none if
    /// there is no such pipeline.
    pub async fn hold_pipeline(&self, pipeline: &str, hold: Hold<'_>) -> Result<Option<bool>, StoreError> {
        written!(self, "pause or resume a pipeline", session => {
            // Written first, so that Postgres locks the row before it is judged.
            let sql = "update pipelines set paused_at = paused_at where pipeline = $1";
            if session.execute(sql, vec![pipeline.into()]).await? == 0 {
                return Ok(None);
            }
            let sql = "select paused_at from pipelines where pipeline = $1";
            let was_paused =
                session.fetch(sql, vec![pipeline.into()]).await?[0].get::<Option<String>>("paused_at")?.is_some();
            if was_paused != hold.is_some() {
                let sql =
                    "update pipelines set paused_at = $2, paused_by = $3, paused_because = $4 where pipeline = $1";
                let values: Vec<Value> = vec![
                    pipeline.into(),
                    hold.map(|(.., at)| text(at)).into(),
                    hold.map(|(by, ..)| by).into(),
                    hold.and_then(|(_, because, _)| because).into(),
                ];
                session.execute(sql, values).await?;
            }
            Some(was_paused)
        })
    }

    /// The same for one trigger.
    pub async fn hold_trigger(
        &self,
        pipeline: &str,
        trigger: &str,
        hold: Hold<'_>,
    ) -> Result<Option<bool>, StoreError> {
        written!(self, "pause or resume a trigger", session => {
            let key = || vec![Value::from(pipeline), trigger.into()];
            let sql = "update triggers set paused_at = paused_at where pipeline = $1 and trigger_name = $2";
            if session.execute(sql, key()).await? == 0 {
                return Ok(None);
            }
            let sql = "select paused_at from triggers where pipeline = $1 and trigger_name = $2";
            let was_paused = session.fetch(sql, key()).await?[0].get::<Option<String>>("paused_at")?.is_some();
            if was_paused != hold.is_some() {
                let sql =
                    "update triggers set paused_at = $3, paused_by = $4 where pipeline = $1 and trigger_name = $2";
                let mut values = key();
                values.extend([hold.map(|(.., at)| text(at)).into(), hold.map(|(by, ..)| by).into()]);
                session.execute(sql, values).await?;
            }
            Some(was_paused)
        })
    }

    /// The names of the triggers of a pipeline.
    pub async fn trigger_names(&self, pipeline: &str) -> Result<Vec<String>, StoreError> {
        let mut session = self.read("list triggers").await?;
        let sql = "select trigger_name from triggers where pipeline = $1 order by trigger_name";
        let rows = session.fetch(sql, vec![pipeline.into()]).await?;
        Ok(rows.iter().map(|row| row.get("trigger_name")).collect::<Result<_, sqlx::Error>>()?)
    }
}
