//! Numbers to other numbers: shifted, scaled, and bent.

pub(super) mod affine;
pub(super) mod log1p;
pub(super) mod min_max;
pub(super) mod standardize;
