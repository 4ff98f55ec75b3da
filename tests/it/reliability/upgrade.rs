//! A state of the version before: brought up to date by a process that is killed while it does so, and refused when it
//! comes from a version after.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use phaseline::store::StoreUrl;
use rustix::process::Signal;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, SqlSafeStr, raw_sql};

use super::fleet::Fleet;
use super::workload::ledger;
use super::{Chance, conclude, copy, trials};
use crate::harness::databases::write;
use crate::harness::postgres::Cluster;

/// The migrations of the version before.
const OLD: [(i64, &str); 2] = [(1, "0001_tables"), (2, "0002_lineage_views")];

fn migrator(database: &str) -> Migrator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let migration = |(version, name): (i64, &'static str)| {
        let text = fs::read_to_string(folder.join(format!("{name}.sql"))).unwrap();
        let sql = AssertSqlSafe(text).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations(OLD.map(migration).to_vec());
    migrator.set_locking(false);
    migrator
}

/// Copies what the tables of the version before had: from `new.TABLE` to `old.TABLE`.
fn copying(old: &str, new: &str, columns: &[(String, String)]) -> String {
    let mut statements = String::new();
    let mut tables: Vec<&str> = columns.iter().map(|(table, _)| table.as_str()).collect();
    tables.dedup();
    for table in tables {
        let of: Vec<&str> = columns.iter().filter(|(it, _)| it == table).map(|(_, column)| column.as_str()).collect();
        let of = of.join(", ");
        writeln!(statements, "insert into {old}.{table} ({of}) select {of} from {new}.{table};").unwrap();
    }
    statements
}

