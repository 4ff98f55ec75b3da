//! The audit log: who did what to what, from where, and how it ended. Rows are added, and given their outcome, once.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::connection::Access;
use super::retry::repeated;
use super::{Store, StoreError, time};

/// How long a text in a row is at most, in characters; the rest is cut off.
const LONGEST_TEXT: usize = 500;

/// The outcome of something whose end is not known: the process that did it was killed, or is still at it.
const BEGUN: &str = "begun";

/// Something that somebody does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Act {
    /// A person or a token.
    pub who: String,
    /// The role that allowed it; none for somebody who has the state folder itself.
    pub role: Option<String>,
    /// What, such as `POST /api/v1/runs/{run}/cancel` or `runs cancel`.
    pub action: String,
    /// To what.
    pub object: Option<String>,
    /// The address that it came from; none for the machine's own command line.
    pub remote: Option<String>,
}

/// A row whose outcome is still to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPosition(i64);

impl Store {
    /// Writes down what is about to be done, before it is.
    pub async fn audit_begun(&self, entry: &Act) -> Result<AuditPosition, StoreError> {
        self.add_audit(entry, BEGUN, None).await
    }

    /// Writes down how it ended.
    pub async fn audit_ended(
        &self,
        position: AuditPosition,
        outcome: &str,
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        repeated!(self, "write the audit log", async {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "update audit set outcome = $2, detail = $3 where position = $1 and outcome = $4";
            let values = vec![position.0.into(), short(outcome).into(), detail.map(short).into(), BEGUN.into()];
            session.execute(sql, values).await?;
            session.commit().await
        })
    }

    /// Writes down what was done, or refused.
    pub async fn audit(&self, entry: &Act, outcome: &str, detail: Option<&str>) -> Result<(), StoreError> {
        self.add_audit(entry, outcome, detail).await.map(drop)
    }

    /// Forgets what is older than `kept`.
    pub async fn trim_audit(&self, kept: Duration, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let before = time::text(now - kept);
        repeated!(self, "trim the audit log", async {
            let mut session = self.database.begin(Access::Write).await?;
            let gone = session.execute("delete from audit where at < $1", vec![before.as_str().into()]).await?;
            session.commit().await?;
            Ok(gone)
        })
    }

    async fn add_audit(&self, entry: &Act, outcome: &str, detail: Option<&str>) -> Result<AuditPosition, StoreError> {
        let at = time::text(Utc::now());
        repeated!(self, "write the audit log", async {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "insert into audit (at, who, role, action, object, outcome, remote, detail)
                values ($1, $2, $3, $4, $5, $6, $7, $8) returning position";
            let values = vec![
                at.as_str().into(),
                short(&entry.who).into(),
                entry.role.as_deref().into(),
                short(&entry.action).into(),
                entry.object.as_deref().map(short).into(),
                short(outcome).into(),
                entry.remote.as_deref().into(),
                detail.map(short).into(),
            ];
            let rows = session.fetch(sql, values).await?;
            let position: i64 = rows.first().ok_or(sqlx::Error::RowNotFound)?.get("position")?;
            session.commit().await?;
            Ok(AuditPosition(position))
        })
    }
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
