//! One way to talk to two databases: transactions, values and rows.

use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, ColumnIndex, Decode, Postgres, Row as _, SqlSafeStr, SqlStr, Sqlite, Type};
use tokio::sync::{Mutex, MutexGuard};

/// Connections to one database.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite {
        pool: SqlitePool,
        /// SQLite has one writer at a time: writers of this process queue here, in order, instead of polling the file.
        writer: Mutex<()>,
    },
    Postgres(PgPool),
}

/// Whether a transaction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Database {
    /// Makes sure that there is a connection.
    pub(super) async fn connect(&self) -> Result<(), sqlx::Error> {
        match self {
            Database::Sqlite { pool, .. } => pool.acquire().await.map(drop),
            Database::Postgres(pool) => pool.acquire().await.map(drop),
        }
    }

    /// Asks for nothing, in one way there and back.
    pub(super) async fn ping(&self) -> Result<(), sqlx::Error> {
        match self {
            Database::Sqlite { pool, .. } => sqlx::query("select 1").execute(pool).await.map(drop),
            Database::Postgres(pool) => sqlx::query("select 1").execute(pool).await.map(drop),
        }
    }

    /// Begins a transaction; dropped without a commit, it is rolled back.
    pub(super) async fn begin(&self, access: Access) -> Result<Session<'_>, sqlx::Error> {
        Ok(match self {
            Database::Sqlite { pool, writer } => {
                let turn = if access == Access::Write { Some(writer.lock().await) } else { None };
                // A deferred transaction that turns into a writer fails at once when another one wrote meanwhile.
                let begin = if access == Access::Write { "begin immediate" } else { "begin" };
                Session::Sqlite { transaction: pool.begin_with(begin).await?, _turn: turn }
            }
            Database::Postgres(pool) => Session::Postgres(pool.begin().await?),
        })
    }
}

/// A transaction on either database.
pub(super) enum Session<'store> {
    Sqlite { transaction: sqlx::Transaction<'static, Sqlite>, _turn: Option<MutexGuard<'store, ()>> },
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// A value that is bound to a statement; `None` is a null of that type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Float(Option<f64>),
    Bool(bool),
}

impl Session<'_> {
    /// Runs a statement with `$1` placeholders and tells how many rows it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, sqlx::Error> {
        self.execute_str(sql.into_sql_str(), values, true).await
    }

    async fn execute_str(&mut self, sql: SqlStr, values: Vec<Value>, is_kept: bool) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Session::Sqlite { transaction, .. } => sqlx::query_with(sql, sqlite_arguments(values)?)
                .persistent(is_kept)
                .execute(&mut **transaction)
                .await?
                .rows_affected(),
            Session::Postgres(transaction) => sqlx::query_with(sql, postgres_arguments(values)?)
                .persistent(is_kept)
                .execute(&mut **transaction)
                .await?
                .rows_affected(),
        })
    }

    /// All rows of a query with `$1` placeholders.
    pub(super) async fn fetch(
        &mut self,
        sql: impl Into<std::borrow::Cow<'static, str>>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let sql = AssertSqlSafe(sql.into()).into_sql_str();
        Ok(match self {
            Session::Sqlite { transaction, .. } => {
                let rows = sqlx::query_with(sql, sqlite_arguments(values)?).fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Session::Postgres(transaction) => {
                let rows = sqlx::query_with(sql, postgres_arguments(values)?).fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs `before (row), (row), ... after` for all `rows`, in statements of a bounded size.
    ///
    /// Each row holds one value for each column. No other values are bound: SQLite numbers `?` from the first of them,
    /// so a `$1` beside them would be the first row's.
    pub(super) async fn execute_rows(&mut self, many: Many, rows: Vec<Vec<Value>>) -> Result<(), sqlx::Error> {
        let width = rows.first().map_or(1, Vec::len);
        let chunk = (MAX_VALUES / width).max(1);
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let batch: Vec<Vec<Value>> = rows.by_ref().take(chunk).collect();
            let is_full = batch.len() == chunk;
            let sql = self.many_text(&many, batch.len(), width);
            let values = batch.into_iter().flatten().collect();
            self.execute_str(AssertSqlSafe(sql).into_sql_str(), values, is_full).await?;
        }
        Ok(())
    }

    /// All rows of `before values (row), ... after` for all `rows`, asked for in queries of a bounded size.
    pub(super) async fn fetch_rows(&mut self, many: Many, rows: Vec<Vec<Value>>) -> Result<Vec<Row>, sqlx::Error> {
        let width = rows.first().map_or(1, Vec::len);
        let chunk = (MAX_VALUES / width).max(1);
        let mut found = Vec::new();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let batch: Vec<Vec<Value>> = rows.by_ref().take(chunk).collect();
            let sql = self.many_text(&many, batch.len(), width);
            let values = batch.into_iter().flatten().collect();
            found.extend(self.fetch(sql, values).await?);
        }
        Ok(found)
    }

    fn many_text(&self, many: &Many, rows: usize, width: usize) -> String {
        // SQLite looks a named placeholder up among all others, which is slow for many; it counts `?` by itself.
        let is_numbered = matches!(self, Session::Postgres(_));
        let mut sql = String::with_capacity(many.before.len() + many.after.len() + rows * width * 5 + 16);
        sql.push_str(many.before);
        sql.push_str(" values ");
        let mut number = 0;
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ",(" });
            for column in 0..width {
                number += 1;
                if column > 0 {
                    sql.push(',');
                }
                if is_numbered {
                    sql.push('$');
                    sql.push_str(&number.to_string());
                } else {
                    sql.push('?');
                }
            }
            sql.push(')');
        }
        sql.push(' ');
        sql.push_str(many.after);
        sql
    }

    /// What is put behind a query whose rows nobody may change before this transaction ends. SQLite has one writer.
    pub(super) fn for_update(&self) -> &'static str {
        match self {
            Session::Sqlite { .. } => "",
            Session::Postgres(_) => " for update",
        }
    }

    /// Waits until no other transaction claims slots. SQLite has one writer.
    pub(super) async fn lock_claims(&mut self) -> Result<(), sqlx::Error> {
        if let Session::Postgres(_) = self {
            self.execute("select pg_advisory_xact_lock($1)", vec![CLAIMS_LOCK.into()]).await?;
        }
        Ok(())
    }

    /// What to add to a query so that its rows of table `r` are locked, without those that somebody else has locked;
    /// a writer of SQLite has them all to itself.
    pub(super) fn skip_locked(&self) -> &'static str {
        match self {
            Session::Sqlite { .. } => "",
            Session::Postgres(_) => "for update of r skip locked",
        }
    }

    /// The time by the clock that all users of the database share, in milliseconds since 1970.
    pub(super) async fn now_ms(&mut self) -> Result<i64, sqlx::Error> {
        match self {
            Session::Sqlite { .. } => Ok(chrono::Utc::now().timestamp_millis()),
            Session::Postgres(_) => {
                let sql = "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as now_ms";
                self.fetch(sql, vec![]).await?[0].get("now_ms")
            }
        }
    }

    /// Makes everything durable.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Session::Sqlite { transaction, .. } => transaction.commit().await,
            Session::Postgres(transaction) => transaction.commit().await,
        }
    }
}

