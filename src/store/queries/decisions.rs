//! What of a run somebody has to decide about, or has.

use serde::{Deserialize, Serialize};

use super::super::connection::Session;
use super::super::{Store, StoreError};
use crate::id::RunId;

/// A gate or step that somebody has to decide about, or has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AskedDecision {
    /// `gate` or `step`.
    pub kind: String,
    /// The gate or step.
    pub subject: String,
    /// `awaited`, `approved`, `refused`, `waived`, `expired`, or `withdrawn` by the end of the run.
    pub state: String,
    /// What is asked.
    pub message: Option<String>,
    /// Since when it waits.
    pub requested_at: Option<String>,
    /// Until when it waits, or until when the decision counts.
    pub expires_at: Option<String>,
    /// When it was decided about.
    pub decided_at: Option<String>,
    /// By whom.
    pub decided_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl Store {
    /// Everything of a run that somebody has to decide about, or has.
    pub async fn decisions_of(&self, run: RunId) -> Result<Vec<AskedDecision>, StoreError> {
        let mut session = self.read("look for decisions").await?;
        Ok(decisions(&mut session, run).await?)
    }
}

pub(super) async fn decisions(session: &mut Session<'_>, run: RunId) -> Result<Vec<AskedDecision>, sqlx::Error> {
    let sql = "select kind, subject, state, message, requested_at, expires_at, decided_at, decided_by, reason
        from approvals where run_id = $1 order by kind, subject";
    let rows = session.fetch(sql, vec![run.to_string().into()]).await?;
    let decision = |row: &super::super::connection::Row| {
        Ok(AskedDecision {
            kind: row.get("kind")?,
            subject: row.get("subject")?,
            state: row.get("state")?,
            message: row.get("message")?,
            requested_at: row.get("requested_at")?,
            expires_at: row.get("expires_at")?,
            decided_at: row.get("decided_at")?,
            decided_by: row.get("decided_by")?,
            reason: row.get("reason")?,
        })
    };
    rows.iter().map(decision).collect()
}
