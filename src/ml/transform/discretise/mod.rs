//! Numbers into intervals.

pub(super) mod bin;
mod folds;
pub(super) mod geometric_width;
pub(super) mod intervals;
mod kmeans;
mod tree;
pub(super) mod tree_bins;
