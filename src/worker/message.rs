//! What a running worker says on its standard output: one JSON document per line.

use serde::{Deserialize, Serialize};

/// A sign of life for whoever watches; losing one loses nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum WorkerMessage {
    /// How far the step has come.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all, if known.
        total: Option<u64>,
        /// The unit.
        unit: String,
        /// A short remark.
        note: String,
    },
}
