//! What was freed, or would be, as the command line and the API tell it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::apply::Freed;
use super::decide::{Candidate, Decision};
use super::files::RunFiles;

/// What was freed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GcReport)]
pub struct Report {
    /// Whether it was done; else it is only shown.
    pub applied: bool,
    /// Artifacts that may go, used least recently first.
    pub free: Vec<Listed>,
    /// Artifacts that stay, each with why.
    pub keep: Vec<Listed>,
    /// The bytes of those that may go.
    pub free_bytes: u64,
    /// The bytes of those that stay.
    pub keep_bytes: u64,
    /// Logs and checkpoints that went, or would.
    pub run_files: RunFiles,
    /// Bytes that attempts left behind and that went, or would.
    pub leftover_bytes: u64,
    /// What came of it; null where it is only shown.
    pub freed: Option<Freed>,
}

/// An artifact that was decided about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GcArtifact)]
pub struct Listed {
    /// Its digest.
    pub digest: String,
    /// `table`, `model`, `transform`, `report` or `file`.
    pub kind: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last made, reused or read.
    pub used_at: String,
    /// Why it stays; absent where it may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl Report {
    pub(super) fn of(decision: &Decision, run_files: RunFiles, leftover_bytes: u64, freed: Option<Freed>) -> Report {
        Report {
            applied: freed.is_some(),
            free: decision.free.iter().map(|candidate| Listed::of(candidate, None)).collect(),
            keep: decision.keep.iter().map(|(candidate, kept)| Listed::of(candidate, Some(kept.to_string()))).collect(),
            free_bytes: decision.free_bytes(),
            keep_bytes: decision.keep_bytes(),
            run_files,
            leftover_bytes,
            freed,
        }
    }
}

impl Listed {
    fn of(candidate: &Candidate, because: Option<String>) -> Listed {
        Listed {
            digest: candidate.digest.to_string(),
            kind: candidate.kind.to_string(),
            bytes: candidate.bytes,
            used_at: candidate.used_at.clone(),
            because,
        }
    }
}
