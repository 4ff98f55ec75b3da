//! Many columns into fewer.

pub(super) mod components;
pub(super) mod eigen;
pub(super) mod pca;
pub(super) mod projection;
pub(super) mod svd;
