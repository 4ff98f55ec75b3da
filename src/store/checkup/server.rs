//! The database as a program on a machine: its version, its size, its settings and whether it is whole.

use chrono::{DateTime, Utc};

use super::Schema;
use crate::store::connection::Database;
use crate::store::{Store, StoreError, migrate};

/// How many flaws are told at most.
const MOST_FLAWS: u32 = 20;

/// What kind of database it is, and how it is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A SQLite file.
    Sqlite(SqliteFacts),
    /// A Postgres server.
    Postgres(PostgresFacts),
}

/// A SQLite file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteFacts {
    /// The version of the library.
    pub version: String,
    /// How large the database is.
    pub bytes: u64,
    /// How it keeps what is not in the file yet: `wal` as we open it.
    pub journal_mode: String,
}

/// A Postgres server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresFacts {
    /// Its version.
    pub version: String,
    /// The same as a number: 170002 for 17.2.
    pub version_number: i64,
    /// How large the database is.
    pub bytes: u64,
    /// Whether it only repeats what another server does.
    pub is_standby: bool,
    /// Whether transactions may write.
    pub is_read_only: bool,
    /// How many connections it has, ours included.
    pub connections: u64,
    /// How many it takes from users without privileges.
    pub most_connections: u64,
    /// How transactions see each other unless they say otherwise.
    pub isolation: String,
    /// Whether it waits for the disk at all.
    pub has_fsync: bool,
    /// What a commit waits for.
    pub synchronous_commit: String,
    /// For how long the oldest transaction has been open that has written something, in seconds.
    pub oldest_write_seconds: u64,
}

impl Store {
    /// How the tables stand beside those that this program knows.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        migrate::schema(&self.database).await.map_err(|error| self.error("look at the tables", error))
    }

    /// The time by the clock that all users of the database share.
    pub async fn clock(&self) -> Result<DateTime<Utc>, StoreError> {
        let doing = "read the clock of the database";
        let mut session = self.read(doing).await?;
        let now_ms = session.now_ms().await.map_err(|error| self.error(doing, error))?;
        Ok(DateTime::from_timestamp_millis(now_ms).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// What kind of database it is, and how it is set up.
    pub async fn server(&self) -> Result<Server, StoreError> {
        let asked = match &*self.database {
            Database::Sqlite { .. } => self.sqlite_facts().await.map(Server::Sqlite),
            Database::Postgres(_) => self.postgres_facts().await.map(Server::Postgres),
        };
        asked.map_err(|error| self.error("look at the database", error))
    }

    /// What is wrong with the file of the database: a quick look, or with `is_thorough` also at every index. Postgres looks
    /// after its files itself.
    pub async fn flaws(&self, is_thorough: bool) -> Result<Vec<String>, StoreError> {
        let Database::Sqlite { .. } = &*self.database else { return Ok(Vec::new()) };
        let doing = "look whether the database is whole";
        let mut session = self.read(doing).await?;
        let check = if is_thorough { "integrity_check" } else { "quick_check" };
        let asked = session.fetch(format!("pragma {check}({MOST_FLAWS})"), vec![]).await;
        let rows = asked.map_err(|error| self.error(doing, error))?;
        let flaws: Result<Vec<String>, _> = rows.iter().map(|row| row.get(check)).collect();
        Ok(flaws?.into_iter().filter(|flaw| flaw != "ok").collect())
    }

    async fn sqlite_facts(&self) -> Result<SqliteFacts, sqlx::Error> {
        let mut session = self.database.begin(crate::store::connection::Access::Read).await?;
        let sql = "select sqlite_version() as version, (select journal_mode from pragma_journal_mode) as journal_mode,
            (select page_count from pragma_page_count) * (select page_size from pragma_page_size) as bytes";
        let rows = session.fetch(sql, vec![]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok(SqliteFacts {
            version: row.get("version")?,
            bytes: row.get::<i64>("bytes")?.unsigned_abs(),
            journal_mode: row.get("journal_mode")?,
        })
    }

    async fn postgres_facts(&self) -> Result<PostgresFacts, sqlx::Error> {
        let mut session = self.database.begin(crate::store::connection::Access::Read).await?;
        let sql = "select current_setting('server_version') as version,
            cast(current_setting('server_version_num') as bigint) as version_number,
            pg_database_size(current_database()) as bytes, pg_is_in_recovery() as is_standby,
            current_setting('default_transaction_read_only') = 'on' as is_read_only,
            (select cast(coalesce(sum(numbackends), 0) as bigint) from pg_stat_database) as connections,
            cast(current_setting('max_connections') as bigint)
                - cast(current_setting('superuser_reserved_connections') as bigint) as most_connections,
            current_setting('default_transaction_isolation') as isolation, current_setting('fsync') = 'on' as has_fsync,
            current_setting('synchronous_commit') as synchronous_commit,
            (select cast(coalesce(extract(epoch from max(clock_timestamp() - xact_start)), 0) as bigint)
                from pg_stat_activity where backend_xid is not null) as oldest_write_seconds";
        let rows = session.fetch(sql, vec![]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let count = |column: &str| row.get::<i64>(column).map(|count| count.max(0).unsigned_abs());
        Ok(PostgresFacts {
            version: row.get("version")?,
            version_number: row.get("version_number")?,
            bytes: count("bytes")?,
            is_standby: row.get("is_standby")?,
            is_read_only: row.get("is_read_only")?,
            connections: count("connections")?,
            most_connections: count("most_connections")?,
            isolation: row.get("isolation")?,
            has_fsync: row.get("has_fsync")?,
            synchronous_commit: row.get("synchronous_commit")?,
            oldest_write_seconds: count("oldest_write_seconds")?,
        })
    }
}
