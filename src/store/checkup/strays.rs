//! Rows that should not be as they are, or not for long: runs that nobody drives, slots of attempts that have ended, ...

use std::collections::BTreeMap;

use crate::id::{AttemptId, RunId};
use crate::store::connection::{Many, Row};
use crate::store::pending::QUARANTINED;
use crate::store::queries::parsed;
use crate::store::{Store, StoreError};

/// How many rows of a kind are told at most.
const MOST: u32 = 1000;
/// How many ended runs are looked through for attempts that have not ended.
const LAST_RUNS: u32 = 1000;

/// A run that has not ended and does not wait for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// The run.
    pub run: RunId,
    /// Its pipeline.
    pub pipeline: String,
    /// Who drives it, or drove it last.
    pub owner: Option<String>,
    /// Whether the lease counts.
    pub is_held: bool,
    /// For how long nobody has driven it, in milliseconds; negative while somebody does. None if nobody ever has.
    pub undriven_ms: Option<i64>,
    /// When it was asked for, as stored.
    pub created_at: String,
    /// Whether daemons drive it.
    pub is_shared: bool,
    /// When it is to be looked at again, in milliseconds since 1970.
    pub wake_ms: Option<i64>,
    /// Whether it has not begun since its pipeline is paused.
    pub is_held_back: bool,
}

/// A run that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRun {
    /// The run.
    pub run: String,
    /// Its pipeline.
    pub pipeline: String,
    /// Why.
    pub because: String,
}

/// An attempt that counts as running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningAttempt {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its run.
    pub run: RunId,
    /// Its step.
    pub step: String,
    /// The machine that runs it, if that is known.
    pub host: Option<String>,
    /// Whether somebody drives its run.
    pub is_driven: bool,
    /// How its run ended, if it has.
    pub ended: Option<String>,
}

/// A slot that is taken for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StraySlot {
    /// The attempt.
    pub attempt: String,
    /// Its run.
    pub run: String,
    /// Its step.
    pub step: String,
    /// The pool, if it takes a place in one.
    pub pool: Option<String>,
    /// Why nobody has it.
    pub because: &'static str,
}

/// Something that was asked of a run and not carried out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRequest {
    /// The run.
    pub run: String,
    /// What was asked.
    pub kind: String,
    /// By whom.
    pub asked_by: String,
    /// When, as stored.
    pub created_at: String,
    /// Whether somebody drives the run.
    pub is_driven: bool,
}

/// Notifications to one place that were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The pipeline.
    pub pipeline: String,
    /// Where they were to go.
    pub target: String,
    /// How many.
    pub count: u64,
    /// Why the latest was given up.
    pub last_error: Option<String>,
}

impl Store {
    /// Runs that somebody drives or should drive: not ended, and not waiting for somebody.
    pub async fn open_runs(&self) -> Result<Vec<OpenRun>, StoreError> {
        let mut session = self.read("look at runs that have not ended").await?;
        let now_ms = session.now_ms().await?;
        let sql = "select r.run_id, r.pipeline, r.lease_owner, r.lease_expires_ms, r.created_at, r.shared, r.wake_ms,
                case when r.started_at is null and p.paused_at is not null then true else false end as is_held_back
            from runs r left join pipelines p on p.pipeline = r.pipeline
            where r.finished_at is null and r.parked is null order by r.created_at, r.run_id limit $1";
        let rows = session.fetch(sql, vec![MOST.into()]).await?;
        rows.iter()
            .map(|row| {
                let (owner, expires_ms): (Option<String>, i64) =
                    (row.get("lease_owner")?, row.get("lease_expires_ms")?);
                Ok(OpenRun {
                    run: parsed("run id", &row.get::<String>("run_id")?)?,
                    pipeline: row.get("pipeline")?,
                    is_held: owner.is_some() && expires_ms > now_ms,
                    undriven_ms: (expires_ms > 0).then(|| now_ms.saturating_sub(expires_ms)),
                    owner,
                    created_at: row.get("created_at")?,
                    is_shared: row.get("shared")?,
                    wake_ms: row.get("wake_ms")?,
                    is_held_back: row.get("is_held_back")?,
                })
            })
            .collect()
    }

