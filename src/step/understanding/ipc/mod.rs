//! Reading Arrow IPC: the file format, which Feather of version 2 is too, and the stream format.
//!
//! The way: [`survey`] walks over the heads of all messages, so that a file that is cut off, and one that needs more memory
//! than there is, are told before anything is unpacked; then [`ArrowFile`] gives the rows.

mod file;
mod survey;

#[cfg(test)]
mod tests;

use crate::step::understanding::typed::IngestTyped;

pub use file::ArrowFile;

/// A step that reads Arrow files.
pub type IngestArrow = IngestTyped<ArrowFile>;

/// The same step, which keeps all decimals.
pub type ExactArrow = IngestTyped<ArrowFile, true>;
