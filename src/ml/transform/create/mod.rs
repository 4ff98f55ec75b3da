//! Columns out of other columns.

pub(super) mod date_parts;
pub(super) mod derive;
