//! Sentence embeddings: a text in, the vector of a language model out, from a folder that sentence-transformers saved.
//!
//! [`SentenceEncoder`] is the main type. The forward pass runs on the CPU in single precision through candle. Texts are
//! never padded: tokens of several texts stand one after the other in one matrix, and attention stays within each, so the
//! vector of a text does not depend on the texts beside it. That is why a row served alone gets the bits it had in a table.

mod claim;
mod encoder;
mod folder;
mod models;
mod settings;
mod transformer;

pub use encoder::{EncodeOptions, SentenceEncoder};
pub use folder::SentenceError;
pub use models::Models;
