//! Reading JSON: a stream of records out of a list or lines, each read strictly, and flat rows out of nested records.

mod columns;
mod flat;
mod stream;
mod strict;
#[cfg(test)]
mod tests;

pub use columns::Columns;
pub use flat::{Flat, Flattening, Rows};
pub use stream::{Cut, JsonFormat, Raw, StreamError, each_record};
pub use strict::{parse, with_digits};
