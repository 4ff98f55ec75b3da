//! Backfills and their values.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::connection::{Session, Value};
use super::lease::record;
use super::retry::written;
use super::rows::insert;
use super::time::text;
use super::{Hint, Store, StoreError};
use crate::engine::NewRun;
use crate::fault;
use crate::id::{BackfillId, RunId};

/// Where a backfill stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackfillState {
    /// It hands out runs.
    Running,
    /// It hands out none until it is resumed.
    Paused,
    /// All its runs have ended.
    Done,
    /// Somebody ended it.
    Cancelled,
}

impl BackfillState {
    const ALL: [BackfillState; 4] =
        [BackfillState::Running, BackfillState::Paused, BackfillState::Done, BackfillState::Cancelled];

    /// The state as it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            BackfillState::Running => "running",
            BackfillState::Paused => "paused",
            BackfillState::Done => "done",
            BackfillState::Cancelled => "cancelled",
        }
    }
}

/// A backfill that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewBackfill {
    /// Its id.
    pub id: BackfillId,
    /// The pipeline.
    pub pipeline: String,
    /// The param that takes the values.
    pub param: String,
    /// Everything that its runs are made from.
    pub definition: Json,
    /// Who asked for it.
    pub requested_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Where it begins.
    pub state: BackfillState,
    /// Its values in the order in which they are run.
    pub items: Vec<NewItem>,
}

/// A value of a backfill that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// The value.
    pub value: String,
    /// Why it gets no run.
    pub skipped: Option<String>,
}

/// A backfill that hands out runs.
#[derive(Debug, Clone)]
pub struct OpenBackfill {
    /// Its id.
    pub id: BackfillId,
    /// The param that takes the values.
    pub param: String,
    /// Everything that its runs are made from.
    pub definition: Json,
    /// Who asked for it.
    pub requested_by: String,
}

/// A value that has no run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingItem {
    /// Its place, from 0.
    pub position: i64,
    /// The value.
    pub value: String,
}

/// What has become of a run for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemSubmission {
    /// It is recorded.
    Submitted,
    /// Somebody else has dealt with the value.
    Taken,
    /// So many runs as are allowed have not ended.
    Full,
    /// The backfill hands out no runs any more.
    Closed,
}

/// What is known of the runs of a pipeline for one value of a param.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsOfValue {
    /// Whether one of them has succeeded.
    pub succeeded: bool,
    /// Whether one of them has not ended.
    pub unfinished: bool,
    /// The state of the latest.
    pub latest_state: String,
}

impl Store {
    /// Records a backfill with all its values.
    pub async fn record_backfill(&self, new: &NewBackfill) -> Result<(), StoreError> {
        written!(self, "record a backfill", session => {
            let sql =
                "insert into backfills (backfill_id, pipeline, param, definition, requested_by, created_at, state)
                values ($1, $2, $3, $4, $5, $6, $7) on conflict (backfill_id) do nothing";
            let values: Vec<Value> = vec![
                new.id.to_string().into(),
                new.pipeline.as_str().into(),
                new.param.as_str().into(),
                new.definition.to_string().into(),
                new.requested_by.as_str().into(),
                text(new.created_at).into(),
                new.state.as_str().into(),
            ];
            session.execute(sql, values).await?;
            let items = new.items.iter().enumerate().map(|(position, item)| {
                let state = if item.skipped.is_some() { "skipped" } else { "waiting" };
                let values: Vec<Value> = vec![
                    new.id.to_string().into(),
                    position.into(),
                    item.value.as_str().into(),
                    state.into(),
                    item.skipped.clone().into(),
                ];
                values
            });
            let into = "insert into backfill_items (backfill_id, position, value, state, because)";
            insert(&mut session, into, "on conflict (backfill_id, position) do nothing", items.collect()).await?;
        })
    }

