//! Pools: how many slots they have, who has them, and who waits.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::connection::Session;
use super::super::slots::{COUNTED_SLOTS, COUNTED_WAITS};
use super::super::{Store, StoreError};
use super::page::{KeyKind, Listing, Order, Page, PageRequest, row};

/// How many of those who have slots of a pool, or wait for some, are named.
const NAMED: u32 = 1000;

row! {
    /// A pool of slots that attempts share across pipelines.
    pub struct PoolSummary {
        /// Its name.
        pub pool: String,
        /// How many slots it has.
        pub slots: i64,
        /// How many of them attempts have.
        pub used: i64,
        /// How many wait for something that it is part of.
        pub waiting: i64,
        /// Who set its size; none where it has the one slot that every pool has.
        pub set_by: Option<String>,
        /// When.
        pub set_at: Option<String>,
    }
}

row! {
    /// An attempt that holds slots of a pool, or other room.
    pub struct PoolHolder {
        /// The run.
        pub run_id: String,
        /// The step.
        pub step: String,
        /// The attempt.
        pub attempt_id: String,
        /// The machine.
        pub host: String,
        /// How many slots of its pool it has; 0 without a pool.
        pub slots: i64,
        /// Since when, in milliseconds since 1970.
        pub since_ms: i64,
    }
}

row! {
    /// A step that waits for something that a pool is part of.
    pub struct PoolWaiter {
        /// The run.
        pub run_id: String,
        /// The step.
        pub step: String,
        /// The priority of the run.
        pub priority: i64,
        /// Since when, in milliseconds since 1970.
        pub since_ms: i64,
        /// Why, in words.
        pub because: String,
    }
}

/// A pool, and where it was asked for, who has its slots and who waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PoolDetail {
    /// The pool in numbers.
    #[serde(flatten)]
    pub summary: PoolSummary,
    /// Attempts that hold it, the oldest first, at most 1000; absent unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<Vec<PoolHolder>>,
    /// Steps that wait, in the order in which they are served, at most 1000; absent unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiters: Option<Vec<PoolWaiter>>,
}

impl Store {
    /// The pools that have a size, a holder or somebody who waits; with who that is if `with_names` says so.
    pub async fn pools_page(&self, with_names: bool, request: &PageRequest) -> Result<Page<PoolDetail>, StoreError> {
        let mut session = self.read("list pools").await?;
        let order = Order { columns: &[("n.pool", KeyKind::Text)], is_descending: false };
        let now_ms = session.now_ms().await?;
        let page = Listing { sql: pools(), values: vec![now_ms.into()], order }
            .page(&mut session, request, PoolSummary::read)
            .await?;
        let mut items = Vec::new();
        for summary in page.items {
            items.push(if with_names {
                detail(&mut session, summary, now_ms).await?
            } else {
                PoolDetail { summary, holders: None, waiters: None }
            });
        }
        Ok(Page { items, next: page.next })
    }

    /// One pool with who has its slots and who waits. One that was never used is free and has one slot.
    pub async fn pool_detail(&self, pool: &str) -> Result<PoolDetail, StoreError> {
        let mut session = self.read("read a pool").await?;
        let now_ms = session.now_ms().await?;
        let rows = session.fetch(format!("{} and n.pool = $2", pools()), vec![now_ms.into(), pool.into()]).await?;
        let unused =
            || PoolSummary { pool: pool.to_owned(), slots: 1, used: 0, waiting: 0, set_by: None, set_at: None };
        let summary = rows.first().map_or_else(|| Ok(unused()), PoolSummary::read)?;
        detail(&mut session, summary, now_ms).await
    }
}

async fn detail(session: &mut Session<'_>, summary: PoolSummary, now_ms: i64) -> Result<PoolDetail, StoreError> {
    let values = || vec![now_ms.into(), summary.pool.as_str().into(), NAMED.into()];
    let sql = format!(
        "select s.run_id, s.step, s.attempt_id, s.host, s.pool_slots as slots, s.since_ms from {COUNTED_SLOTS} as s
        where s.pool = $2 order by s.since_ms, s.attempt_id limit $3"
    );
    let holders = session.fetch(sql, values()).await?.iter().map(PoolHolder::read).collect::<Result<_, _>>()?;
    let sql = format!(
        "select w.run_id, w.step, w.priority, w.since_ms, w.because from {COUNTED_WAITS} as w
        where w.pool = $2 order by w.priority desc, w.since_ms, w.run_id, w.step limit $3"
    );
    let waiters = session.fetch(sql, values()).await?.iter().map(PoolWaiter::read).collect::<Result<_, _>>()?;
    Ok(PoolDetail { summary, holders: Some(holders), waiters: Some(waiters) })
}

/// The pools that have a size, a holder or somebody who waits, at the time `$1`.
fn pools() -> String {
    format!(
        "select n.pool, coalesce(p.slots, 1) as slots,
            (select cast(coalesce(sum(s.pool_slots), 0) as bigint) from {COUNTED_SLOTS} as s where s.pool = n.pool) as used,
            (select count(*) from {COUNTED_WAITS} as w where w.pool = n.pool) as waiting, p.set_by, p.set_at
        from (select pool from pools union select s.pool from {COUNTED_SLOTS} as s where s.pool is not null
            union select w.pool from {COUNTED_WAITS} as w where w.pool is not null) as n
        left join pools p on p.pool = n.pool where true"
    )
}
