//! Which columns go on.

pub(super) mod by_name;
pub(super) mod chosen;
pub(super) mod correlated;
pub(super) mod k_best;
mod scores;
pub(super) mod variance;
