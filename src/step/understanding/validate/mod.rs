//! `validate.table`: checks a table against expectations, with Great Expectations' meaning.
//!
//! [`ValidateTable`] is the step. One pass over the columns that the checks name measures everything; a second pass, over
//! all columns, runs only when rows failed, to keep them as an artifact. Memory is bounded by the kind of check, and not
//! by the width of the table: `unique` keeps 8 or 16 bytes for each row (exact numbers, or 128-bit hashes of text),
//! `distinct_count` and `foreign_key` up to 40 bytes for each different value, `median` and `quantiles` 8 bytes for each
//! value up to four million and a sketch beyond; all others keep a few numbers.

mod aggregate;
mod check;
mod expectation;
mod failures;
mod prepare;
mod report;
mod row_check;
mod row_test;
mod shape;
mod step;
mod unique;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use expectation::{CheckName, Expectation, IgnoreRowIf, OneOrMany, Severity};
pub use step::{OnFail, Params, ValidateTable};
