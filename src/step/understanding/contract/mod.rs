//! Schema contracts: what a table must look like, checked where data comes in, where models answer, and in monitoring.
//!
//! A [`Contract`] is a YAML file named by `contract: file:contracts/x.yaml`, so its text is part of the cache key. An ingest
//! step hands its table to [`Bound::finish`]. Rules about values are expectations of the catalogue of `validate.table`; this
//! module has no checks of its own.

mod aside;
mod document;
mod enforce;
mod evolution;
mod infer;
mod param;
mod requests;
mod rules;
mod shape;
mod types;

#[cfg(test)]
mod tests;

pub use document::{Contract, ContractColumn};
pub use enforce::{Bound, differences};
pub use evolution::{Change, Evolution};
pub use infer::{Inferring, infer, write};
pub use param::{ContractFile, OnViolation};
pub use requests::{mismatches, row_rules};
pub use shape::{Difference, DifferenceKind};
pub use types::{Typing, convert, type_name, type_of};
