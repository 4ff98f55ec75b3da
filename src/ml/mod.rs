//! Numerics: data sets, networks, the training loop, metrics and drift statistics.

pub mod transform;
