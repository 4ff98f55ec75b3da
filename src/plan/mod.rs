//! The manifest resolved against parameters and step kinds: an immutable, acyclic graph in which every input is bound
//! and every edge fits its ports.
//!
//! Main type: [`Plan`]. Pure: building a plan reads no artifact and no database.

mod planned;

pub use planned::{
    Binding, CachePolicy, Criterion, Gate, OnFail, Plan, PlannedStep, Record, Resources, RetryOn, RetryPolicy, Risk,
    Severity,
};
