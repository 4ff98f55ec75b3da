//! `validate.table`: checks a table against expectations, with Great Expectations' meaning.
//!
//! [`ValidateTable`] is the step. One pass over the columns that the checks name measures everything; a second pass, over
//! all columns, runs only where rows failed, to keep them or put them aside, and for checks that judge rows by all others
//! (`no_outliers`, `zscore_below`). Memory is bounded by the kind of check, and not by the width of the table: `unique`
//! keeps 8 or 16 bytes for each row (exact numbers, or 128-bit hashes of text), `distinct_count` and `foreign_key` up to 40
//! bytes for each different value, `median`, `quantiles` and `no_outliers` 8 bytes for each value up to four million and a
//! sketch beyond, `drift`, `train_serve_skew` and rank correlations the numbers of both sides, or up to a million different
//! texts with their counts; all others keep a few numbers. What grows beyond `resources.memory` fails the check.
//!
//! Queries (`sql`) are answered before the first pass, by the engine of the program `phaseline-sql`: it carries a step with
//! such a check out as a whole, with everything here and an implementation of [`Queries`].
//!
//! `catalogue/` has the checks, each registered in one place. `gx/` reads what Great Expectations writes.

mod block;
mod catalogue;
mod check;
mod column;
mod counts;
mod definition;
mod divergence;
mod expectation;
mod families;
mod first_pass;
mod json_schema;
mod kinds;
mod outliers;
mod patterns;
mod problems;
mod queries;
mod reference;
mod report;
mod row_check;
mod row_test;
mod screen;
mod second_pass;
mod setting;
mod step;
mod strptime;
mod summary;
mod unique;
mod value_set;

pub mod gx;

#[cfg(test)]
mod breadth;
#[cfg(test)]
mod consequences;
#[cfg(test)]
mod exact;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use block::{flow, validate_block};
pub use definition::CheckName;
pub use expectation::{
    AnomalyStrategy, Consequence, CorrelationMethod, Distribution, Expectation, IgnoreRowIf, OneOrMany, OutlierMethod,
    Partition, Severity, SkewMetric, TextKind,
};
pub use queries::{Answer, Queries};
pub use reference::checks_reference;
pub use screen::{Broken, BrokenRow, RowScreen, Screen};
pub use step::{OnFail, Params, ValidateTable};
