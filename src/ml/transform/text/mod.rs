//! Numbers out of texts.

pub(super) mod hashing;
pub(super) mod stats;
pub(super) mod tokens;
pub(super) mod vocabulary;
