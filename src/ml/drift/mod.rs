//! Drift: has the distribution of a column moved between a reference and the current rows?
//!
//! [`compare`] is the main function. Which method is used and when it speaks of drift follows Evidently's defaults, and
//! the statistics are scipy's; fixtures made by both hold them. This module knows nothing of tables or steps.

mod compare;
mod discrete;
mod kolmogorov;
mod method;
mod numeric;

pub use compare::{ColumnDrift, Sample, compare};
pub use kolmogorov::one_sample_p_value;
pub use method::Method;

#[cfg(test)]
mod tests;
