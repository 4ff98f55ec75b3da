//! Balancing the classes of training rows: which rows are dropped, which are added, and why.
//!
//! Names, params and rules are those of imbalanced-learn. A method gives a [`Plan`] and touches no table.

mod adasyn;
mod clean;
mod method;
mod near_miss;
mod plan;
mod random;
mod smote;
mod strategy;
#[cfg(test)]
mod tests;

pub use method::{EnnKind, Method, SmoteKind};
pub use plan::{Added, Dropped, Plan, Problem, Rows};
pub use strategy::{Sampling, SamplingStrategy, StrategyName, Targets};