    /// The backfills that hand out runs, the oldest first.
    pub async fn open_backfills(&self) -> Result<Vec<OpenBackfill>, StoreError> {
        let mut session = self.read("look for backfills").await?;
        let sql = "select backfill_id, param, definition, requested_by from backfills where state = 'running'
            order by created_at, backfill_id";
        let rows = session.fetch(sql, vec![]).await?;
        rows.iter()
            .map(|row| {
                let definition: String = row.get("definition")?;
                Ok(OpenBackfill {
                    id: parsed(&row.get::<String>("backfill_id")?)?,
                    param: row.get("param")?,
                    definition: serde_json::from_str(&definition).map_err(corrupt)?,
                    requested_by: row.get("requested_by")?,
                })
            })
            .collect()
    }

    /// How many runs of a backfill have not ended.
    pub async fn unfinished_runs_of(&self, backfill: BackfillId) -> Result<u64, StoreError> {
        let mut session = self.read("count the runs of a backfill").await?;
        Ok(unfinished(&mut session, backfill).await?)
    }

    /// The runs of a backfill that have not ended.
    pub async fn unfinished_run_ids_of(&self, backfill: BackfillId) -> Result<Vec<RunId>, StoreError> {
        let mut session = self.read("list the runs of a backfill").await?;
        let sql = "select i.run_id from backfill_items i join runs r on r.run_id = i.run_id
            where i.backfill_id = $1 and r.finished_at is null order by i.position";
        let rows = session.fetch(sql, vec![backfill.to_string().into()]).await?;
        rows.iter().map(|row| row.get::<String>("run_id")?.parse().map_err(corrupt)).collect()
    }

    /// The next values that have no run yet.
    pub async fn waiting_items(&self, backfill: BackfillId, limit: u32) -> Result<Vec<WaitingItem>, StoreError> {
        let mut session = self.read("look for the next values of a backfill").await?;
        let sql = "select position, value from backfill_items where backfill_id = $1 and state = 'waiting'
            order by position limit $2";
        let rows = session.fetch(sql, vec![backfill.to_string().into(), limit.into()]).await?;
        rows.iter().map(|row| Ok(WaitingItem { position: row.get("position")?, value: row.get("value")? })).collect()
    }

    /// Records the run of a value, unless the backfill has `parallel` runs that have not ended. Everybody who does so
    /// for the same backfill waits for its row first, so that the runs are counted one after the other.
    pub async fn submit_item(
        &self,
        backfill: BackfillId,
        parallel: u32,
        position: i64,
        new: &NewRun,
    ) -> Result<ItemSubmission, StoreError> {
        written!(self, "record a run of a backfill", session => {
            let id = || Value::from(backfill.to_string());
            let sql = "update backfills set state = state where backfill_id = $1 and state = 'running'";
            if session.execute(sql, vec![id()]).await? == 0 {
                return Ok(ItemSubmission::Closed);
            }
            let sql = "select state, run_id from backfill_items where backfill_id = $1 and position = $2";
            let rows = session.fetch(sql, vec![id(), position.into()]).await?;
            let Some(row) = rows.first() else { return Ok(ItemSubmission::Taken) };
            if row.get::<String>("state")? != "waiting" {
                // An earlier try may have worked although its answer was lost.
                let is_ours = row.get::<Option<String>>("run_id")? == Some(new.id.to_string());
                return Ok(if is_ours { ItemSubmission::Submitted } else { ItemSubmission::Taken });
            }
            if unfinished(&mut session, backfill).await? >= u64::from(parallel) {
                return Ok(ItemSubmission::Full);
            }
            record(&mut session, new, None).await?;
            let sql = "update backfill_items set state = 'submitted', run_id = $3, because = null
                where backfill_id = $1 and position = $2";
            session.execute(sql, vec![id(), position.into(), new.id.to_string().into()]).await?;
            session.hint(Hint::Run).await?;
            fault::point("backfill.before_commit").map_err(sqlx::Error::Io)?;
            ItemSubmission::Submitted
        })
    }

    /// Notes why a value gets no run.
    pub async fn item_refused(&self, backfill: BackfillId, position: i64, because: &str) -> Result<(), StoreError> {
        written!(self, "note a refused run of a backfill", session => {
            let sql = "update backfill_items set state = 'refused', because = $3
                where backfill_id = $1 and position = $2 and state = 'waiting'";
            let values = vec![backfill.to_string().into(), position.into(), because.into()];
            session.execute(sql, values).await?;
        })
    }

