//! Which columns go on.

pub(super) mod by_name;
