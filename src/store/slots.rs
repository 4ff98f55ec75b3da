//! [`Slots`] on the database: rows that are counted in the transaction that adds to them.
//!
//! Lock order: the row of the run, then the lock of all claims, so that no two claims judge the same rows.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Store;
use super::append::AppendError;
use super::connection::{Access, Many, Row, Session, Value};
use super::rows::insert;
use super::run_log::retried;
use crate::engine::{
    Answer, Asked, CacheKey, Claiming, Claims, EngineError, GpuShare, Lease, Limits, Short, Slot, Slots, Take, Wait,
    Waiting, Want,
};
use crate::fault;
use crate::id::{AttemptId, RunId};
use crate::lineage::Projection;

#[async_trait]
impl Slots for Store {
    async fn claim_slots(&self, lease: &Lease, wants: &[Want], limits: &Limits) -> Result<Vec<Answer>, EngineError> {
        retried!(self, "claim slots", retry => self.claim_slots_once(lease, wants, limits))
    }

    async fn give_back(&self, lease: &Lease, attempts: &[AttemptId]) -> Result<(), EngineError> {
        retried!(self, "give slots back", retry => self.give_back_once(lease, attempts))
    }
}

impl Store {
    async fn claim_slots_once(
        &self,
        lease: &Lease,
        wants: &[Want],
        limits: &Limits,
    ) -> Result<Vec<Answer>, AppendError> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        let priority = hold(&mut session, lease, now_ms).await?;
        session.lock_claims().await?;
        let waiting = waiting(&mut session, now_ms).await?;
        let mut limits = limits.clone();
        let takes = wants.iter().map(|want| &want.take).chain(waiting.iter().map(|(it, _)| &it.take));
        if takes.into_iter().any(|take| take.pool.is_some()) {
            limits.pools.extend(pools(&mut session).await?);
        }
        let before: Vec<(Waiting, Wait)> = waiting.iter().filter(|(it, _)| it.run == lease.run).cloned().collect();
        let claiming = Claiming {
            taken: taken(&mut session, now_ms).await?,
            waiting: waiting.into_iter().map(|(it, _)| it).collect(),
            reserved: reserved(&mut session, wants, now_ms).await?,
            priority,
            now_ms,
        };
        let claims = claiming.answer(lease.run, wants, &limits);
        let answers = claims.answers.clone();
        // To ask in vain again writes nothing, and so costs no sync.
        if !claims.granted.is_empty() || claims.waits != before {
            write(&mut session, lease.run, claims, &before, now_ms).await?;
            fault::point("slots.before_commit").map_err(sqlx::Error::Io)?;
        }
        session.commit().await?;
        fault::point("slots.after_commit").map_err(sqlx::Error::Io)?;
        Ok(answers)
    }

    async fn give_back_once(&self, lease: &Lease, attempts: &[AttemptId]) -> Result<(), AppendError> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        hold(&mut session, lease, now_ms).await?;
        for attempt in attempts {
            let values = || vec![attempt.to_string().into(), lease.run.to_string().into()];
            session.execute("delete from slots where attempt_id = $1 and run_id = $2", values()).await?;
            session.execute("delete from reservations where attempt_id = $1 and run_id = $2", values()).await?;
        }
        session.hint_room(&lease.owner).await?;
        session.commit().await?;
        Ok(())
    }
}

/// Makes sure that the lease is held until this transaction ends. Gives the priority of the run.
async fn hold(session: &mut Session<'_>, lease: &Lease, now_ms: i64) -> Result<i64, AppendError> {
    let sql = format!(
        "select priority, lease_owner, lease_epoch, lease_expires_ms from runs where run_id = $1{}",
        session.for_update()
    );
    let rows = session.fetch(sql, vec![lease.run.to_string().into()]).await?;
    let row = rows.first().ok_or(EngineError::NoRun(lease.run))?;
    let (owner, epoch): (Option<String>, i64) = (row.get("lease_owner")?, row.get("lease_epoch")?);
    let is_held = owner.as_ref() == Some(&lease.owner)
        && epoch.unsigned_abs() == lease.epoch
        && row.get::<i64>("lease_expires_ms")? > now_ms;
    if !is_held {
        let holder = owner.filter(|owner| *owner != lease.owner);
        let reason = holder.map_or_else(|| "it has run out".to_owned(), |owner| format!("{owner} has taken it"));
        return Err(EngineError::LeaseLost { run: lease.run, reason }.into());
    }
    Ok(row.get("priority")?)
}

/// The slots that count at `$1`, in milliseconds since 1970: those of runs that are driven, and of runs that any daemon
/// may go on with. Whoever counts slots counts these.
pub(super) const COUNTED_SLOTS: &str = "(select s.* from slots s join runs r on r.run_id = s.run_id
    where r.shared or (r.lease_owner is not null and r.lease_expires_ms > $1))";

