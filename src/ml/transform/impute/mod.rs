//! Missing values: what takes their place.

mod bayesian_ridge;
pub(super) mod indicator;
pub(super) mod iterative;
pub(super) mod knn;
mod numbers;
pub(super) mod random_sample;
pub(super) mod simple;
