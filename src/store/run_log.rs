//! [`RunLog`] on the database.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::append::AppendError;
use super::{Store, StoreError};
use crate::engine::{EngineError, Handled, Lease, NewRun, Parked, Request, RunEvent, RunLog, StoredRun};
use crate::id::RunId;

/// Repeats `$try`, which gives an [`AppendError`] or a value, while the database is away for a moment or refuses
/// because of somebody else; `$retry` is in scope in it.
macro_rules! retried {
    ($store:expr, $doing:literal, $retry:ident => $try:expr) => {{
        let mut $retry = $store.retry();
        loop {
            match $try.await {
                Ok(value) => break Ok(value),
                Err(AppendError::Engine(error)) => break Err(error),
                Err(AppendError::Sql(error)) if $retry.again_after(&error).await => {}
                Err(AppendError::Sql(error)) => break Err($store.error($doing, error).into_engine($doing)),
            }
        }
    }};
}
pub(super) use retried;

#[async_trait]
impl RunLog for Store {
    async fn create(&self, run: NewRun, owner: &str, lease_for: Duration) -> Result<Lease, EngineError> {
        retried!(self, "record a run", retry => self.create_once(&run, owner, lease_for, retry.is_repeated()))
    }

    async fn submit(&self, run: NewRun) -> Result<(), EngineError> {
        retried!(self, "record a run", retry => self.submit_once(&run, retry.is_repeated()))
    }

    async fn append_answers(
        &self,
        lease: &Lease,
        expected_next: u64,
        events: &[RunEvent],
        handled: &[Handled],
    ) -> Result<(), EngineError> {
        retried!(self, "append events", retry => {
            self.append_once(lease, expected_next, events, handled, retry.is_repeated())
        })
    }

    async fn requests(&self, runs: &[RunId]) -> Result<Vec<Request>, EngineError> {
        retried!(self, "read requests", retry => self.open_requests_once(runs))
    }

    async fn park(&self, lease: &Lease, parked: &Parked) -> Result<(), EngineError> {
        retried!(self, "park a run", retry => self.park_once(lease, parked, retry.is_repeated()))
    }

    async fn run(&self, run: RunId) -> Result<StoredRun, EngineError> {
        retried!(self, "read a run", retry => self.run_once(run))
    }

    async fn events(&self, run: RunId) -> Result<Vec<RunEvent>, EngineError> {
        retried!(self, "read events", retry => self.events_once(run))
    }

    async fn claim(&self, run: RunId, owner: &str, lease_for: Duration) -> Result<Lease, EngineError> {
        retried!(self, "claim a run", retry => self.claim_once(run, owner, lease_for))
    }

    async fn renew(&self, lease: &Lease, lease_for: Duration) -> Result<(), EngineError> {
        retried!(self, "renew a lease", retry => self.change_lease_once(lease, Some(lease_for)))
    }

    async fn release(&self, lease: &Lease) -> Result<(), EngineError> {
        retried!(self, "give a lease back", retry => self.change_lease_once(lease, None))
    }
}

impl Store {
    async fn run_once(&self, run: RunId) -> Result<StoredRun, AppendError> {
        let mut session = self.database.begin(super::connection::Access::Read).await?;
        let sql = "select r.manifest_path, d.plan, d.environment, d.options from runs r
            join run_definitions d on d.run_id = r.run_id where r.run_id = $1";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        let row = rows.first().ok_or(EngineError::NoRun(run))?;
        let (plan, environment, options): (String, String, String) =
            (row.get("plan")?, row.get("environment")?, row.get("options")?);
        Ok(StoredRun {
            id: run,
            plan: serde_json::from_str(&plan).map_err(|error| corrupt(run, "plan", &error))?,
            manifest_path: row.get("manifest_path")?,
            environment: serde_json::from_str(&environment).map_err(|error| corrupt(run, "environment", &error))?,
            options: serde_json::from_str(&options).map_err(|error| corrupt(run, "options", &error))?,
        })
    }

    async fn events_once(&self, run: RunId) -> Result<Vec<RunEvent>, AppendError> {
        let mut session = self.database.begin(super::connection::Access::Read).await?;
        let sql = "select seq, at, event from events where run_id = $1 order by seq";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        if rows.is_empty() {
            let sql = "select next_seq from runs where run_id = $1";
            let found = session.fetch(sql, vec![run.to_string().into()]).await?;
            let next: i64 = found.first().ok_or(EngineError::NoRun(run))?.get("next_seq")?;
            if next > 1 {
                let reason = "its events are no longer kept; `phaseline rerun` makes a new run of it".to_owned();
                return Err(EngineError::Corrupt { run, reason }.into());
            }
        }
        let mut events = Vec::with_capacity(rows.len());
        for (expected, row) in (1..).zip(&rows) {
            let (seq, at, event): (i64, String, String) = (row.get("seq")?, row.get("at")?, row.get("event")?);
            if seq != expected {
                let reason = format!("event {expected} is missing");
                return Err(EngineError::Corrupt { run, reason }.into());
            }
            let at: DateTime<Utc> = at.parse().map_err(|error| corrupt(run, "time of an event", &error))?;
            let what = serde_json::from_str(&event).map_err(|error| corrupt(run, &format!("event {seq}"), &error))?;
            events.push(RunEvent { seq: seq.unsigned_abs(), at, what });
        }
        Ok(events)
    }
}

fn corrupt(run: RunId, what: &str, error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Corrupt { run, reason: format!("its {what} cannot be read: {error}") }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> EngineError {
        error.into_engine("use it")
    }
}
