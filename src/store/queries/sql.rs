//! A user's own query, which can only read.

use serde_json::{Number, Value};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef,
};

use super::super::{Store, StoreError, StoreUrl};

/// The answer to a query, with columns in the order asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryResult {
    /// The names of the columns, which may repeat.
    pub columns: Vec<String>,
    /// The rows; numbers, booleans, texts and nulls.
    pub rows: Vec<Vec<Value>>,
}

impl Store {
    /// Runs one statement that reads, on a connection that cannot write.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for anything but a single query, and for what the database says about it.
    pub async fn sql(&self, query: &str) -> Result<QueryResult, StoreError> {
        let query = single_query(query)?;
        let answer = match &self.url {
            StoreUrl::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .read_only(true)
                    .pragma("query_only", "on")
                    .busy_timeout(std::time::Duration::from_secs(20))
                    .disable_statement_logging();
                on_sqlite(&options, query).await
            }
            StoreUrl::Postgres(url) => match url.parse::<PgConnectOptions>() {
                Ok(options) => on_postgres(&options.disable_statement_logging(), query).await,
                Err(error) => Err(error),
            },
        };
        answer.map_err(|error| match &error {
            sqlx::Error::Database(said) => {
                let help = said.message().contains("does not exist") || said.message().contains("no such");
                StoreError::Refused {
                    message: format!("the database refuses the query: {}", said.message()),
                    help: help.then(|| "docs/lineage-sql.md lists the views and their columns".to_owned()),
                }
            }
            _ => self.error("run the query", error),
        })
    }
}

async fn on_sqlite(options: &SqliteConnectOptions, query: String) -> Result<QueryResult, sqlx::Error> {
    let mut connection = options.connect().await?;
    let statement = (&mut connection).prepare(AssertSqlSafe(query).into_sql_str()).await?;
    let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let rows = statement.query().fetch_all(&mut connection).await?;
    let rows = rows.iter().map(sqlite_row).collect::<Result<_, _>>()?;
    connection.close().await?;
    Ok(QueryResult { columns, rows })
}

fn sqlite_row(row: &SqliteRow) -> Result<Vec<Value>, sqlx::Error> {
    (0..row.len())
        .map(|place| {
            let value = row.try_get_raw(place)?;
            let type_info = value.type_info();
            Ok(match type_info.name() {
                _ if value.is_null() => Value::Null,
                // SQLite has no booleans: a column that was declared as one holds 0 and 1.
                "INTEGER" | "BOOLEAN" if row.column(place).type_info().name() == "BOOLEAN" => {
                    Value::Bool(row.try_get_unchecked::<i64, _>(place)? != 0)
                }
                "INTEGER" | "BOOLEAN" => Value::from(row.try_get_unchecked::<i64, _>(place)?),
                "REAL" => number(row.try_get_unchecked::<f64, _>(place)?),
                "BLOB" => {
                    let bytes: Vec<u8> = row.try_get_unchecked(place)?;
                    Value::String(format!("{} bytes", bytes.len()))
                }
                _ => Value::String(row.try_get_unchecked(place)?),
            })
        })
        .collect()
}

async fn on_postgres(options: &PgConnectOptions, query: String) -> Result<QueryResult, sqlx::Error> {
    let mut connection = options.connect().await?;
    // Preparing refuses a second statement, whatever our own look has overlooked.
    let statement = (&mut connection).prepare(AssertSqlSafe(query.clone()).into_sql_str()).await?;
    let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let mut transaction = connection.begin_with("begin read only").await?;
    // Without preparing, values come as text, so that a column of any type can be shown.
    let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut *transaction).await?;
    let rows = rows.iter().map(postgres_row).collect::<Result<_, _>>()?;
    transaction.rollback().await?;
    connection.close().await?;
    Ok(QueryResult { columns, rows })
}

