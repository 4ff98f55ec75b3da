//! What the program tells about itself: its log, its metrics, and traces where it was built with the feature `otel`.
//!
//! Field names in logs and spans: `run.id`, `pipeline`, `step`, `attempt`, `endpoint`, `artifact`.

mod logs;
pub mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod process;

pub use logs::{finish, start};
