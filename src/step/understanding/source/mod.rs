//! Where raw data comes from: local files, glob patterns and URLs, all made into local files.

mod local;

pub use local::{Location, SourceFile};
