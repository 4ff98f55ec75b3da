//! Business and data understanding: ingest, profile and validate.

pub mod csv;
mod ingest_csv;
pub mod source;

pub use ingest_csv::IngestCsv;
