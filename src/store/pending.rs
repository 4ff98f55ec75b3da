//! Runs that wait for somebody to drive them.

use std::time::Duration;

use super::connection::{Access, Session, Value};
use super::retry::repeated;
use super::time::milliseconds;
use super::{Store, StoreError};
use crate::fault;
use crate::id::RunId;

/// What the reason begins with for which a run that cannot be read is left alone.
pub const QUARANTINED: &str = "quarantined: ";

/// Runs of which a daemon is to take some.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'daemon> {
    /// Who takes them.
    pub owner: &'daemon str,
    /// Its machine.
    pub host: &'daemon str,
    /// For how long the lease is.
    pub lease_for: Duration,
    /// How many at most.
    pub limit: usize,
    /// How many of them may be of any priority that have neither slots nor open requests.
    pub fresh: usize,
    /// All others must have a higher priority than this.
    pub above: i64,
    /// Runs that it leaves for now, whatever their state.
    pub except: &'daemon [RunId],
}

/// How long the workers of a daemon that has ended in order are left to the next one on their machine.
const LEFT_TO_THEIR_MACHINE: Duration = Duration::from_secs(60);

impl Store {
    /// Takes the leases of the most urgent runs that nobody drives: recorded for any daemon, not ended, and not parked
    /// unless their time has come or somebody asked something of them. Runs of a paused pipeline do not begin. A run whose
    /// lease the asking daemon has itself and could not give back is one of them, unless it is among the excepted.
    ///
    /// First those with slots, or of which somebody asked something, whatever their priority: nobody else gives their
    /// slots back. Gives each run with its priority.
    pub async fn claim_pending(&self, claims: Claims<'_>) -> Result<Vec<(RunId, i64)>, StoreError> {
        let rows = repeated!(self, "claim runs", self.claim_pending_once(&claims))?;
        let read = |(text, priority): &(String, i64)| Some((text.parse().ok()?, *priority));
        Ok(rows.iter().filter_map(read).collect())
    }

