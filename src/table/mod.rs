//! Arrow and Parquet for the steps: reading and writing tables in batches, so that memory is bounded.
//!
//! This module knows nothing of steps, runs or artifacts.

mod ahead;
mod batches;
mod canonical;
mod encoders;
mod error;
mod exact;
mod facts;
pub mod keys;
mod names;
mod pieces;
mod reader;
pub mod roles;
pub mod sketch;
pub mod statistics;
mod stored;
mod value;
mod writer;

pub use canonical::{MICROSECONDS, canonical, canonical_type, cast, computed, doubles, encoded, misfit, value_type};
pub use error::TableError;
pub use exact::{digits, exact, exact_type, has_many_digits, need_digits, present};
pub use facts::{ColumnFacts, ValueRange, column_facts};
pub use names::free_name;
pub use pieces::slices;
pub use reader::{BATCH_ROWS, TableReader};
pub use stored::Stored;
pub use value::{cell, iso_date, iso_timestamp, json_value, not_finite, number};
pub use writer::TableWriter;
