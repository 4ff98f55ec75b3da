//! Categories to numbers.

pub(super) mod binary;
pub(super) mod count;
pub(super) mod hash;
mod infrequent;
pub(super) mod means;
pub(super) mod one_hot;
pub(super) mod ordinal;
pub(super) mod others;
pub(super) mod rare_label;
pub(super) mod target;
