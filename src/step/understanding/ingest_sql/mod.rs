//! `ingest.sql`: the rows of a query to one table, from Postgres, MySQL, MariaDB or SQLite.
//!
//! The only steps that name `sqlx`. Connection strings hold passwords: they reach no message and no log.

mod array;
mod doubles;
mod kind;
mod mysql;
mod mysql_value;
mod numeric;
mod postgres;
mod rows;
mod since;
mod sqlite;
mod target;

pub use kind::{IngestSql, Params};

#[cfg(test)]
mod incremental;
