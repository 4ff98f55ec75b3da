//! Categories to numbers.

pub(super) mod hash;
pub(super) mod one_hot;
pub(super) mod ordinal;
pub(super) mod target;
