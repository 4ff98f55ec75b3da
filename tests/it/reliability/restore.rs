//! A database that is put back to how it was some time ago, under artifacts and logs that are of now.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use phaseline::store::StoreUrl;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, raw_sql};

use super::fleet::Fleet;
use super::oracle::rows;
use super::workload::{entries, ledger};
use super::{Chance, conclude, trials};

/// The steps that have a result.
const DONE: &str = "select run_id, step from lineage_steps where state in ('succeeded', 'reused')";

#[tokio::test]
async fn a_database_that_was_put_back_goes_on_from_there_and_does_again_nothing_that_it_knows_on_sqlite() {
    let mut chance = Chance::new("restores");
    let mut wrong = Vec::new();
    for trial in 0..trials(4) {
        let mut fleet = Fleet::new(None).await;
        let StoreUrl::Sqlite(path) = fleet.url().clone() else { panic!("not SQLite") };
        let daemon = fleet.daemon(None, &[]);
        fleet.submit("first").await;
        fleet.submit("second").await;
        while rows(&fleet.store, DONE).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(chance.below(2500))).await;
        let backup = path.with_extension("backup");
        let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        let sql = format!("vacuum into '{}'", backup.display());
        raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        // Half of the time everything has ended since.
        if trial % 2 == 0 {
            fleet.until_done(|| false).await;
        } else {
            tokio::time::sleep(Duration::from_millis(chance.below(400))).await;
        }
        daemon.kill();
        fleet.until_no_worker().await;
        fleet.store.close().await;
        for file in ["-wal", "-shm"] {
            fs::remove_file(format!("{}{file}", path.display())).ok();
        }
        fs::rename(&backup, &path).unwrap();
        fs::remove_file(ledger(&fleet.project)).ok();
        fleet.reopen().await;
        let of = |row: &std::collections::BTreeMap<String, serde_json::Value>| {
            (row["run_id"].as_str().unwrap().to_owned(), row["step"].as_str().unwrap().to_owned())
        };
        let known: BTreeSet<(String, String)> = rows(&fleet.store, DONE).await.iter().map(of).collect();
        let _daemon = fleet.daemon(None, &[]);
        fleet.until_done(|| false).await;
        fleet.submit("third").await;
        fleet.until_done(|| false).await;
        wrong.extend(fleet.violations().await);
        for entry in entries(&ledger(&fleet.project)) {
            if known.contains(&(entry.run.clone(), entry.step.clone())) {
                wrong.push(format!("I2: {} of {} was done and is done again", entry.step, entry.run));
            }
        }
    }
    conclude("restores", "sqlite", trials(4), &wrong);
}