fn postgres_row(row: &PgRow) -> Result<Vec<Value>, sqlx::Error> {
    (0..row.len())
        .map(|place| {
            let value = row.try_get_raw(place)?;
            if value.is_null() {
                return Ok(Value::Null);
            }
            let text = value.as_str().map_err(sqlx::Error::Decode)?;
            Ok(match value.type_info().name() {
                "BOOL" => Value::Bool(text == "t"),
                "FLOAT4" | "FLOAT8" => text.parse().map_or_else(|_| Value::from(text), number),
                "INT2" | "INT4" | "INT8" | "NUMERIC" | "OID" => match text.parse::<i64>() {
                    Ok(whole) => Value::from(whole),
                    Err(_) => text.parse().map_or_else(|_| Value::from(text), number),
                },
                _ => Value::from(text),
            })
        })
        .collect()
}

/// A number, or the text `NaN`, `inf`, `-inf`, which JSON has no number for.
fn number(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

/// The query without a final semicolon, if it is a single one that reads.
fn single_query(text: &str) -> Result<String, StoreError> {
    let refused = |message: &str, help: &str| {
        Err(StoreError::Refused { message: message.to_owned(), help: Some(help.to_owned()) })
    };
    let Some(code) = outside_quotes(text) else {
        return refused("a quote or comment in the query is not closed", "close it");
    };
    let mut query = text;
    if let Some(end) = code.find(';') {
        if !code[end + 1..].trim_matches(|char: char| char.is_whitespace() || char == ';').is_empty() {
            return refused("there is more than one statement", "ask them one by one");
        }
        query = &text[..end];
    }
    let code = code.trim_start_matches(|char: char| char.is_whitespace() || char == '(');
    let first: String = code.chars().take_while(char::is_ascii_alphabetic).collect();
    match first.to_ascii_lowercase().as_str() {
        "select" | "with" | "values" | "explain" => Ok(query.to_owned()),
        "" => refused("the query is empty", "try \"select * from lineage_runs\""),
        _ => refused(
            &format!("`{first}` is not a query that reads"),
            "a query begins with select, with, values or explain",
        ),
    }
}

/// The text with everything in quotes and comments blanked out, byte for byte; none if one of them has no end.
fn outside_quotes(text: &str) -> Option<String> {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '\'' | '"' => Some(rest[1..].find(first)? + 2),
            '-' if rest.starts_with("--") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => Some(rest[2..].find("*/")? + 4),
            '$' => match dollar_tag(rest) {
                Some(tag) => Some(rest[tag.len()..].find(tag)? + 2 * tag.len()),
                None => None,
            },
            _ => None,
        };
        let length = skipped.unwrap_or(first.len_utf8());
        match skipped {
            Some(length) => code.extend(std::iter::repeat_n(' ', length)),
            None => code.push(first),
        }
        rest = &rest[length..];
    }
    Some(code)
}

/// The opening `$tag$` of a dollar-quoted text.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 2;
    let name = &text[1..end - 1];
    let is_tag = name.chars().all(|char| char.is_alphanumeric() || char == '_')
        && !name.starts_with(|char: char| char.is_ascii_digit());
    is_tag.then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str) -> String {
        single_query(query).unwrap_or_else(|error| format!("refused: {error}"))
    }

    #[test]
    fn one_query_that_reads_is_let_through() {
        for query in [
            "select 1",
            "  WITH a AS (select ';') select * from a",
            "-- a; comment\nselect 'it''s; fine', \"a;b\" /* ; */ from x",
            "(select 1) union (select 2)",
            "select $$a;b$$, $q$;$q$",
            "select 'é;', '漢;' from x",
        ] {
            assert_eq!(check(query), query);
        }
        assert_eq!(check("select 1 ; \n"), "select 1 ");
        assert_eq!(check("select 1; -- done"), "select 1");
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(check("select 1; drop table runs"), "refused: there is more than one statement");
        assert_eq!(check("delete from runs"), "refused: `delete` is not a query that reads");
        assert_eq!(check("PRAGMA query_only = off"), "refused: `PRAGMA` is not a query that reads");
        assert_eq!(check(" ; "), "refused: the query is empty");
        assert_eq!(check("select 'a"), "refused: a quote or comment in the query is not closed");
    }
}