/// The steps that wait at `$1`, in milliseconds since 1970: those of runs that are driven.
pub(super) const COUNTED_WAITS: &str = "(select w.* from slot_waits w join runs r on r.run_id = w.run_id
    where r.lease_owner is not null and r.lease_expires_ms > $1)";

async fn taken(session: &mut Session<'_>, now_ms: i64) -> Result<Vec<Slot>, sqlx::Error> {
    let sql = format!(
        "select s.attempt_id, s.run_id, s.step, s.host, s.pool, s.pool_slots, s.cpus, s.memory_bytes, s.gpus,
            s.gpu_memory_bytes, s.gpu
        from {COUNTED_SLOTS} as s order by s.since_ms, s.attempt_id"
    );
    let rows = session.fetch(sql, vec![now_ms.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Slot {
                attempt: parsed(row, "attempt_id")?,
                run: parsed(row, "run_id")?,
                step: parsed(row, "step")?,
                host: row.get("host")?,
                take: take(row)?,
                gpu: row.get::<Option<i64>>("gpu")?.map(count),
            })
        })
        .collect()
}

/// All steps that wait in runs that are driven, with why.
async fn waiting(session: &mut Session<'_>, now_ms: i64) -> Result<Vec<(Waiting, Wait)>, sqlx::Error> {
    let sql = format!(
        "select w.run_id, w.step, w.host, w.pool, w.pool_slots, w.cpus, w.memory_bytes, w.gpus,
            w.gpu_memory_bytes, w.cpu_limit, w.memory_limit, w.priority, w.since_ms, w.waits_for, w.because
        from {COUNTED_WAITS} as w order by w.priority desc, w.since_ms, w.run_id, w.step"
    );
    let rows = session.fetch(sql, vec![now_ms.into()]).await?;
    rows.iter()
        .map(|row| {
            let short = Short::from_word(row.get::<&str>("waits_for")?).unwrap_or(Short::Turn);
            let asked = Asked {
                short,
                cpu_limit: count(row.get("cpu_limit")?),
                memory_limit: row.get::<Option<i64>>("memory_limit")?.map(i64::unsigned_abs),
            };
            let waiting = Waiting {
                run: parsed(row, "run_id")?,
                step: parsed(row, "step")?,
                host: row.get("host")?,
                take: take(row)?,
                priority: row.get("priority")?,
                since_ms: row.get("since_ms")?,
                asked: Some(asked),
            };
            Ok((waiting, Wait { short, because: row.get("because")? }))
        })
        .collect()
}

/// The slots of all pools that were set.
pub(super) async fn pools(session: &mut Session<'_>) -> Result<BTreeMap<String, u32>, sqlx::Error> {
    let rows = session.fetch("select pool, slots from pools", vec![]).await?;
    rows.iter().map(|row| Ok((row.get("pool")?, count(row.get("slots")?)))).collect()
}

/// Who computes which of the keys that are wanted. A reservation counts while its run is driven.
async fn reserved(
    session: &mut Session<'_>,
    wants: &[Want],
    now_ms: i64,
) -> Result<BTreeMap<CacheKey, (RunId, AttemptId)>, sqlx::Error> {
    let keys: Vec<Vec<Value>> =
        wants.iter().filter_map(|want| Some(vec![want.key?.to_string().into(), now_ms.into()])).collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let many = Many {
        before: "select c.key, c.run_id, c.attempt_id from (",
        after: ") as v join reservations c on c.key = v.column1 join runs r on r.run_id = c.run_id
            where r.lease_owner is not null and r.lease_expires_ms > v.column2",
    };
    let rows = session.fetch_rows(many, keys).await?;
    rows.iter()
        .map(|row| Ok((CacheKey(parsed(row, "key")?), (parsed(row, "run_id")?, parsed(row, "attempt_id")?))))
        .collect()
}

