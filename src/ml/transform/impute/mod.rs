//! Missing values: what takes their place.

pub(super) mod simple;
