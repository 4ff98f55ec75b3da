//! What an operator looks at: approvals, daemons, backfills, tokens and the audit log.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::{Store, StoreError, time};
use super::page::{KeyKind, Listing, Order, Page, PageRequest, row};

/// A daemon that has given no sign for so long is not counted as alive.
const ALIVE: Duration = Duration::from_secs(30);

row! {
    /// A gate or step that somebody had to decide about.
    pub struct ApprovalSummary {
        /// The run.
        pub run_id: String,
        /// Its pipeline.
        pub pipeline: String,
        /// `gate` or `step`.
        pub kind: String,
        /// The gate or step.
        pub subject: String,
        /// Where it stands.
        pub state: String,
        /// What the approver is told.
        pub message: Option<String>,
        /// Since when.
        pub requested_at: Option<String>,
        /// Until when; none for ever.
        pub expires_at: Option<String>,
        /// When it was decided.
        pub decided_at: Option<String>,
        /// By whom.
        pub decided_by: Option<String>,
        /// Why.
        pub reason: Option<String>,
    }
}

row! {
    /// A daemon that has been seen.
    pub struct DaemonSummary {
        /// Its name.
        pub daemon: String,
        /// The machine.
        pub host: String,
        /// The version of the program.
        pub version: String,
        /// Where it listens.
        pub address: Option<String>,
        /// The folder of its pipelines.
        pub pipelines: Option<String>,
        /// When it started.
        pub started_at: String,
        /// Its last sign, in milliseconds since 1970.
        pub beat_ms: i64,
        /// Whether that sign is recent.
        pub is_alive: bool,
        /// Whether it takes on nothing new.
        pub draining: bool,
        /// Runs that it drives.
        pub runs: i64,
    }
}

row! {
    /// A backfill.
    pub struct BackfillSummary {
        /// Its id.
        pub backfill_id: String,
        /// The pipeline.
        pub pipeline: String,
        /// The param that takes the values.
        pub param: String,
        /// What was asked for, as a JSON document.
        pub definition: serde_json::Value,
        /// Who asked.
        pub requested_by: String,
        /// When.
        pub created_at: String,
        /// Where it stands.
        pub state: String,
        /// How many values it has.
        pub items: i64,
        /// How many of them have a run.
        pub with_run: i64,
    }
}

row! {
    /// One value of a backfill.
    pub struct BackfillItem {
        /// Its place.
        pub position: i64,
        /// The value.
        pub value: String,
        /// The run, once there is one.
        pub run_id: Option<String>,
        /// Where it stands.
        pub state: String,
        /// The state of the run.
        pub run_state: Option<String>,
    }
}

row! {
    /// Something that somebody did.
    pub struct AuditEntry {
        /// Its place in the log.
        pub position: i64,
        /// When.
        pub at: String,
        /// Who.
        pub who: String,
        /// With which role.
        pub role: Option<String>,
        /// What.
        pub action: String,
        /// To what.
        pub object: Option<String>,
        /// What came of it.
        pub outcome: String,
        /// From where.
        pub remote: Option<String>,
        /// More, as JSON or text.
        pub detail: Option<String>,
    }
}

row! {
    /// A token, without the token.
    pub struct TokenSummary {
        /// Its id.
        pub token_id: String,
        /// What it was made for.
        pub name: String,
        /// `viewer`, `operator`, `admin`, `webhook` or `predict`.
        pub role: String,
        /// The one trigger or endpoint that it is good for.
        pub scope: Option<String>,
        /// When it was made.
        pub created_at: String,
        /// By whom.
        pub created_by: String,
        /// When it ends; none for never.
        pub expires_at: Option<String>,
        /// When it was revoked.
        pub revoked_at: Option<String>,
        /// When it was last used, roughly.
        pub used_at: Option<String>,
    }
}

const BACKFILLS: &str =
    "select b.backfill_id, b.pipeline, b.param, b.definition, b.requested_by, b.created_at, b.state,
        (select count(*) from backfill_items i where i.backfill_id = b.backfill_id) as items,
        (select count(*) from backfill_items i where i.backfill_id = b.backfill_id and i.run_id is not null) as with_run
    from backfills b where true";
const NEWEST_BACKFILL: Order =
    Order { columns: &[("b.created_at", KeyKind::Text), ("b.backfill_id", KeyKind::Text)], is_descending: true };

