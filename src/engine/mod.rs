//! Plan in, run out, by events.
//!
//! A run is a log of events. [`Run::apply`] is the only state change and refuses what is illegal; [`decide`] is a pure
//! function from a run and the time to actions, and [`admit`] says for which of them there is room. An event is durable
//! before its effect begins, and a fresh run is the recovery of an empty log. [`Engine`] drives a run: it is the only
//! part that waits.

mod event;
mod ports;

mod admit;
mod apply;
mod attempts;
mod bell;
mod board;
mod cache_key;
mod claims;
mod clock;
mod crowd;
mod decide;
mod desk;
mod driver;
mod error;
mod files;
mod forecast;
mod gate;
mod journal;
mod lease;
mod limits;
mod measure;
mod memory;
mod obstacles;
mod options;
mod order;
mod recover;
mod request;
mod resolve;
mod retry;
mod room;
mod ruling;
mod run;
mod run_loop;
mod scope;
mod sound;
mod state;
mod wait_limits;

#[cfg(test)]
mod approval_scenarios;
#[cfg(test)]
mod clock_scenarios;
#[cfg(test)]
mod control_scenarios;
#[cfg(test)]
mod junk_laws;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod pair_scenarios;
#[cfg(test)]
mod people_laws;
#[cfg(test)]
mod retry_scenarios;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;

pub use admit::{Answer, Asked, PASSED_FOR, Slot, Wait, Waiting, admit};
pub use apply::IllegalEvent;
pub use bell::Bell;
pub use cache_key::{Keyed, Uncacheable, cache_key, explain, key_of};
pub use claims::{Claiming, Claims};
pub use crowd::Crowd;
pub use decide::{Action, decide};
pub use driver::{CancelSwitch, Control, Driven, Engine, EngineSettings};
pub use error::DriveError;
pub use event::{CacheKey, Happening, InputBinding, KeyParts, Outcome, RunEvent, SkipReason, Subject, Verdict};
pub use files::{FileDigests, NoDigest};
pub use forecast::{Forecast, Will, forecast};
pub use limits::{GpuShare, Limits, Take};
pub use memory::MemoryLog;
pub use obstacles::Obstacle;
pub use options::{RunOptions, Selection, UnknownStep};
pub use ports::{CacheIndex, CachedResult, EngineError, Lease, NewRun, Origin, Parked, RunLog, Slots, StoredRun, Want};
pub use request::{Handled, Request, RequestKind};
pub use room::Short;
pub use ruling::{Decision, Question, Refusal, Ruling};
pub use run::{Pause, Run};
pub use state::{GateState, Made, RunningAttempt, Setback, StepEnd, StepRecord, StepState};
