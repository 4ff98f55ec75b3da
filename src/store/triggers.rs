//! The triggers that daemons look after: since when, what is known of them, and whether somebody has paused them.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::connection::{Access, Row, Session, Value};
use super::retry::repeated;
use super::time::text;
use super::{Store, StoreError};

/// A trigger as its manifest declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredTrigger {
    /// Its name.
    pub name: String,
    /// `cron`, `every`, `after`, `files`, `webhook` or `when`.
    pub kind: &'static str,
    /// What fires it; when this changes, the trigger begins anew.
    pub definition: Json,
}

/// A trigger as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptTrigger {
    /// Its name.
    pub name: String,
    /// Times before this are none of its own.
    pub since: DateTime<Utc>,
    /// When this definition of it was first seen.
    pub anchor: DateTime<Utc>,
    /// What it remembers from one look to the next.
    pub state: Json,
    /// When it is due next, as last told.
    pub next_at: Option<String>,
    /// Why it does not fire, as last told.
    pub because: Option<String>,
    /// Whether it or its pipeline is paused.
    pub is_paused: bool,
}

/// What is told of a trigger after a look at it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TriggerNote {
    /// When it is due next.
    pub next_at: Option<DateTime<Utc>>,
    /// Why it does not fire.
    pub because: Option<String>,
    /// What it remembers; unchanged if none.
    pub state: Option<Json>,
}

/// A `since` that is further ahead than this comes from a clock that was wrong.
const AHEAD_MS: i64 = 5_000;

impl Store {
    /// Makes the kept triggers of a pipeline those that its manifest declares. A new one, and one whose definition has
    /// changed, begins now: nothing that is past fires.
    pub async fn keep_triggers(&self, pipeline: &str, declared: &[DeclaredTrigger]) -> Result<(), StoreError> {
        repeated!(self, "keep triggers", self.keep_triggers_once(pipeline, declared))
    }

