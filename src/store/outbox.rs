//! Every event of every run, in an order that a reader can follow without missing one.
//!
//! Rows are written by the transaction that appends the events. A transaction that began early may commit late, so the
//! order in which rows were numbered is not the order in which they become visible. Readers on Postgres therefore go by
//! transaction first, and only as far as no older transaction is still open; SQLite has one writer at a time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use super::connection::{Access, Session};
use super::retry::repeated;
use super::rows::insert;
use super::{Store, StoreError, time};
use crate::engine::RunEvent;
use crate::id::{PipelineName, RunId};

/// The row of `subscriptions` that tells up to where the outbox was cleared.
const CLEARED: &str = "cleared";

/// A place in the outbox: all rows up to it were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct OutboxCursor {
    /// The transaction that wrote the row; 0 on SQLite.
    tx: i64,
    /// The number of the row.
    position: i64,
}

impl OutboxCursor {
    pub(super) fn at(tx: i64, position: i64) -> OutboxCursor {
        OutboxCursor { tx, position }
    }

    pub(super) fn place(self) -> (i64, i64) {
        (self.tx, self.position)
    }
}

impl fmt::Display for OutboxCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.tx, self.position)
    }
}

/// A text that is not a place in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of an event")]
pub struct InvalidOutboxCursor(String);

impl FromStr for OutboxCursor {
    type Err = InvalidOutboxCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || InvalidOutboxCursor(text.chars().take(64).collect());
        let (tx, position) = text.split_once('-').ok_or_else(refused)?;
        let number = |text: &str| text.parse::<u64>().ok().and_then(|number| i64::try_from(number).ok());
        Ok(OutboxCursor { tx: number(tx).ok_or_else(refused)?, position: number(position).ok_or_else(refused)? })
    }
}

/// An event with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedEvent {
    /// Its place.
    pub cursor: OutboxCursor,
    /// The run.
    pub run: RunId,
    /// The run's pipeline.
    pub pipeline: PipelineName,
    /// Its place in the log of the run.
    pub seq: u64,
    /// When it was decided.
    pub at: String,
    /// What happened, as stored: an object with `event`.
    pub what: Value,
}

impl Store {
    /// The next `limit` events after `cursor`, oldest first, in an order in which nothing appears behind a reader.
    pub async fn published(&self, cursor: OutboxCursor, limit: u32) -> Result<Vec<PublishedEvent>, StoreError> {
        let mut session = self.read("read the outbox").await?;
        let sql = format!(
            "select o.tx, o.position, o.run_id, o.seq, e.at, e.event, r.pipeline
            from outbox o join events e on e.run_id = o.run_id and e.seq = o.seq join runs r on r.run_id = o.run_id
            where (o.tx, o.position) > ($1, $2) {} order by o.tx, o.position limit $3",
            settled(&session)
        );
        let rows = session.fetch(sql, vec![cursor.tx.into(), cursor.position.into(), limit.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(PublishedEvent {
                    cursor: OutboxCursor { tx: row.get("tx")?, position: row.get("position")? },
                    run: parsed("run id", &row.get::<String>("run_id")?)?,
                    pipeline: parsed("pipeline name", &row.get::<String>("pipeline")?)?,
                    seq: row.get::<i64>("seq")?.unsigned_abs(),
                    at: row.get("at")?,
                    what: serde_json::from_str(&row.get::<String>("event")?)
                        .map_err(|error| StoreError::Corrupt { what: "event", reason: error.to_string() })?,
                })
            })
            .collect()
    }

    /// The place after everything that can be read now: where a reader starts who wants only what is new.
    pub async fn outbox_end(&self) -> Result<OutboxCursor, StoreError> {
        let mut session = self.read("read the outbox").await?;
        let sql = format!(
            "select o.tx, o.position from outbox o where true {} order by o.tx desc, o.position desc limit 1",
            settled(&session)
        );
        let rows = session.fetch(sql, vec![]).await?;
        match rows.first() {
            Some(row) => Ok(OutboxCursor { tx: row.get("tx")?, position: row.get("position")? }),
            None => cleared(&mut session).await.map_err(StoreError::from),
        }
    }

