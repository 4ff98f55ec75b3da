//! Columns out of other columns.

pub(super) mod cyclical;
pub(super) mod date_parts;
pub(super) mod derive;
pub(super) mod polynomial;
pub(super) mod relative;
pub(super) mod spline;