async fn write(
    session: &mut Session<'_>,
    run: RunId,
    claims: Claims,
    before: &[(Waiting, Wait)],
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let id = || Value::from(run.to_string());
    let slots = claims.granted.iter().map(|slot| {
        let mut row = vec![slot.attempt.to_string().into(), id(), slot.step.as_str().into(), slot.host.as_str().into()];
        row.extend(take_values(&slot.take));
        row.extend([slot.gpu.into(), now_ms.into()]);
        row
    });
    let into = "insert into slots (attempt_id, run_id, step, host, pool, pool_slots, cpus, memory_bytes, gpus,
        gpu_memory_bytes, gpu, since_ms)";
    insert(session, into, "on conflict (attempt_id) do nothing", slots.collect()).await?;
    let reserve =
        claims.reserve.iter().map(|(key, attempt)| vec![key.to_string().into(), id(), attempt.to_string().into()]);
    let after = "on conflict (key) do update set run_id = excluded.run_id, attempt_id = excluded.attempt_id";
    insert(session, "insert into reservations (key, run_id, attempt_id)", after, reserve.collect()).await?;
    for (gone, _) in before.iter().filter(|(it, _)| !claims.waits.iter().any(|(other, _)| other.step == it.step)) {
        let sql = "delete from slot_waits where run_id = $1 and step = $2";
        session.execute(sql, vec![id(), gone.step.as_str().into()]).await?;
    }
    let waits = claims.waits.iter().filter(|wait| !before.contains(wait)).map(|(it, wait)| {
        let mut row = vec![id(), it.step.as_str().into(), it.host.as_str().into()];
        row.extend(take_values(&it.take));
        row.extend([
            it.asked.map_or(u32::MAX, |asked| asked.cpu_limit).into(),
            it.asked.and_then(|asked| asked.memory_limit).into(),
            it.priority.into(),
            wait.short.as_str().into(),
            it.since_ms.into(),
            wait.because.as_str().into(),
        ]);
        row
    });
    let into = "insert into slot_waits (run_id, step, host, pool, pool_slots, cpus, memory_bytes, gpus,
        gpu_memory_bytes, cpu_limit, memory_limit, priority, waits_for, since_ms, because)";
    let after = "on conflict (run_id, step) do update set host = excluded.host, pool = excluded.pool,
        pool_slots = excluded.pool_slots, cpus = excluded.cpus, memory_bytes = excluded.memory_bytes,
        gpus = excluded.gpus, gpu_memory_bytes = excluded.gpu_memory_bytes, cpu_limit = excluded.cpu_limit,
        memory_limit = excluded.memory_limit, priority = excluded.priority, waits_for = excluded.waits_for,
        since_ms = excluded.since_ms, because = excluded.because";
    insert(session, into, after, waits.collect()).await
}

/// Frees what ended attempts, or a run that has ended, had; part of the append that records the end.
pub(super) async fn free(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    let id = || Value::from(run.to_string());
    if projection.run.finished.is_some() {
        session.execute("delete from slots where run_id = $1", vec![id()]).await?;
        session.execute("delete from slot_waits where run_id = $1", vec![id()]).await?;
    } else if !projection.ends.is_empty() {
        let ended = projection.ends.iter().map(|end| vec![end.attempt.to_string().into()]).collect();
        let many = Many { before: "delete from slots where attempt_id in (select v.column1 from (", after: ") as v)" };
        session.execute_rows(many, ended).await?;
    }
    Ok(())
}

/// Ends what was granted to attempts of a run that were never recorded, and what its steps wait for.
pub(super) async fn forget_unstarted(session: &mut Session<'_>, run: RunId) -> Result<(), sqlx::Error> {
    for sql in [
        "delete from reservations where run_id = $1 and attempt_id not in
            (select a.attempt_id from attempts a where a.run_id = $1 and a.state = 'running')",
        "delete from slots where run_id = $1 and attempt_id not in
            (select a.attempt_id from attempts a where a.run_id = $1 and a.state = 'running')",
        "delete from slot_waits where run_id = $1",
    ] {
        session.execute(sql, vec![run.to_string().into()]).await?;
    }
    Ok(())
}

fn take_values(take: &Take) -> [Value; 6] {
    let (pool, slots) = take.pool.as_ref().map(|(pool, slots)| (pool.as_str(), *slots)).unzip();
    let (gpus, gpu_memory): (u32, u64) = match take.gpu {
        None => (0, 0),
        Some(GpuShare::Whole) => (1, 0),
        Some(GpuShare::Memory(bytes)) => (1, bytes),
    };
    let slots: u32 = slots.unwrap_or(0);
    [pool.into(), slots.into(), take.cpus.into(), take.memory_bytes.into(), gpus.into(), gpu_memory.into()]
}

fn take(row: &Row) -> Result<Take, sqlx::Error> {
    let pool: Option<String> = row.get("pool")?;
    let (gpus, gpu_memory): (i64, i64) = (row.get("gpus")?, row.get("gpu_memory_bytes")?);
    Ok(Take {
        cpus: count(row.get("cpus")?),
        memory_bytes: row.get::<i64>("memory_bytes")?.unsigned_abs(),
        gpu: (gpus > 0).then_some(match gpu_memory {
            0 => GpuShare::Whole,
            bytes => GpuShare::Memory(bytes.unsigned_abs()),
        }),
        pool: pool.map(|pool| Ok::<_, sqlx::Error>((pool, count(row.get("pool_slots")?)))).transpose()?,
    })
}

fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(if value < 0 { 0 } else { u32::MAX })
}

/// A column whose text must be read as something else. A row that was damaged fails the claim and says which column.
fn parsed<T: std::str::FromStr>(row: &Row, column: &'static str) -> Result<T, sqlx::Error>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<&str>(column)?
        .parse()
        .map_err(|source| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(source) })
}
