//! What Great Expectations writes, in our words: single expectations, conditions on rows, whole suites.

mod adapt;
mod condition;
mod suite;
mod translate;

#[cfg(test)]
pub(super) mod conformance;

pub(super) use adapt::adapt;
pub use suite::{Suite, SuiteError, Unsupported, read_suite};
