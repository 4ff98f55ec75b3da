//! Requests that carry a key: the first one is carried out, those after it get its answer.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::connection::{Access, Row, Value};
use super::retry::repeated;
use super::{Store, StoreError, time};

/// How long an answer is kept.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::days(1);

/// A request with a key. Keys of different callers or routes have nothing to do with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The key that the client chose.
    pub key: String,
    /// The id of the client's token.
    pub who: String,
    /// Method and path.
    pub route: String,
    /// The digest of the body.
    pub body_digest: String,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyedTurn {
    /// Carry it out: nobody else does. If somebody began and did not end, as after a crash, it is a repetition.
    Yours,
    /// It was carried out: this was the answer.
    Answered(KeptAnswer),
    /// Somebody else is at it.
    Busy,
    /// The key was used with another body.
    OtherBody,
}

impl Store {
    /// Takes the turn of carrying out `request`, for `hold` at most.
    pub async fn begin_keyed(
        &self,
        request: &KeyedRequest,
        hold: Duration,
        now: DateTime<Utc>,
    ) -> Result<KeyedTurn, StoreError> {
        repeated!(self, "look an idempotency key up", self.begin_keyed_once(request, hold, now))
    }

    async fn begin_keyed_once(
        &self,
        request: &KeyedRequest,
        hold: Duration,
        now: DateTime<Utc>,
    ) -> Result<KeyedTurn, sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let now_ms = session.now_ms().await?;
        session.execute("delete from idempotency where created_at < $1", vec![time::text(now - KEPT).into()]).await?;
        let held_ms = now_ms + time::milliseconds(hold);
        let sql = "insert into idempotency (who, route, key, body_digest, held_ms, created_at)
            values ($1, $2, $3, $4, $5, $6) on conflict (who, route, key) do nothing";
        let mut values = request.place();
        values.extend([request.body_digest.as_str().into(), held_ms.into(), time::text(now).into()]);
        if session.execute(sql, values).await? == 1 {
            session.commit().await?;
            return Ok(KeyedTurn::Yours);
        }
        // One of several that wait for the end of the same hold gets it.
        let sql = "update idempotency set held_ms = $4 where who = $1 and route = $2 and key = $3
            and body_digest = $5 and status is null and held_ms <= $6";
        let mut values = request.place();
        values.extend([held_ms.into(), request.body_digest.as_str().into(), now_ms.into()]);
        let is_taken_over = session.execute(sql, values).await? == 1;
        let sql = "select body_digest, status, answer from idempotency where who = $1 and route = $2 and key = $3";
        let rows = session.fetch(sql, request.place()).await?;
        session.commit().await?;
        if is_taken_over {
            return Ok(KeyedTurn::Yours);
        }
        turn(rows.first().ok_or(sqlx::Error::RowNotFound)?, request)
    }

    /// Keeps the answer to `request`.
    pub async fn end_keyed(&self, request: &KeyedRequest, answer: &KeptAnswer) -> Result<(), StoreError> {
        repeated!(self, "keep an answer", async {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "update idempotency set status = $4, answer = $5 where who = $1 and route = $2 and key = $3";
            let mut values = request.place();
            values.extend([u32::from(answer.status).into(), answer.body.as_str().into()]);
            session.execute(sql, values).await?;
            session.commit().await
        })
    }

    /// Gives back the turns of requests that nobody carries out any more, where no other process can have one.
    pub async fn free_keyed(&self) -> Result<(), StoreError> {
        repeated!(self, "free idempotency keys", async {
            let mut session = self.database.begin(Access::Write).await?;
            session.execute("update idempotency set held_ms = 0 where status is null", vec![]).await?;
            session.commit().await
        })
    }

    /// Gives the turn back without an answer, so that the same request may be tried again at once.
    pub async fn abandon_keyed(&self, request: &KeyedRequest) -> Result<(), StoreError> {
        repeated!(self, "free an idempotency key", async {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "update idempotency set held_ms = 0 where who = $1 and route = $2 and key = $3
                and status is null";
            session.execute(sql, request.place()).await?;
            session.commit().await
        })
    }
}

impl KeyedRequest {
    fn place(&self) -> Vec<Value> {
        vec![self.who.as_str().into(), self.route.as_str().into(), self.key.as_str().into()]
    }
}

fn turn(row: &Row, request: &KeyedRequest) -> Result<KeyedTurn, sqlx::Error> {
    if row.get::<String>("body_digest")? != request.body_digest {
        return Ok(KeyedTurn::OtherBody);
    }
    let (status, body): (Option<i64>, Option<String>) = (row.get("status")?, row.get("answer")?);
    Ok(match status.and_then(|status| u16::try_from(status).ok()) {
        Some(status) => KeyedTurn::Answered(KeptAnswer { status, body: body.unwrap_or_default() }),
        None => KeyedTurn::Busy,
    })
}
