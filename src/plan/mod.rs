//! The manifest resolved against parameters and step kinds: an immutable, acyclic graph in which every input is bound
//! and every edge fits its ports.
//!
//! Main type: [`Plan`]. Pure: building a plan reads no artifact and no database.

mod planned;

mod bind;
mod build;
mod compare;
mod conditions;
mod dot;
mod instances;
mod order;
mod params;
mod record;
mod scope;
mod settings;
mod shape;
mod taint;
mod work;

pub use build::load;
pub use params::Overrides;
pub use planned::{
    ApprovalTerms, Binding, CachePolicy, Criterion, Gate, OnFail, Plan, PlannedStep, Record, Resources, RetryPolicy,
    Risk, Severity,
};