    /// Up to where the outbox was cleared: a reader who stands before it has missed events.
    pub async fn outbox_cleared(&self) -> Result<OutboxCursor, StoreError> {
        let mut session = self.read("read the outbox").await?;
        Ok(cleared(&mut session).await?)
    }

    /// Deletes up to `limit` of the oldest rows that are older than `age` and that every recorded subscriber has read.
    /// Tells how many; a caller goes on until there are none.
    pub async fn clear_outbox(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        repeated!(self, "clear the outbox", self.clear_outbox_once(age, limit))
    }

    async fn clear_outbox_once(&self, age: Duration, limit: u32) -> Result<u64, sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let before = session.now_ms().await? - time::milliseconds(age);
        let visible = settled(&session);
        // Only a beginning of the order goes: a young row keeps everything behind it.
        let sql = format!(
            "select o.tx, o.position, o.at_ms from outbox o
            where not exists (
                select 1 from subscriptions s
                where s.subscriber <> $2 and (s.tx, s.position) < (o.tx, o.position)
            ) {visible} order by o.tx, o.position limit $1"
        );
        let rows = session.fetch(sql, vec![limit.into(), CLEARED.into()]).await?;
        let mut last = None;
        for row in &rows {
            if row.get::<i64>("at_ms")? >= before {
                break;
            }
            last = Some(OutboxCursor { tx: row.get("tx")?, position: row.get("position")? });
        }
        let Some(last) = last else { return Ok(0) };
        let sql = "insert into subscriptions (subscriber, tx, position) values ($1, $2, $3)
            on conflict (subscriber) do update set tx = excluded.tx, position = excluded.position
            where (subscriptions.tx, subscriptions.position) < (excluded.tx, excluded.position)";
        session.execute(sql, vec![CLEARED.into(), last.tx.into(), last.position.into()]).await?;
        let sql = "delete from outbox where (tx, position) <= ($1, $2)";
        let count = session.execute(sql, vec![last.tx.into(), last.position.into()]).await?;
        session.commit().await?;
        Ok(count)
    }
}

/// Publishes events that the same transaction appends.
pub(super) async fn publish(
    session: &mut Session<'_>,
    run: RunId,
    events: &[RunEvent],
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let rows = events.iter().map(|event| vec![run.to_string().into(), event.seq.into(), now_ms.into()]);
    insert(session, "insert into outbox (run_id, seq, at_ms)", "", rows.collect()).await
}

/// The condition under which no row can appear before `o` any more.
fn settled(session: &Session<'_>) -> &'static str {
    match session {
        Session::Sqlite { .. } => "",
        Session::Postgres(_) => "and o.tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
    }
}

async fn cleared(session: &mut Session<'_>) -> Result<OutboxCursor, sqlx::Error> {
    let sql = "select tx, position from subscriptions where subscriber = $1";
    let rows = session.fetch(sql, vec![CLEARED.into()]).await?;
    match rows.first() {
        Some(row) => Ok(OutboxCursor { tx: row.get("tx")?, position: row.get("position")? }),
        None => Ok(OutboxCursor::default()),
    }
}

fn parsed<T: FromStr>(what: &'static str, text: &str) -> Result<T, StoreError>
where
    T::Err: fmt::Display,
{
    text.parse().map_err(|error: T::Err| StoreError::Corrupt { what, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_it_is_shown() {
        let cursor = OutboxCursor { tx: 741, position: 12 };
        assert_eq!(cursor.to_string().parse::<OutboxCursor>().unwrap(), cursor);
        for bad in ["", "7", "7-", "-7", "7-x", "--1", "1-99999999999999999999", "+1-1-"] {
            assert!(bad.parse::<OutboxCursor>().is_err(), "{bad}");
        }
    }
}
