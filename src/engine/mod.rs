//! Plan in, run out, by events.
//!
//! A run is a log of events. `Run::apply` is the only state change and refuses what is illegal; `decide` is a pure
//! function from a run, the time and the limits to actions. An event is durable before its effect begins, and a fresh
//! run is the recovery of an empty log.

mod event;
mod ports;

pub use event::{CacheKey, Happening, InputBinding, KeyParts, Outcome, RunEvent, SkipReason, Verdict};
pub use ports::{CacheIndex, CachedResult, EngineError, Lease, NewRun, RunLog, StoredRun};
