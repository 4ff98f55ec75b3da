//! Reading only what came since the last run that succeeded: a cursor column, the position that was reached, and the rows at the
//! boundary.
//!
//! The position is the output `position` of the step, and an input of the same step in the next run: so it is part of lineage,
//! of the cache key, and of what a run leaves behind, and a run that fails does not move it.

mod append;
mod files;
mod increment;
mod mark;
mod position;
mod source;

use schemars::JsonSchema;
use serde::Deserialize;

pub use files::NewFiles;
pub use increment::Increment;
pub use mark::{Lookback, Mark};
pub use position::Position;
pub use source::{FileCursor, FileSource};

/// What the output `table` holds of an incremental read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All rows that were ever read: those of the last run, and the new ones after them.
    #[default]
    Append,
    /// Only the new rows.
    Delta,
}
