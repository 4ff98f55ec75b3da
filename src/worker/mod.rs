//! The inside of a worker process: reads a work order, runs one step, leaves a report.
//!
//! A worker knows its order, the artifact store and nothing else: no database, no manifest.
//! The order, claim, beat and report are files in the attempt's folder, so that the same protocol works for a child
//! process and for a cluster's queue.

mod claim;
mod folder;
mod limits;
mod log;
mod message;
mod order;
mod process;
mod report;
mod reporter;
mod secrets;

pub use claim::{Claim, ClaimError};
pub use folder::AttemptFolder;
pub use limits::{AttemptGroup, BASE_VARIABLE, Limits, MemoryEnforcement};
pub use log::{DEFAULT_LOG_LIMIT, LOG_LIMIT_VARIABLE};
pub use message::WorkerMessage;
pub use order::{OrderedInput, WorkOrder};
pub use process::{EXIT_CLAIMED, WORKER_COMMAND, main_if_worker};
pub use report::{Failure, Report, ReportedEnd, with_causes};
pub use secrets::secret;