/// The number of the lock under which slots are claimed: any that nobody else uses.
const CLAIMS_LOCK: i64 = 0x7068_6173_736c_6f74;

/// How many values one statement binds at most: few enough that both databases parse it quickly.
const MAX_VALUES: usize = 1600;

/// A statement over many rows: `before values (...), (...) after`.
pub(super) struct Many {
    pub(super) before: &'static str,
    pub(super) after: &'static str,
}

fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Int(int) => arguments.add(int),
            Value::Float(float) => arguments.add(float),
            Value::Bool(bool) => arguments.add(bool),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            // Postgres has no text with a zero character in it.
            Value::Text(text) => arguments.add(text.map(|text| text.replace('\0', "\u{2400}"))),
            Value::Int(int) => arguments.add(int),
            Value::Float(float) => arguments.add(float),
            Value::Bool(bool) => arguments.add(bool),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A row of either database.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column.
    pub(super) fn get<'row, T>(&'row self, column: &str) -> Result<T, sqlx::Error>
    where
        T: Decode<'row, Sqlite> + Type<Sqlite> + Decode<'row, Postgres> + Type<Postgres>,
        for<'name> &'name str: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
    }
}

macro_rules! value_from {
    ($($type:ty => |$name:ident| $value:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($name: $type) -> Value {
                $value
            }
        }
    )*};
}

value_from! {
    String => |text| Value::Text(Some(text));
    &str => |text| Value::Text(Some(text.to_owned()));
    Option<String> => |text| Value::Text(text);
    Option<&str> => |text| Value::Text(text.map(str::to_owned));
    i64 => |int| Value::Int(Some(int));
    u32 => |int| Value::Int(Some(i64::from(int)));
    // Counts beyond 2^63 do not occur.
    u64 => |int| Value::Int(Some(i64::try_from(int).unwrap_or(i64::MAX)));
    usize => |int| Value::Int(Some(i64::try_from(int).unwrap_or(i64::MAX)));
    Option<u64> => |int| Value::Int(int.map(|int| i64::try_from(int).unwrap_or(i64::MAX)));
    Option<u32> => |int| Value::Int(int.map(i64::from));
    Option<f64> => |float| Value::Float(float);
    bool => |bool| Value::Bool(bool);
}
