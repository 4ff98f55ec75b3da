//! Numerics: data sets, models, the training loop, metrics and drift statistics.
//!
//! Nothing here knows of steps, runs or artifacts: tables come in, models and numbers go out.

pub mod anomaly;
pub mod bundle;
pub mod dataset;
pub mod drift;
pub mod features;
pub mod importance;
pub mod linear;
pub mod metrics;
pub mod model;
pub mod neighbours;
pub mod network;
pub mod normal;
pub mod outlier;
pub mod quantile;
pub mod resample;
pub mod scores;
pub mod sentence;
pub mod tensors;
pub mod transform;
