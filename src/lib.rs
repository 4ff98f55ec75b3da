//! Phaseline runs machine-learning pipelines written in YAML and laid out along the six phases of CRISP-ML(Q).
//!
//! The modules below are declared in the order in which one `phaseline run` passes through them, and then those that all
//! of them stand on. Which may use which is the list of layers in `tests/tidy.rs`.
//!
//! The words, one for one thing, the same in YAML, code, SQL and on the command line:
//!
//! - *manifest*: the YAML file of one *pipeline*, its *phases*, *steps* and *gates*.
//! - *plan*: the manifest resolved against parameters and step kinds: an immutable, checked graph of steps.
//! - *run*: one execution of a plan, a log of events. *attempt*: one process that tries one step of a run.
//! - *artifact*: an immutable output of a step, addressed by the *digest* of its content.
//! - *gate*: an expression over measured values; its *verdict* decides whether a run may go on.
//! - *endpoint*: a name under which a deployed model answers. *lineage*: what came from what.

pub mod fault;
pub mod id;
pub mod phase;
pub mod units;

pub mod artifact;
pub mod engine;
pub mod executor;
pub mod expr;
pub mod lineage;
pub mod manifest;
pub mod plan;
pub mod step;
pub mod worker;

pub mod api;
pub mod control;
pub mod daemon;
pub mod ml;
pub mod serve;
pub mod store;
pub mod table;

pub mod cli;
pub mod telemetry;
