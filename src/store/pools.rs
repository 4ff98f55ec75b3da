//! Setting the size of a pool.

use chrono::{DateTime, Utc};

use super::connection::Access;
use super::retry::repeated;
use super::{Hint, Store, StoreError, time};

impl Store {
    /// Sets how many attempts may hold `pool` at once.
    pub async fn set_pool(&self, pool: &str, slots: u32, by: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        repeated!(self, "set the size of a pool", self.set_pool_once(pool, slots, by, now))
    }

    async fn set_pool_once(&self, pool: &str, slots: u32, by: &str, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let sql = "insert into pools (pool, slots, set_by, set_at) values ($1, $2, $3, $4)
            on conflict (pool) do update set slots = excluded.slots, set_by = excluded.set_by, set_at = excluded.set_at";
        session.execute(sql, vec![pool.into(), slots.into(), by.into(), time::text(now).into()]).await?;
        session.hint(Hint::Slot).await?;
        session.commit().await
    }
}
