//! Balancing the classes of training rows, and of training rows only: the plan refuses everything else.

mod class_weight;
mod combine;
mod input;
mod kind;
mod over;
mod run;
#[cfg(test)]
mod tests;
mod under;
mod write;

pub(super) use input::points;

pub use class_weight::BalanceClassWeight;
pub use combine::{BalanceSmoteEnn, BalanceSmoteTomek};
pub use over::{BalanceAdasyn, BalanceBorderlineSmote, BalanceRandomOver, BalanceSmote, BalanceSmotenc};
pub use under::{BalanceEnn, BalanceNearMiss, BalanceRandomUnder, BalanceTomekLinks};
