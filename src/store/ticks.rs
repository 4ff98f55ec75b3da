//! Ticks: a trigger was due, and this came of it. A tick is recorded in one transaction with the run that it makes.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use super::connection::{Access, Row, Session, Value};
use super::lease::record;
use super::retry::repeated;
use super::time::text;
use super::triggers::now;
use super::{Hint, Store, StoreError};
use crate::engine::NewRun;
use crate::fault;
use crate::id::{RequestId, RunId};
use crate::manifest::Overlap;

/// A tick to be recorded.
#[derive(Debug, Clone)]
pub struct NewTick {
    /// The pipeline.
    pub pipeline: String,
    /// Its trigger.
    pub trigger: String,
    /// What makes it one of its kind: the time at which it was due, a run, a digest, a delivery.
    pub key: String,
    /// What its run's params are made from.
    pub detail: Json,
    /// What is to come of it.
    pub wants: TickWants,
}

/// What is to come of a tick.
#[derive(Debug, Clone)]
pub enum TickWants {
    /// A run.
    Run {
        /// The run.
        run: Box<NewRun>,
        /// What happens if the trigger's last run still goes on.
        overlap: Overlap,
        /// How seldom the trigger fires.
        quiet: Quiet,
    },
    /// Nothing, because of this.
    Skip(String),
    /// A run that cannot be made, because of this.
    Failure(String),
}

/// How seldom a trigger fires, whatever makes it due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quiet {
    /// How long it stays quiet after it has fired.
    pub cooldown: Option<Duration>,
    /// How often it fires in 24 hours at most.
    pub max_per_day: Option<u32>,
}

/// What came of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickState {
    /// A run was made.
    Fired,
    /// It waits for the end of another run.
    Queued,
    /// Nothing, on purpose.
    Skipped,
    /// The run could not be made.
    Failed,
}

/// A tick as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The pipeline.
    pub pipeline: String,
    /// Its trigger.
    pub trigger: String,
    /// What makes it one of its kind.
    pub key: String,
    /// When it was decided.
    pub decided_at: String,
    /// What came of it.
    pub state: TickState,
    /// Why.
    pub because: Option<String>,
    /// The run that was made.
    pub run: Option<RunId>,
    /// What its run's params are made from.
    pub detail: Json,
}

/// What recording a tick has led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Ticked {
    /// It is recorded now.
    New(Tick),
    /// It was recorded before, and nothing was done.
    Known(Tick),
    /// The trigger stays quiet until then; nothing is recorded.
    Quiet(DateTime<Utc>),
    /// There is no such trigger any more.
    Gone,
}

