//! Numbers out of texts.

mod accents;
pub(super) mod embedding;
pub(super) mod hashing;
pub(super) mod stats;
mod stop_words;
pub(super) mod tokens;
pub(super) mod vocabulary;
