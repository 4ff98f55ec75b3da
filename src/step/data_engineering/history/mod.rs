//! Columns from what was before: earlier rows of the same table, and events of another one. Nothing in them was unknown
//! at the row's own time.

mod as_of;
mod by_key;
mod events;
mod lags;
mod run;
mod series;
mod span;
mod tally;
#[cfg(test)]
mod tests;
mod timeline;

pub use as_of::DataAsOf;
pub use lags::DataLags;
