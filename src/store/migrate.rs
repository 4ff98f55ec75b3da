//! Bringing the tables up to date.

use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Row as _, SqlSafeStr};

use super::StoreError;
use super::connection::{Access, Database, Session};
use crate::fault;

macro_rules! migrations {
    ($folder:literal: $($version:literal $name:literal),* $(,)?) => {
        LazyLock::new(|| {
            let mut migrator = Migrator::with_migrations(vec![$(Migration::new(
                $version,
                Cow::Borrowed($name),
                MigrationType::Simple,
                include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")).into_sql_str(),
                false,
            )),*]);
            // Its lock would end before the transaction around it does.
            migrator.set_locking(false);
            migrator
        })
    };
}

static SQLITE: LazyLock<Migrator> = migrations!("sqlite": 1 "0001_tables", 2 "0002_lineage_views", 3 "0003_daemon");
static POSTGRES: LazyLock<Migrator> = migrations!("postgres": 1 "0001_tables", 2 "0002_lineage_views", 3 "0003_daemon");

/// The version of the newest migration.
const NEWEST: i64 = 3;

/// Any number will do, as long as every version of the program takes the same one.
const LOCK: &str = "select pg_advisory_xact_lock(7074387115)";

/// Brings the tables up to date; a cheap look suffices when they are.
pub(super) async fn migrate(database: &Database) -> Result<(), StoreError> {
    let found = version(database).await;
    match found {
        Some(NEWEST) => return Ok(()),
        Some(found) if found > NEWEST => return Err(StoreError::TooNew { found, known: NEWEST }),
        _ => {}
    }
    // All of it is one transaction, which whoever else opens the same new database waits for.
    let sql = |source| StoreError::Sql { doing: "bring the tables up to date", source };
    let mut session = database.begin(Access::Write).await.map_err(sql)?;
    match &mut session {
        Session::Sqlite { transaction, .. } => SQLITE.run_direct(None, &mut **transaction, false).await,
        Session::Postgres(transaction) => {
            sqlx::query(LOCK).execute(&mut **transaction).await.map_err(sql)?;
            POSTGRES.run_direct(None, &mut **transaction, false).await
        }
    }
    .map_err(StoreError::Migrate)?;
    fault::point("migrate.before_commit").map_err(|error| sql(error.into()))?;
    session.commit().await.map_err(sql)?;
    fault::point("migrate.after_commit").map_err(|error| sql(error.into()))
}

/// How the tables of a database stand beside those that this program knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The version of the tables; none when there are none.
    pub found: Option<i64>,
    /// The newest version that this program knows.
    pub newest: i64,
    /// Migrations that were begun and not ended.
    pub unfinished: Vec<i64>,
    /// Migrations whose text was another one when they were applied.
    pub changed: Vec<i64>,
}

/// Looks how the tables stand, and changes nothing.
pub(super) async fn schema(database: &Database) -> Result<Schema, sqlx::Error> {
    let mut schema = Schema { newest: NEWEST, found: version(database).await, ..Schema::default() };
    if schema.found.is_none() {
        return Ok(schema);
    }
    let sql = "select version, success, checksum from _sqlx_migrations order by version";
    let rows: Vec<(i64, bool, Vec<u8>)> = match database {
        Database::Sqlite { pool, .. } => sqlx::query_as(sql).fetch_all(pool).await?,
        Database::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await?,
    };
    let known = match database {
        Database::Sqlite { .. } => &SQLITE,
        Database::Postgres(_) => &POSTGRES,
    };
    for (version, is_done, checksum) in rows {
        if !is_done {
            schema.unfinished.push(version);
        }
        if known.iter().any(|migration| migration.version == version && *migration.checksum != checksum) {
            schema.changed.push(version);
        }
    }
    Ok(schema)
}

/// The version of the tables; none when there are none yet.
async fn version(database: &Database) -> Option<i64> {
    let sql = "select max(version) as version from _sqlx_migrations";
    match database {
        Database::Sqlite { pool, .. } => sqlx::query(sql).fetch_one(pool).await.ok()?.try_get("version").ok(),
        Database::Postgres(pool) => sqlx::query(sql).fetch_one(pool).await.ok()?.try_get("version").ok(),
    }
}
