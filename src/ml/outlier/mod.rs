//! Rows that are far from the others: by bounds on each column, by how fast random cuts isolate them, and by how much
//! thinner their neighbourhood is than that of their neighbours.
//!
//! Formulas and defaults are those of feature-engine (bounds) and scikit-learn (isolation forest, local outlier factor).

mod bounds;
mod contamination;
mod factor;
mod forest;

pub use bounds::{Bounds, Tail};
pub use contamination::{Auto, Contamination};
pub use factor::LocalOutlierFactor;
pub use forest::{ForestOptions, IsolationForest};