    /// Ends a backfill of which every value has been dealt with and every run has ended; tells whether it is over.
    pub async fn end_backfill(&self, backfill: BackfillId) -> Result<bool, StoreError> {
        written!(self, "end a backfill", session => {
            let id = || Value::from(backfill.to_string());
            let sql = "update backfills set state = state where backfill_id = $1 and state = 'running'";
            if session.execute(sql, vec![id()]).await? == 0 {
                return Ok(true);
            }
            let sql = "select position from backfill_items where backfill_id = $1 and state = 'waiting' limit 1";
            if !session.fetch(sql, vec![id()]).await?.is_empty() || unfinished(&mut session, backfill).await? > 0 {
                return Ok(false);
            }
            session.execute("update backfills set state = 'done' where backfill_id = $1", vec![id()]).await?;
            true
        })
    }

    /// Puts a backfill into another state if it is in one of `from`, and tells the state that it was in; none if there
    /// is no such backfill.
    pub async fn change_backfill(
        &self,
        backfill: BackfillId,
        from: &[BackfillState],
        to: BackfillState,
    ) -> Result<Option<BackfillState>, StoreError> {
        written!(self, "change a backfill", session => {
            let sql = "update backfills set state = state where backfill_id = $1";
            if session.execute(sql, vec![backfill.to_string().into()]).await? == 0 {
                return Ok(None);
            }
            let sql = "select state from backfills where backfill_id = $1";
            let state: String = session.fetch(sql, vec![backfill.to_string().into()]).await?[0].get("state")?;
            let Some(before) = BackfillState::ALL.into_iter().find(|known| known.as_str() == state) else {
                return Err(sqlx::Error::Decode(format!("`{state}` is no state of a backfill").into()));
            };
            if from.contains(&before) {
                let sql = "update backfills set state = $2 where backfill_id = $1";
                session.execute(sql, vec![backfill.to_string().into(), to.as_str().into()]).await?;
                if to == BackfillState::Cancelled {
                    let sql = "update backfill_items set state = 'cancelled', because = 'the backfill was cancelled'
                        where backfill_id = $1 and state = 'waiting'";
                    session.execute(sql, vec![backfill.to_string().into()]).await?;
                }
            }
            Some(before)
        })
    }

    /// What is known of the runs of a pipeline, by the value that a param had in them.
    pub async fn runs_by_value(
        &self,
        pipeline: &str,
        param: &str,
    ) -> Result<BTreeMap<String, RunsOfValue>, StoreError> {
        let mut session = self.read("look for runs by a param").await?;
        // The largest of these texts is that of the latest run.
        let sql = "select p.value, cast(max(case when r.state = 'succeeded' then 1 else 0 end) as bigint) as succeeded,
                cast(max(case when r.finished_at is null then 1 else 0 end) as bigint) as unfinished,
                max(r.created_at || ' ' || r.run_id || ' ' || r.state) as latest
            from runs r join params p on p.run_id = r.run_id and p.step = '' and p.param = $2
            where r.pipeline = $1 group by p.value";
        let rows = session.fetch(sql, vec![pipeline.into(), param.into()]).await?;
        let mut runs = BTreeMap::new();
        for row in rows {
            let latest: String = row.get("latest")?;
            let of_value = RunsOfValue {
                succeeded: row.get::<i64>("succeeded")? == 1,
                unfinished: row.get::<i64>("unfinished")? == 1,
                latest_state: latest.rsplit(' ').next().unwrap_or_default().to_owned(),
            };
            runs.insert(row.get("value")?, of_value);
        }
        Ok(runs)
    }
}

async fn unfinished(session: &mut Session<'_>, backfill: BackfillId) -> Result<u64, sqlx::Error> {
    let sql = "select count(*) as runs from backfill_items i join runs r on r.run_id = i.run_id
        where i.backfill_id = $1 and i.state = 'submitted' and r.finished_at is null";
    let rows = session.fetch(sql, vec![backfill.to_string().into()]).await?;
    Ok(rows[0].get::<i64>("runs")?.unsigned_abs())
}

fn parsed(text: &str) -> Result<BackfillId, StoreError> {
    text.parse().map_err(corrupt)
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { what: "backfill", reason: error.to_string() }
}
