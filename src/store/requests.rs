//! What somebody asked of a run, until whoever drives it has carried it out.

use chrono::{DateTime, Utc};

use super::connection::{Access, Value};
use super::time::text;
use super::{Store, StoreError};
use crate::id::{RequestId, RunId};

/// What can be asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// End it.
    Cancel,
    /// Let it go on past a gate or step.
    Approve,
    /// Let it end at a gate or step.
    Reject,
    /// Leave a gate out of account.
    Waive,
    /// Start no more attempts.
    Pause,
    /// Start attempts again, or go on after the end.
    Resume,
}

impl RequestKind {
    /// The kind as it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            RequestKind::Cancel => "cancel",
            RequestKind::Approve => "approve",
            RequestKind::Reject => "reject",
            RequestKind::Waive => "waive",
            RequestKind::Pause => "pause",
            RequestKind::Resume => "resume",
        }
    }
}

/// Something asked of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The run.
    pub run: RunId,
    /// What is asked.
    pub kind: RequestKind,
    /// The gate or step that it is about.
    pub subject: Option<String>,
    /// Who asks.
    pub asked_by: String,
    /// Why.
    pub reason: Option<String>,
    /// Until when a decision counts.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Request {
    /// A request about the whole run.
    pub fn new(run: RunId, kind: RequestKind, asked_by: &str) -> Request {
        Request { run, kind, subject: None, asked_by: asked_by.to_owned(), reason: None, expires_at: None }
    }
}

impl Store {
    /// Records a request; whoever drives the run finds it there.
    pub async fn ask(&self, request: Request) -> Result<RequestId, StoreError> {
        let id = RequestId::generate();
        let mut retry = self.retry();
        loop {
            match self.ask_once(id, &request).await {
                Ok(()) => return Ok(id),
                Err(error) if retry.again_after(&error).await => {}
                Err(error) => return Err(self.error("record a request", error)),
            }
        }
    }

    async fn ask_once(&self, id: RequestId, request: &Request) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let sql = "insert into requests (request_id, run_id, kind, subject, asked_by, reason, expires_at, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (request_id) do nothing";
        let values: Vec<Value> = vec![
            id.to_string().into(),
            request.run.to_string().into(),
            request.kind.as_str().into(),
            request.subject.clone().into(),
            request.asked_by.as_str().into(),
            request.reason.clone().into(),
            request.expires_at.map(text).into(),
            text(Utc::now()).into(),
        ];
        session.execute(sql, values).await?;
        session.commit().await
    }

    /// What became of a request: none while nobody has carried it out.
    pub async fn outcome_of(&self, request: RequestId) -> Result<Option<String>, StoreError> {
        let mut session = self.read("look at a request").await?;
        let sql = "select coalesce(outcome, '') as outcome from requests
            where request_id = $1 and handled_at is not null";
        let rows = session.fetch(sql, vec![request.to_string().into()]).await?;
        Ok(rows.first().map(|row| row.get("outcome")).transpose()?)
    }
}
