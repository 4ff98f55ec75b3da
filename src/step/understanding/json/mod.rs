//! Reading JSON: a stream of records out of a list or lines, and flat columns out of nested records.

mod flat;
mod stream;

pub use flat::{Columns, cells};
pub use stream::{JsonFormat, RecordError, each_record};
