//! What a recorded artifact is known by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Digest;

/// What an artifact holds, and so which ports it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactKind {
    /// One Parquet file.
    Table,
    /// A folder: weights and `model.json`.
    Model,
    /// A folder: the fitted state of a feature pipeline, `transform.json`.
    Transform,
    /// One JSON file.
    Report,
    /// One file of any other content.
    File,
}

impl ArtifactKind {
    /// Every kind.
    pub const ALL: [ArtifactKind; 5] = [Self::Table, Self::Model, Self::Transform, Self::Report, Self::File];

    /// The kind as written in SQL, JSON and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Model => "model",
            Self::Transform => "transform",
            Self::Report => "report",
            Self::File => "file",
        }
    }

    /// Whether the artifact is a folder and not a single file.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::Model | Self::Transform)
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for ArtifactKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not an artifact kind"))
    }
}

/// A reference to bytes that are in the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// The digest of the file, or of the listing of the folder.
    pub digest: Digest,
    /// What it holds.
    pub kind: ArtifactKind,
    /// Size of the file, or of all files of the folder, in bytes.
    pub bytes: u64,
    /// Number of rows, for tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}
