//! Frees what was decided, in small batches: first the rows, then the bytes.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decide::Decision;
use crate::artifact::{self, ArtifactError, ArtifactStore, Digest, known_by};
use crate::control::{ControlError, ErrorKind};
use crate::fault;
use crate::store::Store;

/// How many artifacts one transaction marks.
const BATCH: usize = 50;

/// What was freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Freed {
    /// Artifacts.
    pub artifacts: u64,
    /// Bytes, after what artifacts share.
    pub bytes: u64,
    /// Artifacts that somebody came to need meanwhile.
    pub spared: u64,
}

/// Frees what `decision` found not to be needed, unless that has changed since.
///
/// An artifact is marked before its bytes go, and cached results that consist of it are forgotten with the mark: whoever
/// asks for one computes it again. Bytes whose mark outlived a crash go the next time.
///
/// # Errors
/// When the database or the store does not do its part; what was freed until then stays freed.
pub async fn apply(store: &Store, artifacts: &ArtifactStore, decision: &Decision) -> Result<Freed, ControlError> {
    let before = SystemTime::from(decision.before);
    let needed = blobs_of_kept(artifacts, decision)?;
    let mut freed = Freed::default();
    for batch in decision.free.chunks(BATCH) {
        let digests: Vec<Digest> = batch.iter().map(|candidate| candidate.digest).collect();
        let collected: BTreeSet<Digest> = store.collect(&digests, decision.looked_at).await?.into_iter().collect();
        for candidate in batch {
            if !collected.contains(&candidate.digest) {
                freed.spared += 1;
                continue;
            }
            fault::point("gc.before_delete").map_err(failed)?;
            let known = known_by(candidate.digest, candidate.kind, candidate.bytes);
            match free(artifacts, &known, &needed, before)? {
                Some(bytes) => {
                    freed.artifacts += 1;
                    freed.bytes += bytes;
                }
                None => {
                    store.uncollect(candidate.digest).await?;
                    freed.spared += 1;
                }
            }
        }
    }
    for candidate in &decision.collected {
        let known = known_by(candidate.digest, candidate.kind, candidate.bytes);
        freed.bytes += free(artifacts, &known, &needed, before)?.unwrap_or(0);
    }
    Ok(freed)
}

/// All blobs that must stay.
fn blobs_of_kept(artifacts: &ArtifactStore, decision: &Decision) -> Result<BTreeSet<Digest>, ControlError> {
    let mut needed = BTreeSet::new();
    for (candidate, _) in &decision.keep {
        needed.insert(candidate.digest);
        match artifacts.blobs(&known_by(candidate.digest, candidate.kind, candidate.bytes)) {
            Ok(blobs) => needed.extend(blobs),
            // What is lost already needs nothing.
            Err(ArtifactError::Missing { .. } | ArtifactError::Corrupt { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(needed)
}

/// Frees the bytes of one artifact but for what others share; none if it was published again since `before`.
fn free(
    artifacts: &ArtifactStore,
    known: &artifact::ArtifactRef,
    needed: &BTreeSet<Digest>,
    before: SystemTime,
) -> Result<Option<u64>, ControlError> {
    if needed.contains(&known.digest) {
        return Ok(Some(0));
    }
    let blobs = match artifacts.blobs(known) {
        Ok(blobs) => blobs,
        Err(ArtifactError::Missing { .. } | ArtifactError::Corrupt { .. }) => vec![known.digest],
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = 0;
    // The listing of a folder goes last: after a crash it still tells what belongs to it.
    for digest in blobs.into_iter().rev().filter(|digest| !needed.contains(digest)) {
        match artifacts.free(digest, before).map_err(failed)? {
            artifact::Freed::Bytes(count) => bytes += count,
            artifact::Freed::Recent if digest == known.digest => return Ok(None),
            artifact::Freed::Missing | artifact::Freed::Recent => {}
        }
    }
    artifacts.free_layout(known.digest).map_err(failed)?;
    Ok(Some(bytes))
}

pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ControlError {
    let message = format!("artifacts could not be freed: {error}");
    ControlError { source: Some(Box::new(error)), ..ControlError::new(ErrorKind::Failed, "gc", message) }
}