    /// Runs that were put aside since they cannot be read.
    pub async fn quarantined_runs(&self) -> Result<Vec<QuarantinedRun>, StoreError> {
        let mut session = self.read("look at runs that were put aside").await?;
        let sql = "select run_id, pipeline, parked from runs where parked like $1 order by run_id limit $2";
        let rows = session.fetch(sql, vec![format!("{QUARANTINED}%").into(), MOST.into()]).await?;
        rows.iter()
            .map(|row| {
                let parked: String = row.get("parked")?;
                let because = parked.strip_prefix(QUARANTINED).unwrap_or(&parked).to_owned();
                Ok(QuarantinedRun { run: row.get("run_id")?, pipeline: row.get("pipeline")?, because })
            })
            .collect()
    }

    /// Attempts that count as running: those of runs that have not ended, and of the latest that have.
    pub async fn running_attempts(&self) -> Result<Vec<RunningAttempt>, StoreError> {
        let mut session = self.read("look at attempts").await?;
        let now_ms = session.now_ms().await?;
        let mut found = Vec::new();
        for which in [
            "r.finished_at is null",
            "r.run_id in (select l.run_id from runs l where l.finished_at is not null order by l.created_at desc limit $3)",
        ] {
            let sql = format!(
                "select a.attempt_id, a.run_id, a.step, a.host, r.state, r.finished_at,
                    case when r.lease_owner is not null and r.lease_expires_ms > $1 then true else false end as is_driven
                from runs r join attempts a on a.run_id = r.run_id
                where a.state = 'running' and {which} order by a.attempt_id limit $2"
            );
            let mut values = vec![now_ms.into(), MOST.into()];
            if which.contains("$3") {
                values.push(LAST_RUNS.into());
            }
            for row in session.fetch(sql, values).await? {
                let state: String = row.get("state")?;
                found.push(RunningAttempt {
                    attempt: parsed("attempt id", &row.get::<String>("attempt_id")?)?,
                    run: parsed("run id", &row.get::<String>("run_id")?)?,
                    step: row.get("step")?,
                    host: row.get("host")?,
                    is_driven: row.get("is_driven")?,
                    ended: row.get::<Option<String>>("finished_at")?.map(|_| state),
                });
            }
        }
        Ok(found)
    }

    /// Which of the attempts have ended, and when, as stored. Those that the database does not know are left out.
    pub async fn ended_attempts(&self, attempts: &[AttemptId]) -> Result<BTreeMap<AttemptId, String>, StoreError> {
        let mut session = self.read("look at attempts").await?;
        let many = Many {
            before: "select a.attempt_id, a.finished_at from (",
            after: ") as v join attempts a on a.attempt_id = v.column1 where a.finished_at is not null",
        };
        let rows = attempts.iter().map(|attempt| vec![attempt.to_string().into()]).collect();
        let read = |row: &Row| Ok((parsed("attempt id", &row.get::<String>("attempt_id")?)?, row.get("finished_at")?));
        session.fetch_rows(many, rows).await?.iter().map(read).collect()
    }

    /// Which of the runs the database knows, and whether they have ended.
    pub async fn known_runs(&self, runs: &[RunId]) -> Result<BTreeMap<RunId, bool>, StoreError> {
        let mut session = self.read("look at runs").await?;
        let many = Many {
            before: "select r.run_id, case when r.finished_at is null then false else true end as has_ended from (",
            after: ") as v join runs r on r.run_id = v.column1",
        };
        let rows = runs.iter().map(|run| vec![run.to_string().into()]).collect();
        let read = |row: &Row| Ok((parsed("run id", &row.get::<String>("run_id")?)?, row.get("has_ended")?));
        session.fetch_rows(many, rows).await?.iter().map(read).collect()
    }

