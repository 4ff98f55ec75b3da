//! What a step waits for, and who has it.

use super::super::{Store, StoreError};
use super::page::row;
use super::pools::PoolHolder;
use crate::id::{RunId, StepName};

/// How many holders are named.
const NAMED: u32 = 20;

row! {
    /// Room that a step waits for.
    pub struct StepWait {
        /// The machine that it would run on.
        pub host: String,
        /// Its pool.
        pub pool: Option<String>,
        /// `pool`, `cpus`, `memory`, `gpu`, `turn` or `result`.
        pub waits_for: String,
        /// Since when, in milliseconds since 1970.
        pub since_ms: i64,
        /// The same for people.
        pub because: String,
    }
}

impl Store {
    /// What the step waits for, as whoever drives its run was last told; none if it does not wait for room.
    pub async fn step_wait(&self, run: RunId, step: &StepName) -> Result<Option<StepWait>, StoreError> {
        let mut session = self.read("look what a step waits for").await?;
        let sql = "select host, pool, waits_for, since_ms, because from slot_waits where run_id = $1 and step = $2";
        let rows = session.fetch(sql, vec![run.to_string().into(), step.as_str().into()]).await?;
        rows.first().map(StepWait::read).transpose()
    }

    /// The attempts that have what is waited for, the oldest first.
    pub async fn holders_for(&self, wait: &StepWait) -> Result<Vec<PoolHolder>, StoreError> {
        let mut session = self.read("look who has slots").await?;
        let sql = "select run_id, step, attempt_id, host, pool_slots as slots, since_ms from slots
            where ($1 = 'pool' and pool = $2) or ($1 in ('cpus', 'turn') and host = $3)
                or ($1 = 'memory' and host = $3 and memory_bytes > 0) or ($1 = 'gpu' and host = $3 and gpus > 0)
            order by since_ms, attempt_id limit $4";
        let pool = wait.pool.clone().unwrap_or_default();
        let values = vec![wait.waits_for.as_str().into(), pool.into(), wait.host.as_str().into(), NAMED.into()];
        session.fetch(sql, values).await?.iter().map(PoolHolder::read).collect()
    }
}
