//! SQLite, whose values carry types and whose columns only suggest them: one pass learns the types, one writes.

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef,
};

use super::rows::{self, Landing};
use super::target::{Found, Targets};
use crate::step::understanding::csv::value::Class;
use crate::step::understanding::source::Cell;
use crate::step::{StepContext, StepError};

pub(super) async fn read(
    url: &str,
    query: &str,
    targets: &Targets,
    context: &mut StepContext,
    landing: Landing<'_>,
) -> Result<(), StepError> {
    let path = url.split_once(':').map_or("", |(_, rest)| rest).trim_start_matches("//");
    let path = context.resolve(path.split('?').next().unwrap_or_default());
    if !path.is_file() {
        return Err(StepError::input("file_missing", "the SQLite database file does not exist")
            .help("relative paths start from the manifest's folder"));
    }
    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let mut connection = options.connect().await.map_err(rows::connect_failed)?;
    // Both passes must see the same rows.
    connection.execute("BEGIN").await.map_err(rows::query_failed)?;
    let statement =
        connection.prepare(AssertSqlSafe(query.to_owned()).into_sql_str()).await.map_err(rows::query_failed)?;
    rows::check_names(statement.columns().iter().map(Column::name))?;
    let declared: Vec<(String, String)> = statement
        .columns()
        .iter()
        .map(|column| (column.name().to_owned(), column.type_info().name().to_owned()))
        .collect();
    let mut classes = vec![Class::Unseen; declared.len()];
    let mut stream = sqlx::query(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    let mut rows_seen = 0_usize;
    while let Some(row) = stream.try_next().await.map_err(rows::query_failed)? {
        for (index, class) in classes.iter_mut().enumerate() {
            *class = class.join(class_of(&row, index, &declared[index])?);
        }
        rows_seen += 1;
        if rows_seen.is_multiple_of(crate::table::BATCH_ROWS) {
            context.check_cancelled()?;
        }
    }
    drop(stream);
    // A column has whatever types its values have, so that a text keeps the digits of all.
    let found = |((name, _), class): (&(String, String), &Class)| Found {
        name: name.clone(),
        column_type: class.column_type(),
        has_digits: true,
    };
    let columns = targets.apply(declared.iter().zip(&classes).map(found).collect())?;
    let stream = sqlx::query(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    rows::write(stream, &columns, cell, context, landing).await?;
    connection.close().await.map_err(rows::query_failed)
}

/// What a value could be. Declared truth values and dates are kept as such if every value agrees.
fn class_of(row: &SqliteRow, index: usize, (name, declared): &(String, String)) -> Result<Class, StepError> {
    let cell = cell(row, index).map_err(|_| rows::unknown_type(name, "BLOB", "TEXT"))?;
    Ok(match (cell, declared.as_str()) {
        (Cell::Null, _) => Class::Unseen,
        (Cell::Int(0 | 1), "BOOLEAN") => Class::Bool,
        (Cell::Int(_), _) => Class::Int,
        (Cell::Float(_), _) => Class::Float,
        (Cell::Text(text), "DATE" | "DATETIME") => match Class::of(text.as_bytes(), b'.') {
            class @ (Class::Date | Class::Timestamp | Class::Instant) => class,
            _ => Class::Text,
        },
        _ => Class::Text,
    })
}

fn cell(row: &SqliteRow, index: usize) -> Result<Cell, String> {
    let raw = row.try_get_raw(index).map_err(|error| error.to_string())?;
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    let kind = raw.type_info().name().to_owned();
    let read = match kind.as_str() {
        "INTEGER" | "BOOLEAN" => row.try_get_unchecked(index).map(Cell::Int),
        "REAL" | "NUMERIC" => row.try_get_unchecked(index).map(Cell::Float),
        "BLOB" => return Err("it holds bytes".to_owned()),
        _ => row.try_get_unchecked(index).map(Cell::Text),
    };
    read.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;
    use crate::step::testing::{Workbench, show};

    fn check_in(bench: &Workbench, set_up: &'static str) {
        let path = bench.folder().join("t.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
            let mut connection = options.connect().await.unwrap();
            connection.execute(set_up).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    fn check(set_up: &'static str, query: &str) -> String {
        let bench = Workbench::new();
        check_in(&bench, set_up);
        match bench.run("ingest.sql", json!({"url": "sqlite:t.db", "query": query}), &[]) {
            Ok(ran) => show(&ran.table("table")),
            Err(error) => format!("{} ({}): {error}", error.code(), error.fault()),
        }
    }

    const TABLE: &str = "CREATE TABLE t (id INTEGER, x REAL, day DATE, ok BOOLEAN, note, b BLOB);
        INSERT INTO t VALUES (1, 2, '2024-01-31', 1, 'a', x'00'), (2, NULL, NULL, 0, 7, NULL);";

    #[test]
    fn types_are_those_that_take_every_value() {
        insta::assert_snapshot!(check(TABLE, "SELECT id, x, day, ok, note FROM t ORDER BY id;"), @"
        id:Int64 x:Float64 day:Date32 ok:Boolean note:Utf8
        1 2.0 2024-01-31 true a
        2 ~ ~ false 7
        ");
        insta::assert_snapshot!(check(TABLE, "SELECT id + 0.5 AS y FROM t WHERE id > 5"), @"y:Utf8");
    }

    #[test]
    fn odd_names_are_refused_and_odd_values_are_kept() {
        insta::assert_snapshot!(check(TABLE, "SELECT 1 AS \"\""), @"sql_columns (input): column 1 of the result of the query has no name");
        insta::assert_snapshot!(check(TABLE, "SELECT 1 AS \"a\nb\""), @r#"sql_columns (input): column 1 of the result of the query has control characters in its name "a\nb""#);
        assert_eq!(check(TABLE, "SELECT x FROM t WHERE id > 5"), "x:Utf8");
        assert_eq!(
            check(TABLE, "SELECT 9e999 AS x, -9e999 AS y, 0 * 9e999 AS z"),
            "x:Float64 y:Float64 z:Utf8\ninf -inf ~"
        );
        let days = "CREATE TABLE t (day DATE, at DATETIME); INSERT INTO t VALUES ('0001-01-01', '1850-06-01 10:00:00'), ('9999-12-31', '2300-01-01 00:00:00')";
        assert_eq!(
            check(days, "SELECT * FROM t"),
            "day:Date32 at:Timestamp(µs)\n0001-01-01 1850-06-01T10:00:00\n9999-12-31 2300-01-01T00:00:00"
        );
        // SQLite itself makes a double of a number that is too long.
        let long = check(TABLE, "SELECT 99999999999999999999999999999999999999999 AS n, 9223372036854775808 AS m");
        assert!(long.starts_with("n:Float64 m:Float64"), "{long}");
    }

    #[test]
    fn a_database_that_is_cut_off_is_the_files_fault() {
        let bench = Workbench::new();
        check_in(&bench, TABLE);
        let whole = std::fs::read(bench.folder().join("t.db")).unwrap();
        for length in [0, 50, 1000, whole.len() - 4096] {
            bench.file("t.db", &whole[..length]);
            let error =
                bench.run("ingest.sql", json!({"url": "sqlite:t.db", "query": "SELECT * FROM t"}), &[]).err().unwrap();
            assert_eq!((error.code(), error.fault()), ("sql_query", crate::step::Fault::Input), "{length}: {error}");
        }
    }

    #[test]
    fn types_may_be_declared() {
        let bench = Workbench::new();
        check_in(
            &bench,
            "CREATE TABLE t (id INTEGER, price TEXT); INSERT INTO t VALUES (1, '0.10'), (2, '12345678901234567890.25')",
        );
        let run = |types: serde_json::Value| {
            let with = json!({"url": "sqlite:t.db", "query": "SELECT * FROM t", "types": types});
            bench
                .run("ingest.sql", with, &[])
                .map_or_else(|error| format!("{}: {error}", error.code()), |ran| show(&ran.table("table")))
        };
        insta::assert_snapshot!(run(json!({"id": "text", "price": "decimal(38,2)"})), @r"
        id:Utf8 price:Decimal128(38, 2)
        1 0.10
        2 12345678901234567890.25
        ");
        insta::assert_snapshot!(run(json!({"price": "decimal(10,2)"})), @"sql_value: a value of column `price` cannot be kept: `12345678901234567890.25` is no decimal(10,2)");
        insta::assert_snapshot!(run(json!({"cost": "text"})), @"column_missing: the table has no column `cost`");
        assert!(run(json!({"price": "decimal(39,2)"})).contains("1 to 38 digits"));
    }

    #[test]
    fn a_contract_of_decimals_sees_every_digit() {
        let bench = Workbench::new();
        check_in(
            &bench,
            "CREATE TABLE t (id INTEGER, price); INSERT INTO t VALUES (1, 0.1), (2, '12345678901234567890.25'), (3, 7)",
        );
        let run = |price: &str| {
            let price = json!({"name": "price", "type": price});
            let contract = json!({"contract": "c", "columns": [{"name": "id", "type": "int64"}, price]});
            let with = json!({"url": "sqlite:t.db", "query": "SELECT * FROM t", "contract": contract});
            let ran = bench.run("ingest.sql", with, &[]);
            ran.map_or_else(|error| error.to_string(), |ran| show(&ran.table("table")))
        };
        assert_eq!(run("decimal(38,2)"), "id:Int64 price:Decimal128(38, 2)\n1 0.10\n2 12345678901234567890.25\n3 7.00");
        assert!(run("decimal(9,2)").contains("1 value is no decimal(9,2), such as `12345678901234567890.25` in row 2"));
    }

    #[test]
    fn mistakes_are_the_users_and_say_so() {
        insta::assert_snapshot!(check(TABLE, "SELECT nix FROM t"), @"sql_query (input): the database refuses the query: no such column: nix");
        insta::assert_snapshot!(check(TABLE, "SELECT b FROM t"), @"sql_type (input): column `b` has type BLOB, which no step works with");
        insta::assert_snapshot!(check(TABLE, "SELECT id, id FROM t"), @"sql_columns (input): the result of the query has two columns named `id`");
        insta::assert_snapshot!(check(TABLE, "DELETE FROM t"), @"sql_columns (input): the query gives no columns");
        insta::assert_snapshot!(check(TABLE, "DELETE FROM t RETURNING id"), @"sql_query (input): the database refuses the query: attempt to write a readonly database");
    }

    #[test]
    fn connections_that_fail_show_no_secrets() {
        let bench = Workbench::new();
        let run = |url: &str| bench.run("ingest.sql", json!({"url": url, "query": "SELECT 1"}), &[]).err().unwrap();
        let error = run("postgres://me:secret@127.0.0.1:1/db");
        assert_eq!((error.code(), error.fault()), ("sql_connect", crate::step::Fault::Environment));
        let failure = crate::worker::Failure::from(&error);
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
        assert_eq!(run("mysql://me:secret@127.0.0.1:1/db").code(), "sql_connect");
        assert_eq!(run("oracle://x").code(), "params");
        assert_eq!(run("sqlite:none.db").code(), "file_missing");
    }
}
