//! Arrow and Parquet for the steps: reading and writing tables in batches, so that memory is bounded.
//!
//! This module knows nothing of steps, runs or artifacts.

mod canonical;
mod error;
mod facts;
pub mod keys;
mod parquet;
pub mod roles;
pub mod sketch;
pub mod statistics;
mod value;

pub use canonical::{MICROSECONDS, canonical, canonical_type, cast};
pub use error::TableError;
pub use facts::{ColumnFacts, ValueRange, column_facts};
pub use parquet::{BATCH_ROWS, TableReader, TableWriter};
pub use value::{iso_date, iso_timestamp, json_value};
