//! Leaving out rows that are far from the others: learned from the fit table, applied to it and to those bound beside
//! it. Nothing is left out at predict time, when every row asks for an answer.

mod detector;
mod kinds;
mod run;
#[cfg(test)]
mod tests;
mod write;

pub use kinds::{OutliersIqr, OutliersIsolationForest, OutliersLocalOutlierFactor, OutliersZscore};
