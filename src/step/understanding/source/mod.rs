//! Where raw data comes from: local files, glob patterns and URLs, all made into local files; and cells of sources that
//! have types of their own.

pub mod aside;
mod cells;
mod download;
mod guard;
mod intake;
mod local;
mod names;
mod object;
mod plain;
mod refill;
#[cfg(test)]
mod tests;

pub use aside::{Aside, BadRow, BadRows};
pub use cells::{Cell, Cells};
pub use download::{Answer, Download, RAISE, Request, Secret, Session, download};
pub use guard::{NONSENSE, guarded};
pub use intake::Intake;
pub use local::{Found, Location, SourceFile, pattern_within};
pub use names::{check_names, wrong_columns, wrong_name};
pub use object::{Object, redacted};
pub use plain::{plain_batch, plain_type};
pub use refill::{BLOCK_BYTES, MAX_RECORD_BYTES, Refill, refill};
