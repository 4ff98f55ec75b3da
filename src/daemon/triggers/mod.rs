//! What makes pipelines run by themselves: the times of schedules, and the loop that looks at all triggers.
//!
//! [`look_after`] is the loop. It decides when to look at which trigger; a [`look::Watched`] is one trigger with what it
//! remembers, and each look happens in a task of its own, with a deadline.

mod circles;
mod conditions;
mod files;
mod look;
mod upkeep;

pub mod schedule;

pub use circles::circles;
pub use upkeep::look_after;
