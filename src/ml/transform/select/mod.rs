//! Which columns go on.

pub(super) mod by_name;
pub(super) mod chosen;
pub(super) mod correlated;
pub(super) mod from_model;
pub(super) mod information_value;
mod intervals;
pub(super) mod k_best;
mod kept;
mod model;
mod parts;
pub(super) mod psi;
pub(super) mod rfe;
mod scores;
pub(super) mod variance;
