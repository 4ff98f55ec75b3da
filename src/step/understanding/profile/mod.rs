//! `profile.table`: statistics of every column, as a report and as a page for people.

mod findings;
mod page;
mod plot;
mod step;

pub use step::{Params, ProfileTable};
