//! Notifications on their way: made in the transaction that moves the reader of the outbox on, so none is lost or made twice.

use std::time::Duration;

use chrono::Utc;
use serde::Serialize;

use super::connection::{Access, Row, Value};
use super::retry::repeated;
use super::time::{milliseconds, text};
use super::{OutboxCursor, Store, StoreError};
use crate::fault;
use crate::id::RunId;

/// The follower of the outbox that makes notifications.
const SUBSCRIBER: &str = "notifications";

/// A notification to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The run.
    pub run: RunId,
    /// The event that is told, by its place in the log of the run.
    pub seq: u64,
    /// Which entry of the manifest's `notify` it is for, from 0.
    pub channel: u32,
    /// The run's pipeline.
    pub pipeline: String,
    /// What it is about.
    pub occasion: String,
    /// Where it goes, in words that hold no secret.
    pub target: String,
    /// The JSON document.
    pub body: String,
}

/// A notification that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its id, the same at every try.
    pub id: String,
    /// The run.
    pub run: String,
    /// Which entry of the manifest's `notify` it is for.
    pub channel: u32,
    /// The pipeline.
    pub pipeline: String,
    /// What it is about.
    pub occasion: String,
    /// Where it goes.
    pub target: String,
    /// The JSON document.
    pub body: String,
    /// Which try it is, from 1.
    pub attempts: u32,
    /// `waiting`, `delivered` or `given_up`.
    pub state: String,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It was taken.
    Delivered,
    /// It is tried again after this time.
    Again(Duration, String),
    /// It will not be tried again.
    GivenUp(String),
}

const COLUMNS: &str = "delivery_id, run_id, channel, pipeline, occasion, target, body, attempts, state, last_error";

