//! Numbers into intervals.

pub(super) mod bin;
mod kmeans;
