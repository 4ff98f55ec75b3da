//! What the database tells whoever looks whether all is well: about itself, and rows that should not be as they are.
//!
//! Everything here only reads.

mod server;
mod strays;

pub use super::migrate::Schema;
pub use server::{PostgresFacts, Server, SqliteFacts};
pub use strays::{GivenUp, OpenRun, QuarantinedRun, RunningAttempt, StraySlot, WaitingRequest};
