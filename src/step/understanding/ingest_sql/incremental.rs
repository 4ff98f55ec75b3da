//! What reading by a cursor promises, on SQLite, with runs that go on from one another.

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqlSafeStr};

use crate::step::testing::{Ran, Workbench, show};
use crate::step::{InputArtifact, StepError};

/// A database and the runs that read it.
struct Source {
    bench: Workbench,
    runtime: tokio::runtime::Runtime,
    /// What the last run left.
    former: Vec<(String, InputArtifact)>,
}

impl Source {
    fn new(set_up: &str) -> Source {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let source = Source { bench: Workbench::new(), runtime, former: Vec::new() };
        source.execute(set_up);
        source
    }

    fn execute(&self, sql: &str) {
        let options = SqliteConnectOptions::new().filename(self.bench.folder().join("t.db")).create_if_missing(true);
        self.runtime.block_on(async {
            let mut connection: SqliteConnection = options.connect().await.unwrap();
            connection.execute(AssertSqlSafe(sql.to_owned()).into_sql_str()).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    fn try_read(&self, with: Value) -> Result<Ran, StepError> {
        let mut params = with;
        params["url"] = json!("sqlite:t.db");
        params["query"] = json!("SELECT id, at FROM t -- all of them");
        let inputs: Vec<(&str, &InputArtifact)> = self.former.iter().map(|(name, it)| (name.as_str(), it)).collect();
        self.bench.run("ingest.sql", params, &inputs)
    }

    /// The rows of the table of a run that goes on from the last one.
    fn read(&mut self, with: Value) -> String {
        let ran = self.try_read(with).unwrap();
        self.former = ["table", "position"].map(|output| (format!("former_{output}"), ran.input(output))).into();
        let shown = show(&ran.table("table"));
        shown.split_once('\n').map(|(_, rows)| rows.trim_end().replace('\n', ", ")).unwrap_or_default()
    }
}

#[test]
fn rows_at_the_boundary_are_neither_lost_nor_read_twice() {
    let mut source =
        Source::new("CREATE TABLE t (id TEXT, at INTEGER); INSERT INTO t VALUES ('a', 1), ('b', 2), ('b', 2)");
    let delta = || json!({"cursor": "at", "mode": "delta"});
    assert_eq!(source.read(delta()), "a 1, b 2, b 2");
    assert_eq!(source.read(delta()), "");
    // Another row with the greatest value, a further copy of one that was read, and a greater one.
    source.execute("INSERT INTO t VALUES ('c', 2), ('b', 2), ('d', 3)");
    assert_eq!(source.read(delta()), "c 2, b 2, d 3");
    assert_eq!(source.read(delta()), "");
    // What comes late without `lookback` was said to be in order.
    source.execute("INSERT INTO t VALUES ('e', 1), ('f', 4)");
    assert_eq!(source.read(delta()), "f 4");
}

#[test]
fn new_rows_are_appended_to_those_of_the_last_run() {
    let mut source = Source::new("CREATE TABLE t (id TEXT, at INTEGER); INSERT INTO t VALUES ('a', 1), ('b', 2)");
    let append = || json!({"cursor": "at"});
    assert_eq!(source.read(append()), "a 1, b 2");
    let before = source.former[0].1.artifact.clone();
    assert_eq!(source.read(append()), "a 1, b 2");
    assert_eq!(source.former[0].1.artifact, before, "nothing new is the same bytes");
    source.execute("INSERT INTO t VALUES (NULL, 3)");
    assert_eq!(source.read(append()), "a 1, b 2, ~ 3");
    // Of another mode, everything is read again.
    assert_eq!(source.read(json!({"cursor": "at", "mode": "delta"})), "a 1, b 2, ~ 3");
}

#[test]
fn late_rows_are_found_as_far_back_as_asked() {
    let mut source = Source::new("CREATE TABLE t (id TEXT, at INTEGER); INSERT INTO t VALUES ('a', 100), ('b', 110)");
    let with = |back: &str| json!({"cursor": "at", "mode": "delta", "lookback": back});
    assert_eq!(source.read(with("10")), "a 100, b 110");
    source.execute("INSERT INTO t VALUES ('late', 101), ('too late', 99), ('c', 120)");
    assert_eq!(source.read(with("10")), "late 101, c 120");
    assert_eq!(source.read(with("10")), "");
    // Looking further back than before cannot tell rows that were read, so it begins where they are known.
    source.execute("INSERT INTO t VALUES ('d', 112)");
    assert_eq!(source.read(with("100")), "d 112");
    assert_eq!(source.read(with("100")), "");
}

#[test]
fn moments_days_and_texts_are_cursors_too() {
    for (column, first, second) in [
        ("at DATETIME", "2026-02-28 10:00:00", "2026-02-28T10:00:00.5"),
        ("at DATE", "2026-02-28", "2026-03-01"),
        ("at TEXT", "B", "a"),
        ("at TEXT COLLATE NOCASE", "B", "a"),
    ] {
        let mut source =
            Source::new(&format!("CREATE TABLE t (id TEXT, {column}); INSERT INTO t VALUES ('a', '{first}')"));
        let delta = || json!({"cursor": "at", "mode": "delta"});
        assert!(source.read(delta()).starts_with("a "), "{column}");
        assert_eq!(source.read(delta()), "", "{column}");
        source.execute(&format!("INSERT INTO t VALUES ('b', '{second}'), ('c', '{first}')"));
        let read = source.read(delta());
        assert!(read.contains("b ") && read.contains("c ") && !read.contains("a 2"), "{column}: {read}");
    }
    let mut source =
        Source::new("CREATE TABLE t (id TEXT, at DATETIME); INSERT INTO t VALUES ('a', '2026-02-28 10:00:00')");
    let with = json!({"cursor": "at", "mode": "delta", "lookback": "1h"});
    source.read(with.clone());
    source.execute("INSERT INTO t VALUES ('b', '2026-02-28 09:30:00'), ('c', '2026-02-28 08:59:59')");
    assert!(source.read(with).starts_with("b 2026-02-28T09:30:00"));
}

#[test]
fn a_number_among_texts_is_compared_as_the_text_that_it_is_read_as() {
    let mut source = Source::new("CREATE TABLE t (id TEXT, at); INSERT INTO t VALUES ('a', '0x'), ('b', 0)");
    let delta = || json!({"cursor": "at", "mode": "delta"});
    assert_eq!(source.read(delta()), "a 0x, b 0");
    source.execute("INSERT INTO t VALUES ('c', 100), ('d', '0y'), ('e', 1e20)");
    assert_eq!(source.read(delta()), "c 100, d 0y, e 100000000000000000000");
    source.execute("INSERT INTO t VALUES ('f', 2e20), ('g', '3')");
    assert_eq!(source.read(delta()), "f 200000000000000000000, g 3");
}

#[test]
fn a_number_that_is_kept_as_text_is_compared_as_the_number_that_it_is_read_as() {
    let mut source = Source::new("CREATE TABLE t (id TEXT, at TEXT); INSERT INTO t VALUES ('a', '8'), ('b', '9')");
    let delta = || json!({"cursor": "at", "mode": "delta", "types": {"at": "int64"}});
    assert_eq!(source.read(delta()), "a 8, b 9");
    source.execute("INSERT INTO t VALUES ('c', '10')");
    assert_eq!(source.read(delta()), "c 10");
}

#[test]
fn a_cursor_is_compared_as_a_number_where_a_contract_calls_it_a_decimal() {
    let mut source = Source::new("CREATE TABLE t (id TEXT, at INTEGER); INSERT INTO t VALUES ('a', 8), ('b', 9)");
    let columns =
        "columns: [{name: id, type: text, nullable: true}, {name: at, type: \"decimal(20, 0)\", nullable: true}]";
    let delta = || json!({"cursor": "at", "mode": "delta", "contract": format!("contract: p\n{columns}\n")});
    assert_eq!(source.read(delta()), "a 8, b 9");
    source.execute("INSERT INTO t VALUES ('c', 10)");
    assert_eq!(source.read(delta()), "c 10");
}

#[test]
fn what_cannot_be_ordered_is_an_error_with_a_remedy() {
    let refused = |set_up: &str, with: Value| {
        let error = Source::new(set_up).try_read(with).err().unwrap();
        format!("{}: {error} ({})", error.code(), error.remedy().unwrap_or("-"))
    };
    let table = "CREATE TABLE t (id TEXT, at INTEGER); INSERT INTO t VALUES ('a', 1), ('b', NULL)";
    insta::assert_snapshot!(refused(table, json!({"cursor": "at"})), @"cursor_null: 1 rows have no value in the cursor `at` (they could never be told from rows that were read; leave them out in the query, or fill them with `COALESCE`)");
    insta::assert_snapshot!(refused(table, json!({"cursor": "updated_at"})), @"column_missing: the table has no column `updated_at` (it has: id, at)");
    let floats = "CREATE TABLE t (id TEXT, at REAL); INSERT INTO t VALUES ('a', 1.5)";
    insta::assert_snapshot!(refused(floats, json!({"cursor": "at"})), @"cursor_type: the cursor `at` is Float64, by which rows are in no order (choose a column of whole numbers, days, moments or texts that only grows)");
    insta::assert_snapshot!(refused(table, json!({"cursor": "at", "lookback": "2h"})), @"lookback: `lookback` of the cursor `at`: `2h` is no whole number, as the cursor is (-)");
    insta::assert_snapshot!(refused(table, json!({"mode": "delta"})), @"params: mode: `mode: delta` needs a `cursor`, which tells what is new (-)");
    insta::assert_snapshot!(refused(table, json!({"cursor": "at", "lookback": "soon"})), @"params: lookback: `soon` is neither a length of time such as `2h` nor a whole number (-)");
}

#[test]
fn a_cursor_that_changes_its_type_is_refused_and_nothing_read_is_no_position() {
    let mut source = Source::new("CREATE TABLE t (id TEXT, at INTEGER)");
    assert_eq!(source.read(json!({"cursor": "at"})), "");
    source.execute("INSERT INTO t VALUES ('a', 1)");
    assert_eq!(source.read(json!({"cursor": "at"})), "a 1");
    source.execute("INSERT INTO t VALUES ('b', 'soon')");
    let error = source.try_read(json!({"cursor": "at"})).err().unwrap();
    assert_eq!(error.code(), "cursor_type", "{error}");
    assert!(error.remedy().unwrap().contains("--refresh"));
}
