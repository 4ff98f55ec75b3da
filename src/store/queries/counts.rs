//! How much there is of everything that waits or is held, for whoever watches.

use std::borrow::Cow;

use super::super::connection::Session;
use super::super::slots::{COUNTED_SLOTS, COUNTED_WAITS};
use super::super::{Store, StoreError};

/// What is there now. Pairs are a label and a number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Runs that have not ended, by state; a parked one counts as `parked`.
    pub runs: Vec<(String, f64)>,
    /// Runs that somebody drives.
    pub leases: f64,
    /// Slots taken, by pool; work outside a pool counts as `none`.
    pub slots_used: Vec<(String, f64)>,
    /// Slots that pools have.
    pub slots_limit: Vec<(String, f64)>,
    /// Steps that wait for room, by pool.
    pub waiting: Vec<(String, f64)>,
    /// Daemons that gave a sign within the last minute.
    pub daemons: f64,
    /// Requests that nobody has carried out yet.
    pub requests: f64,
    /// Notifications that are still to be delivered.
    pub deliveries: f64,
}

/// Pools beyond this many are counted together, as `other`.
const MOST_POOLS: usize = 50;
/// How long the sign of a daemon counts, in milliseconds.
const SIGN_COUNTS_MS: i64 = 60_000;

impl Store {
    /// Counts what is there now.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let mut session = self.read("count what there is").await?;
        let now_ms = session.now_ms().await?;
        let runs = "select case when parked is null then state else 'parked' end as label, count(*) as number
            from runs where finished_at is null group by 1 order by 1";
        let used = format!(
            "select coalesce(pool, 'none') as label,
                cast(sum(case when pool is null then 1 else pool_slots end) as bigint) as number
            from {COUNTED_SLOTS} as s group by 1 order by 1"
        );
        let waiting = format!(
            "select coalesce(pool, 'none') as label, count(*) as number from {COUNTED_WAITS} as w group by 1 order by 1"
        );
        let limits = "select pool as label, slots as number from pools order by 1";
        let leases = "select 'all' as label, count(*) as number from runs
            where finished_at is null and lease_owner is not null and lease_expires_ms > $1";
        let daemons = "select 'all' as label, count(*) as number from daemons where beat_ms > $1";
        let requests = "select 'all' as label, count(*) as number from requests where handled_at is null";
        let deliveries = "select 'all' as label, count(*) as number from deliveries where delivered_at is null";
        Ok(Counts {
            runs: pairs(&mut session, runs, None).await?,
            leases: total(&pairs(&mut session, leases, Some(now_ms)).await?),
            slots_used: bounded(pairs(&mut session, used, Some(now_ms)).await?),
            slots_limit: bounded(pairs(&mut session, limits, None).await?),
            waiting: bounded(pairs(&mut session, waiting, Some(now_ms)).await?),
            daemons: total(&pairs(&mut session, daemons, Some(now_ms - SIGN_COUNTS_MS)).await?),
            requests: total(&pairs(&mut session, requests, None).await?),
            deliveries: total(&pairs(&mut session, deliveries, None).await?),
        })
    }
}

async fn pairs(
    session: &mut Session<'_>,
    sql: impl Into<Cow<'static, str>>,
    value: Option<i64>,
) -> Result<Vec<(String, f64)>, StoreError> {
    let rows = session.fetch(sql, value.into_iter().map(Into::into).collect()).await?;
    rows.iter().map(|row| Ok((row.get("label")?, row.get::<i64>("number")? as f64))).collect()
}

fn total(pairs: &[(String, f64)]) -> f64 {
    pairs.iter().map(|(_, number)| number).sum()
}

fn bounded(mut pairs: Vec<(String, f64)>) -> Vec<(String, f64)> {
    if pairs.len() > MOST_POOLS {
        let rest = pairs.split_off(MOST_POOLS);
        pairs.push(("other".to_owned(), total(&rest)));
    }
    pairs
}
