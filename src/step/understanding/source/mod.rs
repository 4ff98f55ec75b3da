//! Where raw data comes from: local files, glob patterns and URLs, all made into local files; and cells of sources that
//! have types of their own.

mod cells;
mod download;
mod local;
mod object;
mod plain;

pub use cells::{Cell, Cells};
pub use download::{Download, download};
pub use local::{Location, SourceFile};
pub use object::redacted;
pub use plain::{plain_batch, plain_type};
