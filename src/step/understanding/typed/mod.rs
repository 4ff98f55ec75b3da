//! Files whose columns have names and types of their own, Parquet and Arrow: their params, and the way into one table.
//!
//! A [`TypedFile`] knows one format, and [`IngestTyped`] does the rest.

mod columns;
mod params;
mod read;
mod step;

#[cfg(test)]
mod tests;

pub use params::Params;
pub use read::TypedFile;
pub use step::IngestTyped;
