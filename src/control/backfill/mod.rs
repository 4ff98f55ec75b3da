//! Backfills: one run of a pipeline for each of many values of a param, so many at once.
//!
//! A backfill keeps one version of the manifest. [`advance_backfills`] hands out its runs; whoever drives runs drives
//! them like all others.

mod advance;
mod range;
mod start;

pub use advance::{Advanced, advance_backfills, cancel_backfill, pause_backfill, resume_backfill};
pub use range::{MOST_VALUES, values};
pub use start::{Backfill, BackfillPlan, Mode, PlannedValue, Started, plan_backfill, start_backfill};