    async fn keep_triggers_once(&self, pipeline: &str, declared: &[DeclaredTrigger]) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        for trigger in declared {
            let sql = "insert into triggers (pipeline, trigger_name, kind, definition, since_ms, state)
                values ($1, $2, $3, $4, $5, $6)
                on conflict (pipeline, trigger_name) do update set kind = excluded.kind,
                    definition = excluded.definition, since_ms = excluded.since_ms, state = excluded.state,
                    next_at = null, because = null
                where triggers.definition <> excluded.definition";
            let values: Vec<Value> = vec![
                pipeline.into(),
                trigger.name.as_str().into(),
                trigger.kind.into(),
                trigger.definition.to_string().into(),
                now_ms.into(),
                json!({"anchor_ms": now_ms}).to_string().into(),
            ];
            session.execute(sql, values).await?;
        }
        let sql = "select trigger_name from triggers where pipeline = $1";
        for row in session.fetch(sql, vec![pipeline.into()]).await? {
            let name: String = row.get("trigger_name")?;
            if !declared.iter().any(|trigger| trigger.name == name) {
                let sql = "delete from triggers where pipeline = $1 and trigger_name = $2";
                session.execute(sql, vec![pipeline.into(), name.into()]).await?;
            }
        }
        let sql = "update triggers set since_ms = $2 where pipeline = $1 and since_ms > $3";
        session.execute(sql, vec![pipeline.into(), now_ms.into(), (now_ms + AHEAD_MS).into()]).await?;
        session.commit().await
    }

    /// Lets a trigger begin now whose beginning is ahead, since the clock was set back.
    pub async fn begin_trigger_now(&self, pipeline: &str, name: &str) -> Result<(), StoreError> {
        repeated!(self, "begin a trigger", self.begin_trigger_now_once(pipeline, name))
    }

    async fn begin_trigger_now_once(&self, pipeline: &str, name: &str) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        let sql = "update triggers set since_ms = $3 where pipeline = $1 and trigger_name = $2 and since_ms > $4";
        session.execute(sql, vec![pipeline.into(), name.into(), now_ms.into(), (now_ms + AHEAD_MS).into()]).await?;
        session.commit().await
    }

    /// The kept triggers of a pipeline, and the time by the clock that all users of the database share.
    pub async fn kept_triggers(&self, pipeline: &str) -> Result<(DateTime<Utc>, Vec<KeptTrigger>), StoreError> {
        let mut session = self.read("read triggers").await?;
        let now = now(&mut session).await?;
        let sql = "select t.trigger_name, t.since_ms, t.state, t.next_at, t.because,
                case when t.paused_at is not null or p.paused_at is not null then true else false end as is_paused
            from triggers t left join pipelines p on p.pipeline = t.pipeline
            where t.pipeline = $1 order by t.trigger_name";
        let rows = session.fetch(sql, vec![pipeline.into()]).await?;
        Ok((now, rows.iter().map(kept).collect::<Result<_, _>>()?))
    }

    /// Tells what a look at a trigger has shown.
    pub async fn note_trigger(&self, pipeline: &str, name: &str, note: &TriggerNote) -> Result<(), StoreError> {
        repeated!(self, "tell about a trigger", self.note_trigger_once(pipeline, name, note))
    }

    async fn note_trigger_once(&self, pipeline: &str, name: &str, note: &TriggerNote) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let looked_at = now(&mut session).await?;
        let sql = "update triggers set looked_at = $3, next_at = $4, because = $5, state = coalesce($6, state)
            where pipeline = $1 and trigger_name = $2";
        let values: Vec<Value> = vec![
            pipeline.into(),
            name.into(),
            text(looked_at).into(),
            note.next_at.map(text).into(),
            note.because.clone().into(),
            note.state.as_ref().map(Json::to_string).into(),
        ];
        session.execute(sql, values).await?;
        session.commit().await
    }

    /// Pauses a trigger, or lets it fire again; with `from_now`, what it missed meanwhile is none of its times. Tells
    /// whether there is such a trigger.
    pub async fn pause_trigger(
        &self,
        pipeline: &str,
        name: &str,
        paused_by: Option<&str>,
        from_now: bool,
    ) -> Result<bool, StoreError> {
        repeated!(self, "pause a trigger", self.pause_trigger_once(pipeline, name, paused_by, from_now))
    }

    async fn pause_trigger_once(
        &self,
        pipeline: &str,
        name: &str,
        paused_by: Option<&str>,
        from_now: bool,
    ) -> Result<bool, sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let now = now(&mut session).await?;
        let sql = "update triggers set paused_at = $3, paused_by = $4,
                since_ms = case when $5 > 0 and paused_at is not null then $5 else since_ms end
            where pipeline = $1 and trigger_name = $2";
        let values: Vec<Value> = vec![
            pipeline.into(),
            name.into(),
            paused_by.map(|_| text(now)).into(),
            paused_by.into(),
            (if from_now { now.timestamp_millis() } else { 0 }).into(),
        ];
        let is_there = session.execute(sql, values).await? == 1;
        session.commit().await?;
        Ok(is_there)
    }
}

impl Store {
    /// Passes by what the named triggers of a pipeline have missed while they are paused, or their pipeline is.
    pub async fn pass_by(&self, pipeline: &str, names: &[String]) -> Result<(), StoreError> {
        repeated!(self, "pass by what was missed", self.pass_by_once(pipeline, names))
    }

    async fn pass_by_once(&self, pipeline: &str, names: &[String]) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        for name in names {
            let sql =
                "update triggers set since_ms = $3 where pipeline = $1 and trigger_name = $2 and (paused_at is not null
                or exists (select 1 from pipelines p where p.pipeline = $1 and p.paused_at is not null))";
            session.execute(sql, vec![pipeline.into(), name.as_str().into(), now_ms.into()]).await?;
        }
        session.commit().await
    }
}

/// The time by the clock that all users of the database share.
pub(super) async fn now(session: &mut Session<'_>) -> Result<DateTime<Utc>, sqlx::Error> {
    Ok(moment(session.now_ms().await?))
}

fn moment(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

fn kept(row: &Row) -> Result<KeptTrigger, StoreError> {
    let state: Option<String> = row.get("state")?;
    // What cannot be read any more is begun anew; a trigger has nothing else that could be lost.
    let state: Json = state.and_then(|state| serde_json::from_str(&state).ok()).unwrap_or(Json::Null);
    let since = moment(row.get("since_ms")?);
    Ok(KeptTrigger {
        name: row.get("trigger_name")?,
        since,
        anchor: state["anchor_ms"].as_i64().map_or(since, moment),
        state,
        next_at: row.get("next_at")?,
        because: row.get("because")?,
        is_paused: row.get("is_paused")?,
    })
}