impl Store {
    /// Up to where notifications were made; at first the end of the outbox, since nobody wants to be told of the past.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn notified(&self) -> Result<OutboxCursor, StoreError> {
        let mut session = self.read("read how far notifications are").await?;
        let sql = "select tx, position from subscriptions where subscriber = $1";
        if let Some(row) = session.fetch(sql, vec![SUBSCRIBER.into()]).await?.first() {
            return Ok(OutboxCursor::at(row.get("tx")?, row.get("position")?));
        }
        drop(session);
        let end = self.outbox_end().await?;
        self.notify(end, &[]).await?;
        Ok(end)
    }

    /// Keeps notifications and, in the same transaction, that events up to `cursor` were read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn notify(&self, cursor: OutboxCursor, new: &[NewDelivery]) -> Result<(), StoreError> {
        repeated!(self, "keep notifications", self.notify_once(cursor, new))
    }

    async fn notify_once(&self, cursor: OutboxCursor, new: &[NewDelivery]) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        for delivery in new {
            let sql = "insert into deliveries (delivery_id, run_id, seq, channel, pipeline, occasion, target, body,
                    state, attempts, due_ms, created_at)
                values ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', 0, $9, $10)
                on conflict (run_id, seq, channel) do nothing";
            let values: Vec<Value> = vec![
                uuid::Uuid::now_v7().to_string().into(),
                delivery.run.to_string().into(),
                delivery.seq.into(),
                delivery.channel.into(),
                delivery.pipeline.as_str().into(),
                delivery.occasion.as_str().into(),
                delivery.target.as_str().into(),
                delivery.body.as_str().into(),
                now_ms.into(),
                text(Utc::now()).into(),
            ];
            session.execute(sql, values).await?;
        }
        let (tx, position) = cursor.place();
        let sql = "insert into subscriptions (subscriber, tx, position) values ($1, $2, $3)
            on conflict (subscriber) do update set tx = excluded.tx, position = excluded.position
            where (subscriptions.tx, subscriptions.position) < (excluded.tx, excluded.position)";
        session.execute(sql, vec![SUBSCRIBER.into(), tx.into(), position.into()]).await?;
        fault::point("notify.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await
    }

    /// Takes up to `limit` notifications that are due, for a try that ends within `patience`: a sender that dies leaves
    /// them to the next one after that time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_deliveries(&self, patience: Duration, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        repeated!(self, "take notifications", self.take_deliveries_once(patience, limit))
    }

    async fn take_deliveries_once(&self, patience: Duration, limit: u32) -> Result<Vec<Delivery>, sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        let sql = "select delivery_id from deliveries
            where delivered_at is null and state = 'waiting' and due_ms <= $1 order by due_ms, delivery_id limit $2";
        let due = session.fetch(sql, vec![now_ms.into(), limit.into()]).await?;
        let mut taken = Vec::new();
        for row in due {
            let id: String = row.get("delivery_id")?;
            // Whoever comes second finds it due later.
            let sql = "update deliveries set due_ms = $2, attempts = attempts + 1
                where delivery_id = $1 and state = 'waiting' and due_ms <= $3";
            let until = now_ms + milliseconds(patience);
            if session.execute(sql, vec![id.as_str().into(), until.into(), now_ms.into()]).await? == 1 {
                let sql = format!("select {COLUMNS} from deliveries where delivery_id = $1");
                taken.extend(
                    session.fetch(sql, vec![id.into()]).await?.iter().map(read).collect::<Result<Vec<_>, _>>()?,
                );
            }
        }
        session.commit().await?;
        Ok(taken)
    }

    /// Keeps what came of a try.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tried(&self, delivery: &str, came: &Tried) -> Result<(), StoreError> {
        repeated!(self, "keep what came of a notification", self.tried_once(delivery, came))
    }

    async fn tried_once(&self, delivery: &str, came: &Tried) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        let (state, due_ms, error, delivered_at) = match came {
            Tried::Delivered => ("delivered", now_ms, None, Some(text(Utc::now()))),
            Tried::Again(wait, error) => ("waiting", now_ms + milliseconds(*wait), Some(error.clone()), None),
            Tried::GivenUp(error) => ("given_up", now_ms, Some(error.clone()), None),
        };
        let sql = "update deliveries set state = $2, due_ms = $3, last_error = $4, delivered_at = $5
            where delivery_id = $1 and state = 'waiting'";
        let values: Vec<Value> = vec![delivery.into(), state.into(), due_ms.into(), error.into(), delivered_at.into()];
        session.execute(sql, values).await?;
        fault::point("notify.before_mark").map_err(sqlx::Error::Io)?;
        session.commit().await
    }

    /// The latest notifications of one state, for people: `waiting`, `delivered` or `given_up`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn deliveries(&self, state: &str, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let mut session = self.read("list notifications").await?;
        let sql = format!("select {COLUMNS} from deliveries where state = $1 order by created_at desc limit $2");
        let rows = session.fetch(sql, vec![state.into(), limit.into()]).await?;
        Ok(rows.iter().map(read).collect::<Result<Vec<_>, _>>()?)
    }

    /// How the run of this pipeline ended that ended last before `run` did; none if there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn outcome_before(&self, run: RunId) -> Result<Option<String>, StoreError> {
        let mut session = self.read("look at the run before").await?;
        let sql = "select b.state from runs r join runs b on b.pipeline = r.pipeline and b.run_id <> r.run_id
            where r.run_id = $1 and b.finished_at is not null and b.state <> 'cancelled'
                and (r.finished_at is null or b.finished_at <= r.finished_at)
            order by b.finished_at desc limit 1";
        let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
        Ok(rows.first().map(|row| row.get("state")).transpose()?)
    }
}

fn read(row: &Row) -> Result<Delivery, sqlx::Error> {
    let small = |number: i64| u32::try_from(number).unwrap_or_default();
    Ok(Delivery {
        id: row.get("delivery_id")?,
        run: row.get("run_id")?,
        channel: small(row.get("channel")?),
        pipeline: row.get("pipeline")?,
        occasion: row.get("occasion")?,
        target: row.get("target")?,
        body: row.get("body")?,
        attempts: small(row.get("attempts")?),
        state: row.get("state")?,
        last_error: row.get("last_error")?,
    })
}
