//! Keeps the values of secrets out of everything that is written about an attempt.
//!
//! Main type: [`Masker`]. It knows the values and recognises each as it is, in base64 and hexadecimal, and in the escapes
//! of URLs, JSON, HTML and shells, also when a value comes in pieces.

mod forms;
mod masker;
mod pattern;

pub use masker::{MaskedStream, Masker, SHORTEST_SECRET};
