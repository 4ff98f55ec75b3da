//! Creating runs, and the leases on them.

use std::time::Duration;

use serde_json::{Value as Json, to_string};

use super::connection::{Access, Session, Value};
use super::rows::insert;
use super::time::{milliseconds, text};
use super::{Hint, Store, StoreError, append::AppendError, slots};
use crate::engine::{EngineError, Lease, NewRun};
use crate::id::RunId;
use crate::lineage;

impl Store {
    /// One try of [`crate::engine::RunLog::create`].
    pub(super) async fn create_once(
        &self,
        new: &NewRun,
        owner: &str,
        lease_for: Duration,
        is_repeated: bool,
    ) -> Result<Lease, AppendError> {
        let lease = Lease { run: new.id, owner: owner.to_owned(), epoch: 1 };
        let mut session = self.database.begin(Access::Write).await?;
        if is_repeated {
            let sql = "select run_id from runs where run_id = $1 and lease_owner = $2";
            if !session.fetch(sql, vec![new.id.to_string().into(), owner.into()]).await?.is_empty() {
                return Ok(lease);
            }
        }
        let expires_ms = session.now_ms().await? + milliseconds(lease_for);
        record(&mut session, new, Some((owner, expires_ms))).await?;
        session.commit().await?;
        Ok(lease)
    }

    /// One try of [`crate::engine::RunLog::submit`].
    pub(super) async fn submit_once(&self, new: &NewRun, is_repeated: bool) -> Result<(), AppendError> {
        let mut session = self.database.begin(Access::Write).await?;
        let sql = "select run_id from runs where run_id = $1";
        if is_repeated && !session.fetch(sql, vec![new.id.to_string().into()]).await?.is_empty() {
            return Ok(());
        }
        record(&mut session, new, None).await?;
        session.hint(Hint::Run).await?;
        session.commit().await?;
        Ok(())
    }

    /// One try of [`crate::engine::RunLog::claim`].
    pub(super) async fn claim_once(&self, run: RunId, owner: &str, lease_for: Duration) -> Result<Lease, AppendError> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        let sql = "update runs set lease_owner = $2, lease_epoch = lease_epoch + 1, lease_expires_ms = $3
            where run_id = $1 and (lease_owner is null or lease_owner = $2 or lease_expires_ms <= $4)";
        let expires_ms = now_ms + milliseconds(lease_for);
        let values = vec![run.to_string().into(), owner.into(), expires_ms.into(), now_ms.into()];
        let is_claimed = session.execute(sql, values).await? == 1;
        let sql = "select lease_owner, lease_epoch, lease_expires_ms from runs where run_id = $1";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        let row = rows.first().ok_or(EngineError::NoRun(run))?;
        if !is_claimed {
            let holder: Option<String> = row.get("lease_owner")?;
            let remaining =
                Duration::from_millis(row.get::<i64>("lease_expires_ms")?.saturating_sub(now_ms).max(0).unsigned_abs());
            let holder = holder.unwrap_or_else(|| "another process".to_owned());
            return Err(EngineError::Held { run, holder, remaining }.into());
        }
        let epoch: i64 = row.get("lease_epoch")?;
        // Whoever held the lease before may have been granted slots and keys for attempts that it never started.
        slots::forget_unstarted(&mut session, run).await?;
        session.commit().await?;
        Ok(Lease { run, owner: owner.to_owned(), epoch: epoch.unsigned_abs() })
    }

    /// Ends the lease on a run whose holder `is_gone`, so that it can be claimed at once. Should the holder live after
    /// all, it cannot write any more, since the next claim raises the epoch.
    pub async fn end_lease_of(&self, run: RunId, is_gone: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let doing = "end the lease of a process that is gone";
        let work = async {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "select lease_owner from runs where run_id = $1";
            let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
            let owner: Option<String> = rows.first().map(|row| row.get("lease_owner")).transpose()?.flatten();
            if let Some(owner) = owner.filter(|owner| is_gone(owner)) {
                let sql = "update runs set lease_owner = null, lease_expires_ms = 0
                    where run_id = $1 and lease_owner = $2";
                session.execute(sql, vec![run.to_string().into(), owner.into()]).await?;
            }
            session.commit().await
        };
        work.await.map_err(|error| self.error(doing, error))
    }

    /// One try of [`crate::engine::RunLog::renew`] (with a duration) and [`crate::engine::RunLog::release`] (without).
    pub(super) async fn change_lease_once(
        &self,
        lease: &Lease,
        lease_for: Option<Duration>,
    ) -> Result<(), AppendError> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        let sql = "update runs set lease_owner = $1, lease_expires_ms = $2
            where run_id = $3 and lease_owner = $4 and lease_epoch = $5";
        let values: Vec<Value> = vec![
            lease_for.map(|_| lease.owner.as_str()).into(),
            (now_ms + lease_for.map_or(0, milliseconds)).into(),
            lease.run.to_string().into(),
            lease.owner.as_str().into(),
            lease.epoch.into(),
        ];
        let is_changed = session.execute(sql, values).await? == 1;
        // To give back what is already lost is no mistake.
        if !is_changed && lease_for.is_some() {
            let reason = "it was given back or another process has taken it".to_owned();
            return Err(EngineError::LeaseLost { run: lease.run, reason }.into());
        }
        if is_changed && lease_for.is_none() {
            slots::forget_unstarted(&mut session, lease.run).await?;
        }
        session.commit().await?;
        Ok(())
    }
}

