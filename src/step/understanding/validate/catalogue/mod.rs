//! All checks: each is registered in one of these files, with its name, what it takes and how it is prepared.

mod across;
mod aggregates;
mod distribution;
mod history;
mod hypothesis;
mod order;
mod presence;
mod query;
mod ranges;
mod reference;
mod sets;
mod table;
mod texts;
mod uniqueness;

use super::definition::Definition;

/// The groups in the order of the documentation.
pub(super) const GROUPS: &[(&str, &[Definition])] = &[
    ("Shape of the table", table::CHECKS),
    ("Missing values", presence::CHECKS),
    ("Uniqueness", uniqueness::CHECKS),
    ("Sets of values", sets::CHECKS),
    ("Ranges and outliers", ranges::CHECKS),
    ("Texts", texts::CHECKS),
    ("Order", order::CHECKS),
    ("Several columns", across::CHECKS),
    ("Measures of a column", aggregates::CHECKS),
    ("Distributions", distribution::CHECKS),
    ("Tests of hypotheses", hypothesis::CHECKS),
    ("Against another table", reference::CHECKS),
    ("Against earlier runs", history::CHECKS),
    ("Queries", query::CHECKS),
];

/// Every check.
pub(super) fn all() -> impl Iterator<Item = &'static Definition> {
    GROUPS.iter().flat_map(|(_, checks)| checks.iter())
}