/// Turns the database into one that the version before has written.
async fn grow_old(url: &StoreUrl) {
    match url {
        StoreUrl::Sqlite(path) => {
            let new = path.with_extension("new");
            let open = async |path: &Path| -> SqliteConnection {
                SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
            };
            let mut connection = open(path).await;
            raw_sql("pragma wal_checkpoint(truncate)").execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            fs::rename(path, &new).unwrap();
            let mut connection = open(path).await;
            migrator("sqlite").run_direct(None, &mut connection, false).await.unwrap();
            let sql = "select m.name as t, p.name as c from sqlite_master m join pragma_table_info(m.name) p
                where m.type = 'table' and m.name not like '%sqlx%' and m.name not like 'sqlite%' order by 1";
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
            let columns: Vec<(String, String)> = rows.iter().map(|row| (row.get("t"), row.get("c"))).collect();
            let attach = format!("attach '{}' as new;\n", new.display());
            let sql = format!("{attach}{}", copying("main", "new", &columns));
            raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            fs::remove_file(new).unwrap();
        }
        StoreUrl::Postgres(text) => {
            let mut connection = PgConnection::connect(text).await.unwrap();
            raw_sql("alter schema public rename to new; create schema public").execute(&mut connection).await.unwrap();
            migrator("postgres").run_direct(None, &mut connection, false).await.unwrap();
            let sql = "select c.table_name::text as t, c.column_name::text as c from information_schema.columns c
                join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
                where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name not like '%sqlx%'
                order by 1, c.ordinal_position";
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
            let columns: Vec<(String, String)> = rows.iter().map(|row| (row.get("t"), row.get("c"))).collect();
            let sql = format!("{}; drop schema new cascade", copying("public", "new", &columns));
            raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
    }
}

/// Keeps the database as it is, and puts it back.
async fn exchange(url: &StoreUrl, is_back: bool) {
    match url {
        StoreUrl::Sqlite(path) => {
            let kept = path.with_extension("kept");
            for file in ["-wal", "-shm"] {
                fs::remove_file(format!("{}{file}", path.display())).ok();
            }
            let (from, to) = if is_back { (&kept, path) } else { (path, &kept) };
            fs::copy(from, to).unwrap();
        }
        StoreUrl::Postgres(text) => {
            let name = text.split('?').next().unwrap().rsplit('/').next().unwrap();
            let (from, to) = if is_back {
                (format!("{name}_kept"), name.to_owned())
            } else {
                (name.to_owned(), format!("{name}_kept"))
            };
            let mut connection =
                PgConnection::connect(&text.replacen(&format!("/{name}?"), "/postgres?", 1)).await.unwrap();
            for sql in [
                format!("drop database if exists {to} with (force)"),
                format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{from}'"),
                format!("create database {to} template {from}"),
            ] {
                raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            }
        }
    }
}

/// The version of the tables.
async fn version(url: &StoreUrl) -> i64 {
    let sql = "select max(version) as version from _sqlx_migrations";
    match url {
        StoreUrl::Sqlite(path) => {
            let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
            let version = sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get("version");
            connection.close().await.unwrap();
            version
        }
        StoreUrl::Postgres(text) => {
            let mut connection = PgConnection::connect(text).await.unwrap();
            sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get("version")
        }
    }
}

async fn brought_up_to_date(url: Option<StoreUrl>) {
    let database = if url.is_some() { "postgres" } else { "sqlite" };
    let mut fleet = Fleet::new(url).await;
    let url = fleet.url().clone();
    let daemon = fleet.daemon(None, &[]);
    fleet.submit("finished").await;
    fleet.until_done(|| false).await;
    fleet.submit("unfinished").await;
    fleet.until_begun().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    daemon.kill();
    fleet.until_no_worker().await;
    fleet.store.close().await;
    grow_old(&url).await;
    exchange(&url, false).await;
    let state = fleet.project.path().join(".phaseline");
    let kept = fleet.project.path().join("kept");
    copy(&state, &kept);
    let told = fs::read(ledger(&fleet.project)).unwrap();

    let unfinished = fleet.acknowledged[1].run.clone();
    let mut chance = Chance::new("upgrades");
    let mut wrong = Vec::new();
    for trial in 0..trials(3) {
        fs::remove_dir_all(&state).unwrap();
        copy(&kept, &state);
        fs::write(ledger(&fleet.project), &told).unwrap();
        exchange(&url, true).await;
        assert_eq!(version(&url).await, 2);
        let fault = ["migrate.before_commit", "migrate.after_commit", ""][trial % 3];
        let fired = fleet.project.path().join("fired");
        fs::remove_file(&fired).ok();
        let mut command = fleet.command(&["runs"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).env("PHASELINE_FAULT_LOG", &fired);
        if !fault.is_empty() {
            command.env("PHASELINE_FAULT", format!("{fault}:1:kill"));
        }
        let mut process = command.spawn().unwrap();
        if fault.is_empty() {
            tokio::time::sleep(Duration::from_millis(chance.below(150))).await;
            rustix::process::kill_process(rustix::process::Pid::from_child(&process), Signal::KILL).ok();
        }
        process.wait().unwrap();
        match fault {
            "" => {}
            point => {
                assert!(fs::read_to_string(&fired).is_ok_and(|text| text.contains(point)), "{point} was not reached");
                assert_eq!(version(&url).await, if point.contains("before") { 2 } else { 3 });
            }
        }
        let resumed = fleet.command(&["resume", &unfinished]).output().unwrap();
        let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
        if !resumed.status.success() {
            wrong.push(format!("the run of the version before cannot be resumed after `{fault}`: {said}"));
            continue;
        }
        fleet.reopen().await;
        fleet.acknowledged.truncate(2);
        let daemon = fleet.daemon(None, &[]);
        fleet.submit(&format!("after{trial}")).await;
        fleet.until_done(|| false).await;
        wrong.extend(fleet.violations().await);
        daemon.kill();
        fleet.store.close().await;
    }
    conclude("upgrades", database, trials(3), &wrong);
}

#[tokio::test]
async fn a_state_of_the_version_before_goes_on_although_bringing_it_up_to_date_was_killed_on_sqlite() {
    brought_up_to_date(None).await;
}

#[tokio::test]
async fn a_state_of_the_version_before_goes_on_although_bringing_it_up_to_date_was_killed_on_postgres() {
    let cluster = Cluster::start().await;
    brought_up_to_date(Some(cluster.database("upgrade").await)).await;
}

#[tokio::test]
async fn a_database_of_a_version_after_is_refused_in_words_and_left_alone_on_both() {
    let cluster = Cluster::start().await;
    for url in [None, Some(cluster.database("after").await)] {
        let fleet = Fleet::new(url).await;
        let url = fleet.url().clone();
        fleet.store.close().await;
        let newer = match &url {
            StoreUrl::Sqlite(_) => {
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                values (99, 'later', true, x'00', 0)"
            }
            StoreUrl::Postgres(_) => {
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                values (99, 'later', true, '\\x00', 0)"
            }
        };
        write(&url, newer).await;
        for arguments in [&["runs"][..], &["daemon", "--listen", "127.0.0.1:0", "--pipelines", "pipelines"]] {
            let refused = fleet.command(arguments).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success(), "{arguments:?}");
            assert!(said.contains("a newer version of phaseline (99, this program knows 3)"), "{said}");
        }
        assert_eq!(version(&url).await, 99);
    }
}
