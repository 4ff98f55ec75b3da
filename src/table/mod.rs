//! Arrow and Parquet for the steps: reading and writing tables in batches, so that memory is bounded.
//!
//! This module knows nothing of steps, runs or artifacts.

mod error;
mod parquet;
pub mod roles;

pub use error::TableError;
pub use parquet::{BATCH_ROWS, TableReader, TableWriter};
