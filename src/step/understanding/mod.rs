//! Business and data understanding: ingest, profile and validate.

pub mod contract;
pub mod csv;
mod csv_dialect;
pub mod cursor;
pub mod excel;
pub mod http;
mod ingest_csv;
mod ingest_excel;
mod ingest_http;
mod ingest_json;
mod ingest_parquet;
pub mod ingest_sql;
pub mod ipc;
pub mod json;
pub mod profile;
pub mod source;
pub mod typed;
pub mod validate;

pub use ingest_csv::IngestCsv;
pub use ingest_excel::IngestExcel;
pub use ingest_http::IngestHttp;
pub use ingest_json::IngestJson;
pub use ingest_parquet::{ExactParquet, IngestParquet};
pub use ingest_sql::IngestSql;
pub use ipc::{ExactArrow, IngestArrow};
pub use profile::ProfileTable;
pub use validate::ValidateTable;
