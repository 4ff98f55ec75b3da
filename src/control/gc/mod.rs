//! Freeing artifacts that nobody needs, and files of runs that have ended.
//!
//! [`collect`] does all of it: [`look`] decides and changes nothing; [`apply`] does what was decided, after looking again at each artifact under the
//! locks of the database and of the store, so it may run beside daemons and runs.

mod apply;
mod collect;
mod decide;
mod files;
mod pins;
mod report;

pub use apply::{Freed, apply};
pub use collect::{Asked, Collection, collect};
pub use decide::{Candidate, Decision, Kept, Policy, look};
pub use files::{RunFiles, free_run_files};
pub use pins::{Unpinned, pin, unpin};
pub use report::{Listed, Report};
