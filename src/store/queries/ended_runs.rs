//! What triggers look at: the ends of runs, and what was measured in the latest of them.

use chrono::{DateTime, Utc};

use super::super::{Store, StoreError, time};
use super::parsed;
use crate::id::RunId;

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRun {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub state: String,
    /// When.
    pub finished_at: DateTime<Utc>,
}

/// How many ended runs are taken up at once.
const AT_ONCE: u32 = 100;

impl Store {
    /// The runs of `upstream` that have ended since a time and have made no tick of the trigger, oldest first.
    pub async fn ended_without_tick(
        &self,
        upstream: &str,
        since: DateTime<Utc>,
        pipeline: &str,
        trigger: &str,
    ) -> Result<Vec<EndedRun>, StoreError> {
        let mut session = self.read("look for runs that have ended").await?;
        let sql = "select r.run_id, r.state, r.finished_at from runs r
            where r.pipeline = $1 and r.finished_at > $2 and not exists (select 1 from ticks t
                where t.pipeline = $3 and t.trigger_name = $4 and t.nominal = r.run_id)
            order by r.finished_at, r.run_id limit $5";
        let values = vec![upstream.into(), time::text(since).into(), pipeline.into(), trigger.into(), AT_ONCE.into()];
        session.fetch(sql, values).await?.iter().map(ended).collect()
    }

    /// The run of a pipeline that ended last.
    pub async fn last_ended(&self, pipeline: &str) -> Result<Option<EndedRun>, StoreError> {
        let mut session = self.read("look for the latest run").await?;
        let sql = "select run_id, state, finished_at from runs where pipeline = $1 and finished_at is not null
            order by finished_at desc, run_id desc limit 1";
        session.fetch(sql, vec![pipeline.into()]).await?.first().map(ended).transpose()
    }

    /// What the steps of a run have measured over all rows: step, metric and value.
    pub async fn metrics_of_run(&self, run: RunId) -> Result<Vec<(String, String, Option<f64>)>, StoreError> {
        let mut session = self.read("read metrics").await?;
        let sql = "select s.step, m.metric, m.value from steps s join metrics m on m.attempt_id = s.attempt_id
            where s.run_id = $1 and m.slice is null order by s.position, m.position limit 20000";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        Ok(rows
            .iter()
            .map(|row| Ok((row.get("step")?, row.get("metric")?, row.get("value")?)))
            .collect::<Result<_, sqlx::Error>>()?)
    }
}

fn ended(row: &super::super::connection::Row) -> Result<EndedRun, StoreError> {
    Ok(EndedRun {
        run: parsed("run id", &row.get::<String>("run_id")?)?,
        state: row.get("state")?,
        finished_at: parsed("end of a run", &row.get::<String>("finished_at")?)?,
    })
}