impl Store {
    /// What somebody has to decide about or had to, in a run or in all; `state` narrows it down.
    pub async fn approvals_page(
        &self,
        run: Option<&str>,
        state: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<ApprovalSummary>, StoreError> {
        let mut session = self.read("list approvals").await?;
        let sql = "select a.run_id, r.pipeline, a.kind, a.subject, a.state, a.message, a.requested_at, a.expires_at,
                a.decided_at, a.decided_by, a.reason
            from approvals a join runs r on r.run_id = a.run_id
            where ($1 = '' or a.run_id = $1) and ($2 = '' or a.state = $2)";
        let columns = &[("a.run_id", KeyKind::Text), ("a.kind", KeyKind::Text), ("a.subject", KeyKind::Text)];
        let values = vec![run.unwrap_or_default().into(), state.unwrap_or_default().into()];
        Listing { sql: sql.to_owned(), values, order: Order { columns, is_descending: false } }
            .page(&mut session, request, ApprovalSummary::read)
            .await
    }

    /// The daemons, by name.
    pub async fn daemons_page(&self, request: &PageRequest) -> Result<Page<DaemonSummary>, StoreError> {
        let mut session = self.read("list daemons").await?;
        let since = session.now_ms().await? - time::milliseconds(ALIVE);
        let sql = "select d.daemon, d.host, d.version, d.address, d.pipelines, d.started_at, d.beat_ms,
                case when d.beat_ms >= $1 then true else false end as is_alive, d.draining,
                (select count(*) from runs r where r.lease_owner = d.daemon and r.finished_at is null) as runs
            from daemons d where true";
        let order = Order { columns: &[("d.daemon", KeyKind::Text)], is_descending: false };
        Listing { sql: sql.to_owned(), values: vec![since.into()], order }
            .page(&mut session, request, DaemonSummary::read)
            .await
    }

    /// The backfills, newest first.
    pub async fn backfills_page(&self, request: &PageRequest) -> Result<Page<BackfillSummary>, StoreError> {
        let mut session = self.read("list backfills").await?;
        Listing { sql: BACKFILLS.to_owned(), values: vec![], order: NEWEST_BACKFILL }
            .page(&mut session, request, BackfillSummary::read)
            .await
    }

    /// One backfill; none if there is no such one.
    pub async fn backfill_summary(&self, backfill: &str) -> Result<Option<BackfillSummary>, StoreError> {
        let mut session = self.read("read a backfill").await?;
        let rows = session.fetch(format!("{BACKFILLS} and b.backfill_id = $1"), vec![backfill.into()]).await?;
        rows.first().map(BackfillSummary::read).transpose()
    }

    /// The values of a backfill, in order.
    pub async fn backfill_items_page(
        &self,
        backfill: &str,
        request: &PageRequest,
    ) -> Result<Page<BackfillItem>, StoreError> {
        let mut session = self.read("read a backfill").await?;
        let sql = "select i.position, i.value, i.run_id, i.state, r.state as run_state
            from backfill_items i left join runs r on r.run_id = i.run_id where i.backfill_id = $1";
        let order = Order { columns: &[("i.position", KeyKind::Int)], is_descending: false };
        Listing { sql: sql.to_owned(), values: vec![backfill.into()], order }
            .page(&mut session, request, BackfillItem::read)
            .await
    }

    /// What was done, or what was done since a time, newest first.
    pub async fn audit_page(
        &self,
        since: Option<DateTime<Utc>>,
        request: &PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let mut session = self.read("read the audit log").await?;
        let sql = "select a.position, a.at, a.who, a.role, a.action, a.object, a.outcome, a.remote, a.detail
            from audit a where ($1 = '' or a.at >= $1)";
        let order = Order { columns: &[("a.position", KeyKind::Int)], is_descending: true };
        let values = vec![since.map_or_else(String::new, time::text).into()];
        Listing { sql: sql.to_owned(), values, order }.page(&mut session, request, AuditEntry::read).await
    }

    /// The tokens, without their values.
    pub async fn tokens_page(&self, request: &PageRequest) -> Result<Page<TokenSummary>, StoreError> {
        let mut session = self.read("list tokens").await?;
        let sql = "select t.token_id, t.name, t.role, t.scope, t.created_at, t.created_by, t.expires_at, t.revoked_at,
                t.used_at
            from tokens t where true";
        let order = Order { columns: &[("t.token_id", KeyKind::Text)], is_descending: false };
        Listing { sql: sql.to_owned(), values: vec![], order }.page(&mut session, request, TokenSummary::read).await
    }
}