/// Writes a new run. Its creator may drive it at once and gets the lease, `holder`; without one any daemon may claim it.
pub(super) async fn record(
    session: &mut Session<'_>,
    new: &NewRun,
    holder: Option<(&str, i64)>,
) -> Result<(), sqlx::Error> {
    let (owner, expires_ms) = holder.unzip();
    let sql = "insert into runs (run_id, pipeline, manifest_path, manifest_digest, requested_by, git_commit,
            program_version, host, state, created_at, next_seq, lease_owner, lease_epoch, lease_expires_ms,
            shared, priority, fired_by, rerun_of, backfill_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9, 1, $10, $11, $12, $13, $14, $15, $16, $17)";
    let values: Vec<Value> = vec![
        new.id.to_string().into(),
        new.plan.pipeline.as_str().into(),
        new.manifest_path.as_str().into(),
        new.plan.manifest_digest.to_string().into(),
        new.requested_by.as_str().into(),
        fact(&new.environment, &["git_commit", "git.commit"]).into(),
        fact(&new.environment, &["program_version", "version"]).into(),
        fact(&new.environment, &["host", "host.name"]).into(),
        text(new.created_at).into(),
        owner.into(),
        i64::from(holder.is_some()).into(),
        expires_ms.unwrap_or(0).into(),
        holder.is_none().into(),
        (i64::from(new.plan.priority) + i64::from(new.origin.priority)).into(),
        new.origin.trigger.as_deref().into(),
        new.origin.rerun_of.map(|run| run.to_string()).into(),
        new.origin.backfill.as_deref().into(),
    ];
    session.execute(sql, values).await?;
    let json = |value: &Json| Value::from(to_string(value).expect("JSON is plain data"));
    let sql = "insert into run_definitions (run_id, plan, manifest_text, environment, options)
        values ($1, $2, $3, $4, $5)";
    let values: Vec<Value> = vec![
        new.id.to_string().into(),
        to_string(&new.plan).expect("a plan is plain data").into(),
        new.manifest_text.as_str().into(),
        json(&new.environment),
        json(&new.options),
    ];
    session.execute(sql, values).await?;
    write_plan(session, new).await
}

/// The first of `names`, which may be paths joined by dots, that `environment` has as a text.
fn fact(environment: &Json, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let value = name.split('.').try_fold(environment, |value, key| value.get(key))?;
        value.as_str().map(str::to_owned)
    })
}

/// The steps, params and gates of a new run, all waiting.
async fn write_plan(session: &mut Session<'_>, new: &NewRun) -> Result<(), sqlx::Error> {
    let run = || Value::from(new.id.to_string());
    let steps = new.plan.steps.values().enumerate().map(|(position, step)| {
        vec![
            run(),
            step.name.as_str().into(),
            position.into(),
            step.phase.as_str().into(),
            step.kind.as_str().into(),
            step.kind_version.into(),
            serde_json::to_string(&step.carries).expect("names are plain data").into(),
            "waiting".into(),
            0u32.into(),
        ]
    });
    let into = "insert into steps (run_id, step, position, phase, kind, kind_version, carries, state, attempts)";
    insert(session, into, "", steps.collect()).await?;
    let params = lineage::params(&new.plan).into_iter().map(|row| {
        let step = row.step.as_ref().map_or("", |step| step.as_str());
        vec![run(), step.into(), row.param.into(), row.value.into()]
    });
    // A key with a dot in it may read like a path.
    let into = "insert into params (run_id, step, param, value)";
    insert(session, into, "on conflict (run_id, step, param) do nothing", params.collect()).await?;
    let name = |value: Json| value.as_str().unwrap_or_default().to_owned();
    let gates = new.plan.gates.values().enumerate().map(|(position, gate)| {
        let mitigates: Vec<&str> = gate.mitigates.iter().map(crate::id::RiskName::as_str).collect();
        vec![
            run(),
            gate.name.as_str().into(),
            position.into(),
            gate.phase.as_str().into(),
            gate.check.as_str().into(),
            name(serde_json::json!(gate.severity)).into(),
            name(serde_json::json!(gate.on_fail)).into(),
            gate.is_blocking().into(),
            mitigates.join(",").into(),
        ]
    });
    let into = "insert into gates
        (run_id, gate, position, phase, expression, severity, on_fail, blocking, mitigates)";
    insert(session, into, "", gates.collect()).await
}
