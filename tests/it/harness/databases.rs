//! Runs promises about the store on SQLite and on Postgres.

use std::pin::Pin;

use phaseline::id::RunId;
use phaseline::store::{Store, StoreUrl};
use sqlx::Connection;

use super::postgres::Cluster;

/// A promise that every database must keep, given an empty one.
pub(crate) type Promise = fn(StoreUrl) -> Pin<Box<dyn Future<Output = ()>>>;

/// Checks each promise on a database of its own: first on SQLite, then on Postgres.
pub(crate) fn on_both_databases(promises: &[Promise]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for promise in promises {
            let folder = tempfile::tempdir().unwrap();
            promise(StoreUrl::in_state_folder(folder.path())).await;
        }
        let cluster = Cluster::start().await;
        for (number, promise) in promises.iter().enumerate() {
            promise(cluster.database(&format!("promise_{number}")).await).await;
        }
    });
}

/// Opens the store at `url`.
pub(crate) async fn open(url: &StoreUrl) -> Store {
    Store::open(url).await.unwrap()
}

/// Writes behind the store's back.
pub(crate) async fn write(url: &StoreUrl, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    match url {
        StoreUrl::Sqlite(path) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        StoreUrl::Postgres(text) => {
            let mut connection = sqlx::PgConnection::connect(text).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        }
    }
}

/// Ends the lease of a run, as if its driver had not been heard of for long.
pub(crate) async fn end_lease(url: &StoreUrl, run: RunId) {
    write(url, &format!("update runs set lease_expires_ms = 0 where run_id = '{run}'")).await;
}

/// Turns async functions from a [`StoreUrl`] into [`Promise`]s.
macro_rules! promises {
    ($($name:path),* $(,)?) => {
        &[$(|url| Box::pin($name(url))),*]
    };
}
pub(crate) use promises;
