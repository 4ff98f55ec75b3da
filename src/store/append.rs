//! Appending events, with everything that follows from them, in one transaction.

use serde_json::to_string;

use super::connection::{Access, Many, Session, Value};
use super::rows::insert;
use super::time::text;
use super::{Store, StoreError, models, outbox, requests, rows, slots};
use crate::engine::{EngineError, Handled, Lease, RunEvent};
use crate::fault;
use crate::id::RunId;
use crate::lineage::{Projection, project};

impl Store {
    /// One try of [`crate::engine::RunLog::append`]. When it is repeated, an earlier try may have worked although the
    /// connection broke before the answer came: then the log already ends with these very events.
    pub(super) async fn append_once(
        &self,
        lease: &Lease,
        expected_next: u64,
        events: &[RunEvent],
        handled: &[Handled],
        is_repeated: bool,
    ) -> Result<(), AppendError> {
        let run = lease.run;
        let projection = project(events);
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        let next = expected_next + events.len() as u64;
        // The condition is part of the update, so that on Postgres the row is locked before it is judged. A lease that has
        // run out is good until somebody takes it, which raises the epoch: a clock that is set ends nothing.
        let sql = "update runs set next_seq = $1
            where run_id = $2 and next_seq = $3 and lease_owner = $4 and lease_epoch = $5";
        let values: Vec<Value> = vec![
            next.into(),
            run.to_string().into(),
            expected_next.into(),
            lease.owner.as_str().into(),
            lease.epoch.into(),
        ];
        if session.execute(sql, values).await? == 0 {
            if is_repeated && is_already_appended(&mut session, lease, next, events).await? {
                return Ok(());
            }
            return Err(refusal(&mut session, lease, expected_next).await?.into());
        }
        write_events(&mut session, run, events).await?;
        outbox::publish(&mut session, run, events, now_ms).await?;
        rows::write(&mut session, run, &lease.owner, &projection).await?;
        write_run(&mut session, run, &projection).await?;
        write_keys(&mut session, run, &projection).await?;
        models::register(&mut session, run, &projection.registrations).await?;
        end_reservations(&mut session, run, &projection).await?;
        requests::close(&mut session, handled).await?;
        slots::free(&mut session, run, &projection).await?;
        if !projection.ends.is_empty() || projection.run.finished.is_some() {
            session.hint_room(&lease.owner).await?;
        }
        fault::point("append.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await?;
        fault::point("append.after_commit").map_err(sqlx::Error::Io)?;
        Ok(())
    }
}

/// Why an append was refused.
#[derive(Debug)]
pub(super) enum AppendError {
    Sql(sqlx::Error),
    Engine(EngineError),
}

impl From<sqlx::Error> for AppendError {
    fn from(error: sqlx::Error) -> AppendError {
        AppendError::Sql(error)
    }
}

impl From<EngineError> for AppendError {
    fn from(error: EngineError) -> AppendError {
        AppendError::Engine(error)
    }
}

impl From<AppendError> for StoreError {
    fn from(error: AppendError) -> StoreError {
        match error {
            AppendError::Sql(source) => StoreError::Sql { doing: "append events", source },
            AppendError::Engine(error) => error.into(),
        }
    }
}

fn event_text(event: &RunEvent) -> String {
    to_string(&event.what).expect("an event is plain data")
}

async fn is_already_appended(
    session: &mut Session<'_>,
    lease: &Lease,
    next: u64,
    events: &[RunEvent],
) -> Result<bool, sqlx::Error> {
    let Some(last) = events.last() else { return Ok(false) };
    let sql = "select e.event, e.at from events e join runs r on r.run_id = e.run_id
        where e.run_id = $1 and e.seq = $2 and r.next_seq = $2 + 1 and r.lease_owner = $3 and r.lease_epoch = $4";
    let values: Vec<Value> =
        vec![lease.run.to_string().into(), (next - 1).into(), lease.owner.as_str().into(), lease.epoch.into()];
    let rows = session.fetch(sql, values).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    Ok(row.get::<String>("event")? == event_text(last) && row.get::<String>("at")? == text(last.at))
}

async fn refusal(session: &mut Session<'_>, lease: &Lease, expected_next: u64) -> Result<EngineError, sqlx::Error> {
    let sql = "select next_seq, lease_owner, lease_epoch from runs where run_id = $1";
    let rows = session.fetch(sql, vec![lease.run.to_string().into()]).await?;
    let Some(row) = rows.first() else { return Ok(EngineError::NoRun(lease.run)) };
    let owner: Option<String> = row.get("lease_owner")?;
    let epoch: i64 = row.get("lease_epoch")?;
    let next: i64 = row.get("next_seq")?;
    let reason = match owner {
        None => "it was given back".to_owned(),
        Some(owner) if owner != lease.owner || Value::from(lease.epoch) != Value::from(epoch) => {
            format!("{owner} has taken it (epoch {epoch}, this process had {})", lease.epoch)
        }
        Some(_) => format!("event {expected_next} was expected to be the next one and the log is at {next}"),
    };
    Ok(EngineError::LeaseLost { run: lease.run, reason })
}

async fn write_events(session: &mut Session<'_>, run: RunId, events: &[RunEvent]) -> Result<(), sqlx::Error> {
    let rows = events
        .iter()
        .map(|event| vec![run.to_string().into(), event.seq.into(), text(event.at).into(), event_text(event).into()]);
    insert(session, "insert into events (run_id, seq, at, event)", "", rows.collect()).await
}

async fn write_run(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    let change = &projection.run;
    if let Some(started_at) = change.started_at {
        let sql = "update runs set started_at = coalesce(started_at, $2) where run_id = $1";
        session.execute(sql, vec![run.to_string().into(), text(started_at).into()]).await?;
    }
    if let Some(criteria) = change.criteria {
        let sql = "update runs set criteria_digest = $2 where run_id = $1";
        session.execute(sql, vec![run.to_string().into(), criteria.to_string().into()]).await?;
    }
    let Some(state) = change.state else { return Ok(()) };
    let mut seconds = None;
    if let Some((finished_at, _)) = change.finished {
        let sql = "select coalesce(started_at, created_at) as started_at from runs where run_id = $1";
        let started_at: String = session.fetch(sql, vec![run.to_string().into()]).await?[0].get("started_at")?;
        seconds = chrono::DateTime::parse_from_rfc3339(&started_at)
            .ok()
            .map(|started_at| (finished_at - started_at.to_utc()).as_seconds_f64());
    }
    let sql = "update runs set state = $2, finished_at = $3, seconds = $4, parked = null, wake_ms = null
        where run_id = $1";
    let finished_at = change.finished.map(|(at, _)| text(at));
    session.execute(sql, vec![run.to_string().into(), state.into(), finished_at.into(), seconds.into()]).await?;
    Ok(())
}

/// Records what keys stand for, and the latest key of each step.
async fn write_keys(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    for end in &projection.ends {
        let Some(outcome) = &end.outcome else { continue };
        let outcome = to_string(outcome).expect("an outcome is plain data");
        let sql = "insert into cache_entries (key, run_id, step, attempt_id, outcome, recorded_at)
            select a.cache_key, a.run_id, a.step, a.attempt_id, $2, $3 from attempts a
            where a.attempt_id = $1 and a.cache_key is not null
            on conflict (key) do update set run_id = excluded.run_id, step = excluded.step,
                attempt_id = excluded.attempt_id, outcome = excluded.outcome, recorded_at = excluded.recorded_at";
        session.execute(sql, vec![end.attempt.to_string().into(), outcome.into(), text(end.at).into()]).await?;
        let sql = "insert into step_keys (pipeline, step, key, parts)
            select r.pipeline, a.step, a.cache_key, a.parts from attempts a join runs r on r.run_id = a.run_id
            where a.attempt_id = $1 and a.cache_key is not null
            on conflict (pipeline, step) do update set key = excluded.key, parts = excluded.parts";
        session.execute(sql, vec![end.attempt.to_string().into()]).await?;
    }
    let reused = projection.reused_keys.iter().map(|(step, (key, parts))| {
        let parts = to_string(parts).expect("key parts are plain data");
        vec![run.to_string().into(), step.as_str().into(), key.to_string().into(), parts.into()]
    });
    let many = Many {
        before: "insert into step_keys (pipeline, step, key, parts)
            select r.pipeline, v.column2, v.column3, v.column4 from (",
        after: ") as v join runs r on r.run_id = v.column1 where true
            on conflict (pipeline, step) do update set key = excluded.key, parts = excluded.parts
            where step_keys.key <> excluded.key",
    };
    session.execute_rows(many, reused.collect()).await
}

async fn end_reservations(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    if projection.run.finished.is_some() {
        let sql = "delete from reservations where run_id = $1";
        session.execute(sql, vec![run.to_string().into()]).await?;
        return Ok(());
    }
    for end in &projection.ends {
        let sql = "delete from reservations where run_id = $1 and attempt_id = $2";
        session.execute(sql, vec![run.to_string().into(), end.attempt.to_string().into()]).await?;
    }
    for step in projection.cancelled.keys() {
        let sql = "delete from reservations where run_id = $1
            and attempt_id in (select a.attempt_id from attempts a where a.run_id = $1 and a.step = $2)";
        session.execute(sql, vec![run.to_string().into(), step.as_str().into()]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::artifact::Digest;
    use crate::engine::{Happening, NewRun, Origin, RunLog};
    use crate::plan::{Plan, Record};
    use crate::store::StoreUrl;

    fn empty_plan() -> Plan {
        Plan {
            pipeline: "churn".parse().unwrap(),
            manifest_digest: Digest::of("churn"),
            base_folder: "/".into(),
            params: [].into(),
            steps: [].into(),
            gates: [].into(),
            priority: 0,
            phase_retries: [].into(),
            record: Record::default(),
        }
    }

    fn new_run() -> NewRun {
        NewRun {
            id: RunId::generate(),
            plan: empty_plan(),
            manifest_text: String::new(),
            manifest_path: "churn.yaml".to_owned(),
            created_at: chrono::DateTime::UNIX_EPOCH,
            requested_by: "cli".to_owned(),
            environment: json!({}),
            options: json!({}),
            origin: Origin::default(),
        }
    }

    fn event(by: &str) -> RunEvent {
        RunEvent { seq: 1, at: chrono::DateTime::UNIX_EPOCH, what: Happening::CancelRequested { by: by.to_owned() } }
    }

    #[tokio::test]
    async fn a_repeated_append_that_had_worked_is_no_conflict() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::in_state_folder(folder.path())).await.unwrap();
        let run = new_run();
        let lease = store.create(run.clone(), "alpha:1", Duration::from_mins(1)).await.unwrap();
        store.append(&lease, 1, &[event("ada")]).await.unwrap();
        assert!(store.append_once(&lease, 1, &[event("ada")], &[], true).await.is_ok());
        assert!(store.append_once(&lease, 1, &[event("bob")], &[], true).await.is_err());
        assert!(store.append_once(&lease, 1, &[event("ada")], &[], false).await.is_err());
        assert_eq!(store.events(run.id).await.unwrap(), [event("ada")]);
        assert_eq!(store.create_once(&run, "alpha:1", Duration::from_mins(1), true).await.unwrap(), lease);
    }
}
