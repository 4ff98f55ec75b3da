//! What the database says about what may go: artifacts that nobody needs, and rows that are too old.

mod artifacts;
mod history;
mod needs;

pub use artifacts::{Pin, StoredArtifact};
pub use history::{History, HistoryAges};
pub use needs::{AliasedModel, KeptRun, Needs, Use};
