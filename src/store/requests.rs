//! What people ask of runs: kept until whoever drives the run has handled it.

use serde::{Deserialize, Serialize};

use super::append::AppendError;
use super::connection::{Access, Row, Session, Value};
use super::run_log::retried;
use super::time::text;
use super::{Hint, Store, StoreError};
use crate::engine::{EngineError, Handled, Request, RequestKind};
use crate::fault;
use crate::id::{RequestId, RunId};

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestDetail {
    /// Its id.
    pub request: String,
    /// The run.
    pub run: String,
    /// `cancel`, `approve`, `reject`, `waive`, `pause` or `resume`.
    pub kind: String,
    /// The gate or step that it is about.
    pub subject: Option<String>,
    /// Who asked.
    pub asked_by: String,
    /// Why.
    pub reason: Option<String>,
    /// Until when an approval or a waiver counts.
    pub expires_at: Option<String>,
    /// When it was asked.
    pub created_at: String,
    /// When it was carried out or refused.
    pub handled_at: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
}

impl Store {
    /// Keeps a request for whoever drives its run, or will. Whether it makes sense is found out there.
    ///
    /// # Errors
    /// When the run does not exist, or a decision comes without subject or reason.
    pub async fn ask(&self, request: Request) -> Result<RequestId, StoreError> {
        let is_empty = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        if request.kind.is_decision() && is_empty(&request.subject) {
            let message = format!("to {} needs the name of a gate or step", request.kind.as_str());
            return Err(StoreError::Refused { message, help: Some("`phaseline show RUN` lists them".to_owned()) });
        }
        if request.kind.is_decision() && is_empty(&request.reason) {
            let message = format!("to {} needs a reason", request.kind.as_str());
            return Err(StoreError::Refused { message, help: Some("say why: it is kept with the run".to_owned()) });
        }
        let kept: Result<(), EngineError> = retried!(self, "keep a request", retry => self.ask_once(&request));
        kept.map_err(StoreError::from)?;
        Ok(request.id)
    }

    async fn ask_once(&self, request: &Request) -> Result<(), AppendError> {
        let mut session = self.database.begin(Access::Write).await?;
        let sql = "insert into requests (request_id, run_id, kind, subject, asked_by, reason, expires_at, created_at)
            select $1, r.run_id, $3, $4, $5, $6, $7, $8 from runs r where r.run_id = $2
            on conflict (request_id) do nothing";
        let values: Vec<Value> = vec![
            request.id.to_string().into(),
            request.run.to_string().into(),
            request.kind.as_str().into(),
            request.subject.clone().into(),
            request.asked_by.as_str().into(),
            request.reason.clone().into(),
            request.expires_at.map(text).into(),
            text(request.created_at).into(),
        ];
        if session.execute(sql, values).await? == 0 {
            // One that is asked a second time, as after a lost answer, is on record already.
            let sql = "select run_id from runs where run_id = $1";
            if session.fetch(sql, vec![request.run.to_string().into()]).await?.is_empty() {
                return Err(EngineError::NoRun(request.run).into());
            }
        }
        session.hint(Hint::Request).await?;
        fault::point("ask.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await?;
        Ok(())
    }

    /// One request; none if there is no such.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn request(&self, request: RequestId) -> Result<Option<RequestDetail>, StoreError> {
        let mut session = self.read("read a request").await?;
        let sql = "select request_id, run_id, kind, subject, asked_by, reason, expires_at, created_at, handled_at,
                outcome
            from requests where request_id = $1";
        let rows = session.fetch(sql, vec![request.to_string().into()]).await?;
        Ok(rows.first().map(detail).transpose()?)
    }

    /// What became of a request: none while nobody has carried it out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn outcome_of(&self, request: RequestId) -> Result<Option<String>, StoreError> {
        Ok(self.request(request).await?.filter(|request| request.handled_at.is_some()).and_then(|it| it.outcome))
    }

    /// Everything that was asked of a run, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn requests_of(&self, run: RunId) -> Result<Vec<RequestDetail>, StoreError> {
        let mut session = self.read("read requests").await?;
        Ok(of_run(&mut session, run).await?)
    }

    /// One try of [`crate::engine::RunLog::requests`].
    pub(super) async fn open_requests_once(&self, runs: &[RunId]) -> Result<Vec<Request>, AppendError> {
        let mut session = self.database.begin(Access::Read).await?;
        let columns = "request_id, run_id, kind, subject, asked_by, reason, expires_at, created_at";
        let order = "order by created_at, request_id";
        let rows = if let [run] = runs {
            let sql = format!("select {columns} from requests where handled_at is null and run_id = $1 {order}");
            session.fetch(sql, vec![run.to_string().into()]).await?
        } else {
            // There are few that nobody has handled, fewer than runs, and an index that has only them.
            session.fetch(format!("select {columns} from requests where handled_at is null {order}"), vec![]).await?
        };
        let mut requests = Vec::new();
        for row in &rows {
            let run: String = row.get("run_id")?;
            let Some(run) = runs.iter().find(|known| known.to_string() == run) else { continue };
            // One that makes no sense must not keep the others waiting.
            match read(row, *run)? {
                Some(request) => requests.push(request),
                None => tracing::warn!(run.id = %run, "a stored request makes no sense and is left alone"),
            }
        }
        Ok(requests)
    }
}

fn read(row: &Row, run: RunId) -> Result<Option<Request>, sqlx::Error> {
    let (id, kind): (String, String) = (row.get("request_id")?, row.get("kind")?);
    let (created_at, expires_at): (String, Option<String>) = (row.get("created_at")?, row.get("expires_at")?);
    let (Ok(id), Some(kind), Ok(created_at)) = (id.parse(), RequestKind::from_word(&kind), created_at.parse()) else {
        return Ok(None);
    };
    let Ok(expires_at) = expires_at.map(|time| time.parse()).transpose() else { return Ok(None) };
    Ok(Some(Request {
        id,
        run,
        kind,
        subject: row.get("subject")?,
        asked_by: row.get("asked_by")?,
        reason: row.get("reason")?,
        expires_at,
        created_at,
    }))
}

fn detail(row: &Row) -> Result<RequestDetail, sqlx::Error> {
    Ok(RequestDetail {
        request: row.get("request_id")?,
        run: row.get("run_id")?,
        kind: row.get("kind")?,
        subject: row.get("subject")?,
        asked_by: row.get("asked_by")?,
        reason: row.get("reason")?,
        expires_at: row.get("expires_at")?,
        created_at: row.get("created_at")?,
        handled_at: row.get("handled_at")?,
        outcome: row.get("outcome")?,
    })
}

/// Everything that was asked of a run, oldest first.
pub(super) async fn of_run(session: &mut Session<'_>, run: RunId) -> Result<Vec<RequestDetail>, sqlx::Error> {
    let sql = "select request_id, run_id, kind, subject, asked_by, reason, expires_at, created_at, handled_at, outcome
        from requests where run_id = $1 order by created_at, request_id";
    session.fetch(sql, vec![run.to_string().into()]).await?.iter().map(detail).collect()
}

/// Marks requests as handled.
pub(super) async fn close(session: &mut Session<'_>, handled: &[Handled]) -> Result<(), sqlx::Error> {
    let now = text(chrono::Utc::now());
    for handled in handled {
        let sql = "update requests set handled_at = $2, outcome = $3 where request_id = $1 and handled_at is null";
        let values = vec![handled.request.to_string().into(), now.as_str().into(), handled.outcome.as_str().into()];
        session.execute(sql, values).await?;
    }
    Ok(())
}
