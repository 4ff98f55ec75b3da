//! Numbers to other numbers: shifted, scaled, and bent.

pub(super) mod affine;
mod brent;
pub(super) mod log1p;
pub(super) mod math;
pub(super) mod max_abs;
pub(super) mod mean_norm;
pub(super) mod min_max;
mod normal;
pub(super) mod normalizer;
pub(super) mod power;
pub(super) mod quantile;
pub(super) mod robust;
pub(super) mod standardize;
