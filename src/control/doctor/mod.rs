//! Looks at everything that a user would ask about first when something is odd, and says where it is and what helps.
//!
//! Main function: [`doctor`]. One file looks at one subject; all of them only read. Each gives a [`Check`] with its
//! [`Finding`]s, and a subject that cannot be looked at is itself a finding.

mod artifacts;
mod attempts;
mod clock;
mod daemons;
mod database;
mod effects;
mod examine;
mod folders;
mod leftovers;
mod machine;
mod pipelines;
mod report;
mod runs;
mod slots;
mod tokens;
mod triggers;
mod words;

pub use examine::{Opened, Patient, doctor};
pub use report::{Check, Diagnosis, Finding, Level};
