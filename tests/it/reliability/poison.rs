//! Stored rows that make no sense: one bad run stops, everything else goes on.

use std::fs;
use std::path::Path;

use phaseline::api::{ensure_local_token, local_token};
use phaseline::store::{Store, StoreUrl};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, raw_sql};

use super::fleet::Fleet;
use super::{Chance, conclude, copy, trials};

/// What takes the place of a value.
const JUNK: [&str; 6] = [
    "null",
    "'wrong'",
    "'{\"broken\": '",
    "cast(zeroblob(1048576) as text)",
    "cast(x'C3FFFE' as text)",
    "-9223372036854775808",
];

/// Tables whose junk is nobody's fault but a migration's.
const SKIPPED: [&str; 2] = ["_sqlx_migrations", "sqlite_sequence"];

async fn open(folder: &Path) -> SqliteConnection {
    let StoreUrl::Sqlite(path) = StoreUrl::in_state_folder(folder) else { panic!("not SQLite") };
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

/// Every column of every table that has a row.
async fn columns(connection: &mut SqliteConnection) -> Vec<(String, String)> {
    let sql =
        "select m.name as t, p.name as c from sqlite_master m join pragma_table_info(m.name) p where m.type = 'table'";
    let rows = sqlx::query(sql).fetch_all(&mut *connection).await.unwrap();
    let mut columns: Vec<(String, String)> = Vec::new();
    for row in rows {
        let (table, column): (String, String) = (row.get("t"), row.get("c"));
        if SKIPPED.contains(&table.as_str()) {
            continue;
        }
        let sql = AssertSqlSafe(format!("select 1 from {table} limit 1"));
        if sqlx::query(sql).fetch_optional(&mut *connection).await.unwrap().is_some() {
            columns.push((table, column));
        }
    }
    columns
}

/// Puts `junk` into one row, and tells whether the table took it.
async fn poison(connection: &mut SqliteConnection, table: &str, column: &str, junk: &str) -> bool {
    let sql = format!("select name from pragma_table_info('{table}') where pk > 0");
    let keys = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.unwrap();
    let keys: Vec<String> = keys.iter().map(|row| row.get("name")).collect();
    let keys = if keys.is_empty() { "rowid".to_owned() } else { keys.join(", ") };
    let sql = format!(
        "pragma ignore_check_constraints = on;
        update {table} set {column} = {junk} where ({keys}) in (select {keys} from {table} order by random() limit 1)"
    );
    raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.is_ok()
}

#[tokio::test]
async fn a_stored_value_that_makes_no_sense_stops_at_most_the_run_that_it_belongs_to_on_sqlite() {
    let mut fleet = Fleet::new(None).await;
    let daemon = fleet.daemon(None, &[]);
    fleet.submit("before").await;
    fleet.until_done(|| false).await;
    fleet.submit("unfinished").await;
    daemon.kill();
    let state = fleet.project.path().join(".phaseline");
    let healthy = fleet.project.path().join("healthy");
    copy(&state, &healthy);
    let mut connection = open(&healthy).await;
    let columns = columns(&mut connection).await;
    connection.close().await.unwrap();
    assert!(columns.len() > 60, "{columns:?}");

    let mut chance = Chance::new("stored junk");
    let (mut taken, mut all_wrong) = (0, Vec::new());
    for trial in 0..trials(40) {
        let (table, column) = &columns[usize::try_from(chance.below(columns.len() as u64)).unwrap()];
        let junk = JUNK[trial % JUNK.len()];
        fleet.store.close().await;
        fleet.until_no_worker().await;
        fs::remove_dir_all(&state).unwrap();
        copy(&healthy, &state);
        let mut connection = open(&state).await;
        let is_taken = poison(&mut connection, table, column, junk).await;
        connection.close().await.unwrap();
        if !is_taken {
            continue;
        }
        taken += 1;
        fleet.reopen().await;
        // The state is that of then, so what ran since then runs again.
        fs::remove_file(super::workload::ledger(&fleet.project)).ok();
        fleet.acknowledged.clear();
        let mut daemon = fleet.daemon(None, &[]);
        fleet.submit(&format!("after{trial}")).await;
        fleet.until_done(|| daemon.is_gone()).await;
        let place = format!("{junk} in {table}.{column}");
        if daemon.is_gone() {
            all_wrong.push(format!("{place} ended the daemon: {}", fleet.log()));
            continue;
        }
        let mut wrong = fleet.violations().await;
        // What the poisoned run left behind is for whoever mends it.
        wrong.retain(|violation| !violation.starts_with("I4"));
        all_wrong.extend(wrong.iter().map(|violation| format!("after {place}: {violation}")));
    }
    conclude("stored_junk", "sqlite", taken, &all_wrong);
    assert!(taken > trials(40) / 3, "only {taken} values were taken by the tables");
}

#[tokio::test]
async fn a_row_of_a_pipeline_that_makes_no_sense_hides_no_other() {
    let mut fleet = Fleet::new(None).await;
    let daemon = fleet.daemon(None, &[]);
    fleet.submit("before").await;
    fleet.until_done(|| false).await;
    daemon.kill();
    let state = fleet.project.path().join(".phaseline");
    let mut connection = open(&state).await;
    let sound = format!("vacuum into '{}'", fleet.project.path().join("sound.db").display());
    raw_sql(AssertSqlSafe(sound)).execute(&mut connection).await.unwrap();
    let all = columns(&mut connection).await;
    let of_pipelines: Vec<_> = all.iter().filter(|(table, _)| table == "pipelines").collect();
    assert!(of_pipelines.len() > 10, "{of_pipelines:?}");
    for (table, column) in of_pipelines {
        for junk in JUNK {
            raw_sql("begin").execute(&mut connection).await.unwrap();
            if poison(&mut connection, table, column, junk).await {
                raw_sql("commit").execute(&mut connection).await.unwrap();
            } else {
                raw_sql("rollback").execute(&mut connection).await.unwrap();
            }
            let listed = fleet.store.pipelines().await.unwrap_or_else(|error| panic!("{junk} in {column}: {error}"));
            assert!(!listed.is_empty(), "{junk} in {column}");
            assert!(fleet.store.kept_manifests().await.is_ok(), "{junk} in {column}");
            let restored = format!(
                "attach '{}' as sound; delete from pipelines; insert into pipelines select * from sound.pipelines; detach sound",
                fleet.project.path().join("sound.db").display()
            );
            raw_sql(AssertSqlSafe(restored)).execute(&mut connection).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_row_of_a_daemon_that_makes_no_sense_is_passed_over() {
    let fleet = Fleet::new(None).await;
    let columns = "(daemon, host, version, address, pipelines, started_at, beat_ms, draining)";
    let mut connection = open(&fleet.project.path().join(".phaseline")).await;
    let sql = format!(
        "pragma ignore_check_constraints = on;
        insert into daemons {columns} values ('a', 'here', '1', null, null, '2026-01-01T00:00:00Z', 0, 'wrong'),
            ('b', 'here', '1', null, null, '2026-01-01T00:00:00Z', -9223372036854775808, false)"
    );
    raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let daemons = fleet.store.daemons().await.unwrap();
    assert_eq!(daemons.iter().map(|daemon| daemon.daemon.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn a_token_whose_row_makes_no_sense_opens_nothing_and_that_of_this_machine_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreUrl::in_state_folder(folder.path())).await.unwrap();
    for junk in JUNK.into_iter().filter(|junk| *junk != "null") {
        ensure_local_token(&store, folder.path(), "here").await.unwrap();
        let secret = local_token(folder.path()).unwrap();
        let mut connection = open(folder.path()).await;
        let sql = format!("pragma ignore_check_constraints = on; update tokens set role = {junk}");
        raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        assert_eq!(store.token_of(&secret).await.unwrap(), None, "{junk}");
        ensure_local_token(&store, folder.path(), "here").await.unwrap();
        let anew = local_token(folder.path()).unwrap();
        assert_ne!(anew, secret, "{junk}");
        assert!(store.token_of(&anew).await.unwrap().is_some(), "{junk}");
        assert_eq!(store.tokens().await.unwrap().len(), 1, "only the new one can be read");
    }
}
