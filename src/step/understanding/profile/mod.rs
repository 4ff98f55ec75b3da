//! `profile.table`: statistics of every column and of how they go together, as a report and as a page for people; and the
//! checks that a profile suggests.

mod card;
mod described;
mod findings;
mod matrix;
mod page;
mod plot;
mod report;
mod step;
mod suggest;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use step::{Params, ProfileTable};
pub use suggest::{Suggested, suggest};