    async fn claim_pending_once(&self, claims: &Claims<'_>) -> Result<Vec<(String, i64)>, sqlx::Error> {
        // A look that takes no lock, since most of the time there is nothing.
        let mut session = self.database.begin(Access::Read).await?;
        let now_ms = session.now_ms().await?;
        if pending(&mut session, claims, now_ms, "").await?.is_empty() {
            return Ok(Vec::new());
        }
        drop(session);
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        let lock = session.skip_locked();
        let runs = pending(&mut session, claims, now_ms, lock).await?;
        for (run, _) in &runs {
            let sql = "update runs set lease_owner = $2, lease_epoch = lease_epoch + 1, lease_expires_ms = $3
                where run_id = $1";
            let expires_ms = now_ms + milliseconds(claims.lease_for);
            session.execute(sql, vec![run.as_str().into(), claims.owner.into(), expires_ms.into()]).await?;
        }
        fault::point("claim.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await?;
        fault::point("claim.after_commit").map_err(sqlx::Error::Io)?;
        Ok(runs)
    }

    /// Ends the leases of processes that are gone, so that their runs can be taken at once. Tells how many.
    pub async fn end_leases_of_the_gone(&self, is_gone: impl Fn(&str) -> bool) -> Result<u64, StoreError> {
        let doing = "end the leases of processes that are gone";
        let mut session = self.read(doing).await?;
        let sql = "select distinct lease_owner from runs
            where finished_at is null and shared and lease_owner is not null";
        let mut gone = Vec::new();
        for row in session.fetch(sql, vec![]).await? {
            let owner: String = row.get("lease_owner")?;
            if is_gone(&owner) {
                gone.push(owner);
            }
        }
        drop(session);
        if gone.is_empty() {
            return Ok(0);
        }
        let work = async {
            let mut session = self.database.begin(Access::Write).await?;
            let mut count = 0;
            for owner in gone {
                // The holder's name stays, as after a crash elsewhere: it did not give the lease back.
                let sql = "update runs set lease_expires_ms = 0
                    where lease_owner = $1 and finished_at is null and lease_expires_ms > 0";
                count += session.execute(sql, vec![owner.into()]).await?;
            }
            session.commit().await?;
            Ok(count)
        };
        work.await.map_err(|error| self.error(doing, error))
    }

    /// Leaves a run alone until somebody has looked at it: its rows do not make sense to this program.
    pub async fn quarantine(&self, run: RunId, owner: &str, why: &str) -> Result<(), StoreError> {
        let work = async {
            let mut session = self.database.begin(Access::Write).await?;
            // A run that has ended can be one too: somebody asked something of it.
            let sql = "update runs set parked = $3, wake_ms = null, lease_owner = null, lease_expires_ms = 0
                where run_id = $1 and (lease_owner is null or lease_owner = $2)";
            let parked = format!("{QUARANTINED}{why}");
            session.execute(sql, vec![run.to_string().into(), owner.into(), parked.into()]).await?;
            fault::point("quarantine.before_commit").map_err(sqlx::Error::Io)?;
            session.commit().await
        };
        work.await.map_err(|error| self.error("put a run aside", error))
    }

    /// Lets daemons try again what was put aside, as when a repaired or newer program starts. Tells how many.
    pub async fn end_quarantine(&self) -> Result<u64, StoreError> {
        let work = async {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "update runs set parked = null where parked like $1";
            let count = session.execute(sql, vec![format!("{QUARANTINED}%").into()]).await?;
            session.commit().await?;
            Ok(count)
        };
        work.await.map_err(|error| self.error("take runs up again", error))
    }

    /// Gives the lease on a run back, if it is still this owner's. Others may take the run `after` a while.
    pub async fn leave(&self, run: RunId, owner: &str, after: Duration) -> Result<(), StoreError> {
        let work = async {
            let mut session = self.database.begin(Access::Write).await?;
            let wake_ms = session.now_ms().await? + milliseconds(after);
            let sql = "update runs set lease_owner = null, lease_expires_ms = 0,
                    wake_ms = case when parked is null then $3 else wake_ms end
                where run_id = $1 and finished_at is null and (lease_owner is null or lease_owner = $2)";
            session.execute(sql, vec![run.to_string().into(), owner.into(), wake_ms.into()]).await?;
            session.commit().await
        };
        work.await.map_err(|error| self.error("leave a run", error))
    }
}

/// Runs that may be driven on: `$1` is the time, `$2` this machine, `$3` when a lease must have been given back. A lease
/// without an owner was given back: workers that a daemon on another machine has left running are left to the next one
/// there for a while. `$5` is who asks.
const OPEN: &str = "r.shared and (r.lease_owner is null or r.lease_expires_ms <= $1 or r.lease_owner = $5)
    and (r.parked is null or r.parked not like 'quarantined: %')
    and (r.lease_owner is not null or r.lease_expires_ms <= $3
        or not exists (select 1 from attempts a
            where a.run_id = r.run_id and a.state = 'running' and a.host is not null and a.host <> $2))";

/// Those of them that have not ended and whose time has come.
const DUE: &str = "r.finished_at is null and (r.wake_ms <= $1 or (r.parked is null and r.wake_ms is null))
    and (r.started_at is not null
        or not exists (select 1 from pipelines p where p.pipeline = r.pipeline and p.paused_at is not null))";

/// The order in which they are taken, and `$4`, how many.
const ORDER: &str = "order by r.priority desc, r.created_at, r.run_id limit $4";

/// The most urgent runs with their priorities: first those with slots or open requests, then the others.
async fn pending(
    session: &mut Session<'_>,
    claims: &Claims<'_>,
    now_ms: i64,
    lock: &str,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let left_ms = now_ms - milliseconds(LEFT_TO_THEIR_MACHINE);
    let values = |most: usize| {
        let most = most.saturating_add(claims.except.len());
        vec![now_ms.into(), claims.host.into(), left_ms.into(), Value::from(most), claims.owner.into()]
    };
    let urgent = format!(
        "select r.run_id, r.priority from runs r
        where r.run_id in (select q.run_id from requests q where q.handled_at is null union select s.run_id from slots s)
            and {OPEN} and (({DUE})
                or exists (select 1 from requests q where q.run_id = r.run_id and q.handled_at is null))
        {ORDER} {lock}"
    );
    let mut rows = session.fetch(urgent, values(claims.limit)).await?;
    let fresh =
        format!("select r.run_id, r.priority from runs r where {DUE} and {OPEN} and r.priority > $6 {ORDER} {lock}");
    let (most, above) = if claims.fresh > 0 { (claims.fresh, i64::MIN) } else { (claims.limit, claims.above) };
    let mut fresh_values = values(most);
    fresh_values.push(above.into());
    rows.extend(session.fetch(fresh, fresh_values).await?);
    let except: Vec<String> = claims.except.iter().map(RunId::to_string).collect();
    let mut runs: Vec<(String, i64)> = Vec::new();
    for row in &rows {
        // A row that makes no sense must not keep the others from being taken.
        let Ok(run) = row.get::<String>("run_id") else { continue };
        if !except.contains(&run) && !runs.iter().any(|(other, _)| *other == run) {
            runs.push((run, row.get("priority").unwrap_or(0)));
        }
    }
    runs.truncate(claims.limit);
    Ok(runs)
}
