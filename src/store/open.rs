//! Opening the database.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::connection::{Access, Database, Session};
use super::retry::{PATIENCE, Retry, is_connection_lost, is_disk_full, repeated};
use super::{StoreError, StoreUrl, migrate};

/// How long a writer of another process may hold the SQLite file before we give up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections to Postgres of one process: its limit is shared by everybody, and no statement of ours takes long.
const POSTGRES_CONNECTIONS: u32 = 8;
/// One writer, and readers that do not wait for it.
const SQLITE_CONNECTIONS: u32 = 4;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs, lineage, cache and models in a database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) database: Arc<Database>,
    pub(super) url: StoreUrl,
    patience: Duration,
}

/// What to do where there is no database yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    Make,
    Refuse,
}

impl Store {
    /// Opens the database at `url`; a SQLite file is created when it does not exist, and tables are brought up to date.
    ///
    /// # Errors
    /// When the place cannot be reached or written, or the tables are those of a newer program.
    pub async fn open(url: &StoreUrl) -> Result<Store, StoreError> {
        let store = Store::connect(url, Absent::Make).await?;
        migrate::migrate(&store.database).await?;
        Ok(store)
    }

    /// Opens the database as it is, for whoever only looks: no file is made, and old tables stay as they are.
    ///
    /// # Errors
    /// When the place cannot be reached, or there is nothing.
    pub async fn open_as_it_is(url: &StoreUrl) -> Result<Store, StoreError> {
        Store::connect(url, Absent::Refuse).await
    }

    async fn connect(url: &StoreUrl, absent: Absent) -> Result<Store, StoreError> {
        let failed = |source: sqlx::Error| StoreError::Open { url: url.to_string(), source: Box::new(source) };
        let database = match url {
            StoreUrl::Sqlite(path) => {
                if let Some(folder) = path.parent().filter(|_| absent == Absent::Make) {
                    std::fs::create_dir_all(folder)
                        .map_err(|source| StoreError::Folder { path: folder.to_owned(), source })?;
                }
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(absent == Absent::Make)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(false)
                    .busy_timeout(BUSY_TIMEOUT)
                    .disable_statement_logging();
                let pool = SqlitePoolOptions::new()
                    .max_connections(SQLITE_CONNECTIONS)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .test_before_acquire(false)
                    .acquire_timeout(BUSY_TIMEOUT)
                    // On a full disk SQLite ends a transaction by itself; the driver's own rollback then fails, and it
                    // takes the connection for one with an open transaction for ever.
                    .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
                    .connect_lazy_with(options);
                Database::Sqlite { pool, writer: Mutex::new(()) }
            }
            StoreUrl::Postgres(text) => {
                let options = PgConnectOptions::from_str(text)
                    .map_err(failed)?
                    .application_name("phaseline")
                    .disable_statement_logging();
                let pool = PgPoolOptions::new()
                    .max_connections(POSTGRES_CONNECTIONS)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    // A connection that died is found by the statement that fails, and that is tried again.
                    .test_before_acquire(false)
                    .connect_lazy_with(options);
                Database::Postgres(pool)
            }
        };
        let store = Store { database: Arc::new(database), url: url.clone(), patience: PATIENCE };
        let mut retry = store.retry();
        while let Err(error) = store.database.connect().await {
            if !retry.again_after(&error).await {
                return Err(failed(error));
            }
        }
        Ok(store)
    }

    /// The same store, which gives up when the database has been away for `patience`; eight seconds unless told.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Store {
        Store { patience, ..self }
    }

    pub(super) fn retry(&self) -> Retry {
        Retry::new(self.patience)
    }

    /// Where the database is.
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// Asks the database for nothing, once: whether it answers now.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.ping().await.map_err(|error| self.error("ask the database", error))
    }

    /// Closes all connections, once nothing uses them.
    pub async fn close(&self) {
        match &*self.database {
            Database::Sqlite { pool, .. } => pool.close().await,
            Database::Postgres(pool) => pool.close().await,
        }
    }

    /// A transaction for reading, begun again a few times when the database is away for a moment.
    pub(super) async fn read(&self, doing: &'static str) -> Result<Session<'_>, StoreError> {
        repeated!(self, doing, self.database.begin(Access::Read))
    }

    pub(super) fn error(&self, doing: &'static str, source: sqlx::Error) -> StoreError {
        if is_connection_lost(&source) && matches!(self.url, StoreUrl::Postgres(_)) {
            StoreError::Unreachable { doing, url: self.url.to_string(), source }
        } else if is_disk_full(&source) {
            StoreError::DiskFull { doing, url: self.url.to_string(), source }
        } else {
            StoreError::Sql { doing, source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_named_and_once_there_is_room_the_same_write_works() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::in_state_folder(folder.path())).await.unwrap();
        let mut session = store.database.begin(Access::Write).await.unwrap();
        session.execute("create table notes (note text)", vec![]).await.unwrap();
        session.commit().await.unwrap();
        // The limit holds for one connection; SQLite ends the transaction that meets it, as on a full disk.
        let mut session = store.database.begin(Access::Write).await.unwrap();
        session.fetch("pragma max_page_count = 1", vec![]).await.unwrap();
        let write = async |session: &mut Session<'_>| {
            session.execute("insert into notes (note) values ($1)", vec!["long".repeat(100_000).into()]).await
        };
        let refused = write(&mut session).await.unwrap_err();
        drop(session);
        let message = store.error("append events", refused).to_string();
        assert!(message.contains("is full; nothing is lost: make room and resume the run"), "{message}");
        let mut session = store.database.begin(Access::Write).await.unwrap();
        write(&mut session).await.unwrap();
        session.commit().await.unwrap();
    }
}
