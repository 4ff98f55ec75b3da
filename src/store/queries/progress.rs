//! How far a run is, who drives it, and the events of one run.

use serde_json::Value;

use super::super::{Store, StoreError};
use super::page::row;
use crate::id::RunId;

row! {
    /// How many steps of a run are where.
    pub struct Progress {
        /// All of them.
        pub steps: i64,
        /// Those that wait.
        pub waiting: i64,
        /// Those that run.
        pub running: i64,
        /// Those with a result of this run.
        pub succeeded: i64,
        /// Those with an earlier result.
        pub reused: i64,
        /// Those that were given up.
        pub failed: i64,
        /// Those that will not run.
        pub skipped: i64,
        /// Those that were cancelled.
        pub cancelled: i64,
    }
}

row! {
    /// Who drives a run.
    pub struct RunLease {
        /// The process; none while nobody does.
        pub owner: Option<String>,
        /// How often the run has changed hands.
        pub epoch: i64,
        /// Until when, in milliseconds since 1970.
        pub expires_ms: i64,
        /// Whether that time has not come yet.
        pub is_held: bool,
        /// Whether daemons drive it; a run that somebody started in the foreground goes on there.
        pub is_shared: bool,
    }
}

/// Under what a run was made.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// The digest of the manifest's text.
    pub manifest_digest: String,
    /// The digest of the sealed success criteria.
    pub criteria_digest: Option<String>,
    /// Git commit, program version, host and the like.
    pub environment: Value,
}

/// One event of a run's log as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// Its place in the log.
    pub seq: u64,
    /// When it was decided.
    pub at: String,
    /// What happened: an object with `event`.
    pub what: Value,
}

impl Store {
    /// How many steps of the run are in which state.
    pub async fn progress(&self, run: RunId) -> Result<Progress, StoreError> {
        let mut session = self.read("read a run").await?;
        let sql = "select count(*) as steps, count(case when s.state = 'waiting' then 1 end) as waiting,
                count(case when s.state = 'running' then 1 end) as running,
                count(case when s.state = 'succeeded' then 1 end) as succeeded,
                count(case when s.state = 'reused' then 1 end) as reused,
                count(case when s.state = 'failed' then 1 end) as failed,
                count(case when s.state = 'skipped' then 1 end) as skipped,
                count(case when s.state = 'cancelled' then 1 end) as cancelled
            from steps s where s.run_id = $1";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        Progress::read(rows.first().ok_or(sqlx::Error::RowNotFound)?)
    }

    /// Under what the run was made.
    pub async fn run_facts(&self, run: RunId) -> Result<RunFacts, StoreError> {
        let mut session = self.read("read a run").await?;
        let sql = "select manifest_digest, criteria_digest, environment from lineage_runs where run_id = $1";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        let row = rows.first().ok_or(crate::engine::EngineError::NoRun(run))?;
        Ok(RunFacts {
            manifest_digest: row.get("manifest_digest")?,
            criteria_digest: row.get("criteria_digest")?,
            environment: super::json("environment of a run", &row.get::<String>("environment")?)?,
        })
    }

    /// Who drives the run.
    pub async fn run_lease(&self, run: RunId) -> Result<RunLease, StoreError> {
        let mut session = self.read("read a run").await?;
        let now_ms = session.now_ms().await?;
        let sql = "select lease_owner as owner, lease_epoch as epoch, lease_expires_ms as expires_ms,
                case when lease_owner is not null and lease_expires_ms > $2 then true else false end as is_held,
                shared as is_shared
            from runs where run_id = $1";
        let rows = session.fetch(sql, vec![run.to_string().into(), now_ms.into()]).await?;
        RunLease::read(rows.first().ok_or(crate::engine::EngineError::NoRun(run))?)
    }

    /// The params of a run, by name.
    pub async fn run_params(&self, run: RunId) -> Result<Vec<(String, String)>, StoreError> {
        let mut session = self.read("read a run").await?;
        let sql = "select param, value from params where run_id = $1 and step = '' order by param";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        rows.iter().map(|row| Ok((row.get("param")?, row.get("value")?))).collect()
    }

    /// What was asked with a run.
    pub async fn run_options(&self, run: RunId) -> Result<Value, StoreError> {
        let mut session = self.read("read a run").await?;
        let sql = "select options from run_definitions where run_id = $1";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        let row = rows.first().ok_or(crate::engine::EngineError::NoRun(run))?;
        super::json("options of a run", &row.get::<String>("options")?)
    }

    /// The next `limit` events of a run after its event `seq`.
    pub async fn events_after(&self, run: RunId, seq: u64, limit: u32) -> Result<Vec<LoggedEvent>, StoreError> {
        let mut session = self.read("read events").await?;
        let sql = "select seq, at, event from events where run_id = $1 and seq > $2 order by seq limit $3";
        let rows = session.fetch(sql, vec![run.to_string().into(), seq.into(), limit.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(LoggedEvent {
                    seq: row.get::<i64>("seq")?.unsigned_abs(),
                    at: row.get("at")?,
                    what: super::json("event", &row.get::<String>("event")?)?,
                })
            })
            .collect()
    }
}