    /// Slots that count and that nobody has: of attempts that have ended or never began, or of runs that have ended.
    pub async fn stray_slots(&self) -> Result<Vec<StraySlot>, StoreError> {
        let mut session = self.read("look at slots").await?;
        let now_ms = session.now_ms().await?;
        let sql = "select s.attempt_id, s.run_id, s.step, s.pool, r.run_id as known, r.finished_at, a.state
            from slots s left join runs r on r.run_id = s.run_id left join attempts a on a.attempt_id = s.attempt_id
            where r.run_id is null or r.finished_at is not null or a.state <> 'running'
                or (a.state is null and (r.lease_owner is null or r.lease_expires_ms <= $1))
            order by s.since_ms, s.attempt_id limit $2";
        let rows = session.fetch(sql, vec![now_ms.into(), MOST.into()]).await?;
        rows.iter()
            .map(|row| {
                let is_known = row.get::<Option<String>>("known")?.is_some();
                let has_ended = row.get::<Option<String>>("finished_at")?.is_some();
                let has_begun = row.get::<Option<String>>("state")?.is_some();
                let because = match (is_known, has_ended, has_begun) {
                    (false, _, _) => "there is no such run",
                    (true, true, _) => "its run has ended",
                    (true, false, true) => "its attempt has ended",
                    (true, false, false) => "its attempt never began, and nobody drives its run",
                };
                Ok(StraySlot {
                    attempt: row.get("attempt_id")?,
                    run: row.get("run_id")?,
                    step: row.get("step")?,
                    pool: row.get("pool")?,
                    because,
                })
            })
            .collect()
    }

    /// What was asked of runs and nobody has carried out, the oldest first.
    pub async fn waiting_requests(&self) -> Result<Vec<WaitingRequest>, StoreError> {
        let mut session = self.read("look at requests").await?;
        let now_ms = session.now_ms().await?;
        let sql = "select q.run_id, q.kind, q.asked_by, q.created_at,
                case when r.lease_owner is not null and r.lease_expires_ms > $1 then true else false end as is_driven
            from requests q left join runs r on r.run_id = q.run_id
            where q.handled_at is null order by q.created_at, q.request_id limit $2";
        let rows = session.fetch(sql, vec![now_ms.into(), MOST.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(WaitingRequest {
                    run: row.get("run_id")?,
                    kind: row.get("kind")?,
                    asked_by: row.get("asked_by")?,
                    created_at: row.get("created_at")?,
                    is_driven: row.get("is_driven")?,
                })
            })
            .collect()
    }

    /// Notifications that were given up since a time, as stored, by where they were to go.
    pub async fn given_up_since(&self, since: chrono::DateTime<chrono::Utc>) -> Result<Vec<GivenUp>, StoreError> {
        let mut session = self.read("look at notifications").await?;
        let sql = "select pipeline, target, count(*) as number, max(last_error) as last_error from deliveries
            where state = 'given_up' and created_at >= $1 group by pipeline, target order by pipeline, target limit $2";
        let since = crate::store::time::text(since);
        let rows = session.fetch(sql, vec![since.into(), MOST.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(GivenUp {
                    pipeline: row.get("pipeline")?,
                    target: row.get("target")?,
                    count: row.get::<i64>("number")?.unsigned_abs(),
                    last_error: row.get("last_error")?,
                })
            })
            .collect()
    }

    /// When the latest run was asked for, as stored.
    pub async fn latest_run_at(&self) -> Result<Option<String>, StoreError> {
        let mut session = self.read("look at runs").await?;
        let rows = session.fetch("select max(created_at) as at from runs", vec![]).await?;
        Ok(rows.first().map(|row| row.get("at")).transpose()?.flatten())
    }
}