impl TickState {
    /// The state as it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            TickState::Fired => "fired",
            TickState::Queued => "queued",
            TickState::Skipped => "skipped",
            TickState::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<TickState> {
        [TickState::Fired, TickState::Queued, TickState::Skipped, TickState::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

impl Store {
    /// Records a tick together with its run, unless a tick of that key is there.
    pub async fn record_tick(&self, tick: &NewTick) -> Result<Ticked, StoreError> {
        repeated!(self, "record a tick", self.record_tick_once(tick))
    }

    async fn record_tick_once(&self, new: &NewTick) -> Result<Ticked, sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        if !lock(&mut session, &new.pipeline, &new.trigger).await? {
            return Ok(Ticked::Gone);
        }
        if let Some(known) = find(&mut session, &new.pipeline, &new.trigger, &new.key).await? {
            return Ok(Ticked::Known(known));
        }
        let decided_at = now(&mut session).await?;
        let mut tick = Tick {
            pipeline: new.pipeline.clone(),
            trigger: new.trigger.clone(),
            key: new.key.clone(),
            decided_at: text(decided_at),
            state: TickState::Skipped,
            because: None,
            run: None,
            detail: new.detail.clone(),
        };
        match &new.wants {
            TickWants::Skip(because) => tick.because = Some(because.clone()),
            TickWants::Failure(because) => {
                tick.state = TickState::Failed;
                tick.because = Some(because.clone());
            }
            TickWants::Run { run, overlap, quiet } => {
                if let Some(until) = quiet_until(&mut session, new, *quiet, decided_at).await? {
                    return Ok(Ticked::Quiet(until));
                }
                let verdict = judge(&mut session, new, *overlap).await?;
                tick.state = verdict.0;
                tick.because = verdict.1;
                if tick.state == TickState::Fired {
                    record(&mut session, run, None).await?;
                    tick.run = Some(run.id);
                }
            }
        }
        let sql = "insert into ticks (pipeline, trigger_name, nominal, decided_at, state, because, run_id, detail)
            values ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values: Vec<Value> = vec![
            tick.pipeline.as_str().into(),
            tick.trigger.as_str().into(),
            tick.key.as_str().into(),
            tick.decided_at.as_str().into(),
            tick.state.as_str().into(),
            tick.because.clone().into(),
            tick.run.map(|run| run.to_string()).into(),
            (!tick.detail.is_null()).then(|| tick.detail.to_string()).into(),
        ];
        session.execute(sql, values).await?;
        if tick.state == TickState::Fired {
            session.hint(Hint::Tick).await?;
        }
        fault::point("tick.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await?;
        fault::point("tick.after_commit").map_err(sqlx::Error::Io)?;
        Ok(Ticked::New(tick))
    }

    /// Makes the run of a tick that waits, or records why it cannot be made. Does nothing while another run of the
    /// trigger goes on, and once the tick does not wait any more.
    pub async fn fire_queued(&self, tick: &Tick, run: Result<&NewRun, &str>) -> Result<Ticked, StoreError> {
        repeated!(self, "fire a tick that waited", self.fire_queued_once(tick, run))
    }

    async fn fire_queued_once(&self, tick: &Tick, run: Result<&NewRun, &str>) -> Result<Ticked, sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        if !lock(&mut session, &tick.pipeline, &tick.trigger).await? {
            return Ok(Ticked::Gone);
        }
        let Some(known) = find(&mut session, &tick.pipeline, &tick.trigger, &tick.key).await? else {
            return Ok(Ticked::Gone);
        };
        let is_busy = !running(&mut session, &tick.pipeline, &tick.trigger).await?.is_empty();
        if known.state != TickState::Queued || is_busy {
            return Ok(Ticked::Known(known));
        }
        let fired = match run {
            Ok(run) => {
                record(&mut session, run, None).await?;
                Tick { state: TickState::Fired, run: Some(run.id), because: None, ..known }
            }
            Err(because) => Tick { state: TickState::Failed, because: Some(because.to_owned()), ..known },
        };
        let sql = "update ticks set state = $4, because = $5, run_id = $6
            where pipeline = $1 and trigger_name = $2 and nominal = $3";
        let values: Vec<Value> = vec![
            fired.pipeline.as_str().into(),
            fired.trigger.as_str().into(),
            fired.key.as_str().into(),
            fired.state.as_str().into(),
            fired.because.clone().into(),
            fired.run.map(|run| run.to_string()).into(),
        ];
        session.execute(sql, values).await?;
        if fired.state == TickState::Fired {
            session.hint(Hint::Tick).await?;
        }
        fault::point("tick.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await?;
        fault::point("tick.after_commit").map_err(sqlx::Error::Io)?;
        Ok(Ticked::New(fired))
    }

    /// The ticks that wait although no run of their trigger goes on any more.
    pub async fn queued_ticks(&self) -> Result<Vec<Tick>, StoreError> {
        let mut session = self.read("look for ticks that wait").await?;
        let sql = "select t.* from ticks t where t.state = 'queued' and not exists (
                select 1 from runs r where r.finished_at is null and r.pipeline = t.pipeline
                    and r.fired_by = t.trigger_name)
            order by t.pipeline, t.trigger_name limit 100";
        Ok(session.fetch(sql, vec![]).await?.iter().map(tick).collect::<Result<_, _>>()?)
    }

    /// The latest tick of a trigger that was due at a time up to `now`.
    pub async fn last_time(
        &self,
        pipeline: &str,
        trigger: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut session = self.read("look for the last tick").await?;
        let sql = "select max(nominal) as nominal from ticks
            where pipeline = $1 and trigger_name = $2 and nominal <= $3";
        let rows = session.fetch(sql, vec![pipeline.into(), trigger.into(), text(now).into()]).await?;
        let nominal: Option<String> = rows.first().map(|row| row.get("nominal")).transpose()?.flatten();
        // A key that is no time was not made by the clock.
        Ok(nominal.and_then(|nominal| nominal.parse().ok()))
    }

    /// A tick by its key.
    pub async fn tick(&self, pipeline: &str, trigger: &str, key: &str) -> Result<Option<Tick>, StoreError> {
        let mut session = self.read("look for a tick").await?;
        Ok(find(&mut session, pipeline, trigger, key).await?)
    }

    /// The latest ticks of a trigger, newest first.
    pub async fn ticks_of(&self, pipeline: &str, trigger: &str, limit: u32) -> Result<Vec<Tick>, StoreError> {
        let mut session = self.read("list ticks").await?;
        let sql = "select * from ticks where pipeline = $1 and trigger_name = $2
            order by decided_at desc, nominal desc limit $3";
        let rows = session.fetch(sql, vec![pipeline.into(), trigger.into(), limit.into()]).await?;
        Ok(rows.iter().map(tick).collect::<Result<_, _>>()?)
    }
}

/// Locks the row of a trigger, so that two daemons judge one after the other; tells whether there is one.
async fn lock(session: &mut Session<'_>, pipeline: &str, trigger: &str) -> Result<bool, sqlx::Error> {
    let sql = "update triggers set looked_at = $3 where pipeline = $1 and trigger_name = $2";
    let looked_at = text(now(session).await?);
    Ok(session.execute(sql, vec![pipeline.into(), trigger.into(), looked_at.into()]).await? == 1)
}

async fn find(
    session: &mut Session<'_>,
    pipeline: &str,
    trigger: &str,
    key: &str,
) -> Result<Option<Tick>, sqlx::Error> {
    let sql = "select * from ticks where pipeline = $1 and trigger_name = $2 and nominal = $3";
    let rows = session.fetch(sql, vec![pipeline.into(), trigger.into(), key.into()]).await?;
    rows.first().map(tick).transpose()
}

/// The unfinished runs that a trigger has made, oldest first.
async fn running(session: &mut Session<'_>, pipeline: &str, trigger: &str) -> Result<Vec<RunId>, sqlx::Error> {
    let sql = "select run_id from runs where finished_at is null and pipeline = $1 and fired_by = $2
        order by created_at, run_id";
    let rows = session.fetch(sql, vec![pipeline.into(), trigger.into()]).await?;
    let ids: Vec<String> = rows.iter().map(|row| row.get("run_id")).collect::<Result<_, _>>()?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// What comes of a tick while other runs of its trigger may go on; with `cancel_running` those are asked to end.
async fn judge(
    session: &mut Session<'_>,
    new: &NewTick,
    overlap: Overlap,
) -> Result<(TickState, Option<String>), sqlx::Error> {
    let sql = "select nominal from ticks where pipeline = $1 and trigger_name = $2 and state = 'queued' limit 1";
    let queued = session.fetch(sql, vec![new.pipeline.as_str().into(), new.trigger.as_str().into()]).await?;
    let running = running(session, &new.pipeline, &new.trigger).await?;
    let waiting: Option<String> = queued.first().map(|row| row.get("nominal")).transpose()?;
    let goes_on = running.first().map(|run| format!("{run} of this trigger still goes on"));
    Ok(match (overlap, waiting, goes_on) {
        (Overlap::Queue, Some(waiting), _) => (TickState::Skipped, Some(format!("tick {waiting} waits already"))),
        (Overlap::Queue, None, Some(goes_on)) => (TickState::Queued, Some(goes_on)),
        (Overlap::Skip, _, Some(goes_on)) => (TickState::Skipped, Some(goes_on)),
        (Overlap::CancelRunning, ..) => {
            for run in &running {
                ask_to_end(session, *run, new).await?;
            }
            (TickState::Fired, running.last().map(|run| format!("{run} was asked to end for it")))
        }
        (Overlap::Allow, ..) | (Overlap::Queue | Overlap::Skip, _, None) => (TickState::Fired, None),
    })
}

async fn ask_to_end(session: &mut Session<'_>, run: RunId, new: &NewTick) -> Result<(), sqlx::Error> {
    let sql = "insert into requests (request_id, run_id, kind, asked_by, reason, created_at)
        select $1, $2, 'cancel', $3, $4, $5 where not exists (
            select 1 from requests where run_id = $2 and kind = 'cancel' and handled_at is null)";
    let values: Vec<Value> = vec![
        RequestId::generate().to_string().into(),
        run.to_string().into(),
        format!("trigger {}", new.trigger).into(),
        format!("tick {} replaces it", new.key).into(),
        text(now(session).await?).into(),
    ];
    session.execute(sql, values).await.map(drop)
}

/// Until when a trigger stays quiet, if it does so now.
async fn quiet_until(
    session: &mut Session<'_>,
    new: &NewTick,
    quiet: Quiet,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    if quiet == Quiet::default() {
        return Ok(None);
    }
    let day = TimeDelta::days(1);
    let cooldown = quiet.cooldown.and_then(|cooldown| TimeDelta::from_std(cooldown).ok());
    let back = now.checked_sub_signed(day.max(cooldown.unwrap_or_default())).unwrap_or(DateTime::UNIX_EPOCH);
    let sql = "select decided_at from ticks where pipeline = $1 and trigger_name = $2 and state in ('fired', 'queued')
            and decided_at > $3 order by decided_at desc limit 1001";
    let values = vec![new.pipeline.as_str().into(), new.trigger.as_str().into(), text(back).into()];
    let rows = session.fetch(sql, values).await?;
    let texts: Vec<String> = rows.iter().map(|row| row.get("decided_at")).collect::<Result<_, _>>()?;
    let fired: Vec<DateTime<Utc>> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let cooled = fired.first().and_then(|last| last.checked_add_signed(cooldown?));
    // The newest of so many, counted back, must be a day old before one more fires.
    let counted = quiet.max_per_day.and_then(|most| fired.get(most.saturating_sub(1) as usize));
    let renewed = counted.and_then(|time| time.checked_add_signed(day));
    Ok(cooled.max(renewed).filter(|until| *until > now))
}

fn tick(row: &Row) -> Result<Tick, sqlx::Error> {
    let (state, run): (String, Option<String>) = (row.get("state")?, row.get("run_id")?);
    let detail: Option<String> = row.get("detail")?;
    let odd = |what: &str| sqlx::Error::Decode(format!("the {what} of a tick cannot be read").into());
    Ok(Tick {
        pipeline: row.get("pipeline")?,
        trigger: row.get("trigger_name")?,
        key: row.get("nominal")?,
        decided_at: row.get("decided_at")?,
        state: TickState::parse(&state).ok_or_else(|| odd("state"))?,
        because: row.get("because")?,
        run: run.map(|run| run.parse().map_err(|_| odd("run"))).transpose()?,
        detail: detail.map_or(Ok(Json::Null), |text| serde_json::from_str(&text).map_err(|_| odd("detail")))?,
    })
}
