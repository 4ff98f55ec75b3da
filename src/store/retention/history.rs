//! Rows that are deleted by age, in batches that never hold a lock for long.
//!
//! Runs, their steps, attempts, gates, metrics and lineage stay. What goes is what only matters for a time: the events
//! from which an ended run could be resumed, and notes for readers who have long read them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::store::connection::Access;
use crate::store::retry::repeated;
use crate::store::time::text;
use crate::store::{Store, StoreError};

/// How many rows, or runs whose events go, one transaction deletes.
const BATCH: u32 = 500;
const RUNS_BATCH: u32 = 20;

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryAges {
    /// Events of runs, from the end of the run on: so long it can be resumed.
    pub events: Duration,
    /// The audit log.
    pub audit: Duration,
    /// Ticks of schedules and deliveries of notifications.
    pub ticks: Duration,
    /// What followers may still read, and answers to repeated requests.
    pub outbox: Duration,
}

impl Default for HistoryAges {
    fn default() -> HistoryAges {
        const DAY: Duration = Duration::from_hours(24);
        HistoryAges { events: DAY * 90, audit: DAY * 365, ticks: DAY * 90, outbox: DAY * 7 }
    }
}

/// How many rows were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct History {
    /// Events of ended runs.
    pub events: u64,
    /// Rows that followers had read.
    pub outbox: u64,
    /// Entries of the audit log.
    pub audit: u64,
    /// Kept answers.
    pub idempotency: u64,
    /// Notifications that were delivered or given up.
    pub deliveries: u64,
    /// Ticks of schedules, but for the last of each trigger.
    pub ticks: u64,
    /// Daemons that are gone.
    pub daemons: u64,
}

const EVENTS: &str = "delete from events where run_id in (
    select r.run_id from runs r where r.finished_at < $1
        and exists (select 1 from events e where e.run_id = r.run_id)
        and not exists (select 1 from outbox o where o.run_id = r.run_id)
    order by r.finished_at limit $2)";
const AUDIT: &str =
    "delete from audit where position in (select position from audit where at < $1 order by at limit $2)";
const IDEMPOTENCY: &str = "delete from idempotency where created_at < $1 and (who, route, key) in (
    select who, route, key from idempotency where created_at < $1 limit $2)";
const DELIVERIES: &str = "delete from deliveries where delivery_id in (
    select delivery_id from deliveries where created_at < $1 and state <> 'waiting' limit $2)";
// A file or a run that is still there would fire again; of a schedule only the last tick tells where it stands.
const TICKS: &str = "delete from ticks where decided_at < $1 and (pipeline, trigger_name, nominal) in (
    select t.pipeline, t.trigger_name, t.nominal from ticks t
        join triggers g on g.pipeline = t.pipeline and g.trigger_name = t.trigger_name
    where t.decided_at < $1 and g.kind in ('cron', 'every')
        and exists (select 1 from ticks n where n.pipeline = t.pipeline and n.trigger_name = t.trigger_name
            and n.nominal > t.nominal)
    limit $2)";

impl Store {
    /// Deletes rows older than `ages`, batch by batch.
    ///
    /// # Errors
    /// When the database does not answer; what was deleted until then stays deleted.
    pub async fn clear_history(&self, ages: &HistoryAges, now: DateTime<Utc>) -> Result<History, StoreError> {
        let before = |age: Duration| now - TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
        let mut outbox = 0;
        loop {
            match self.clear_outbox(ages.outbox, BATCH).await? {
                0 => break,
                count => outbox += count,
            }
        }
        Ok(History {
            outbox,
            events: self.delete_all(EVENTS, before(ages.events), RUNS_BATCH).await?,
            audit: self.delete_all(AUDIT, before(ages.audit), BATCH).await?,
            idempotency: self.delete_all(IDEMPOTENCY, before(ages.outbox), BATCH).await?,
            deliveries: self.delete_all(DELIVERIES, before(ages.ticks), BATCH).await?,
            ticks: self.delete_all(TICKS, before(ages.ticks), BATCH).await?,
            daemons: self.forget_daemons(before(ages.outbox)).await?,
        })
    }

    async fn delete_all(&self, sql: &'static str, before: DateTime<Utc>, batch: u32) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let once = async || {
                let mut session = self.database.begin(Access::Write).await?;
                let count = session.execute(sql, vec![text(before).into(), batch.into()]).await?;
                session.commit().await?;
                Ok(count)
            };
            match repeated!(self, "delete old rows", once())? {
                0 => return Ok(deleted),
                count => deleted += count,
            }
            // Others may have waited for their turn to write.
            tokio::task::yield_now().await;
        }
    }

    async fn forget_daemons(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let once = async || {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "delete from daemons where beat_ms < $1";
            let count = session.execute(sql, vec![before.timestamp_millis().into()]).await?;
            session.commit().await?;
            Ok(count)
        };
        repeated!(self, "forget daemons that are gone", once())
    }
}
