//! Pins: artifacts that are never freed, whatever their age.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::{By, ControlError, reason as reasons};
use crate::store::Store;
use crate::store::queries::PinSummary;

/// An artifact whose pin was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unpinned {
    /// Its digest.
    pub digest: String,
    /// Whether there was a pin.
    pub was_pinned: bool,
}

/// Pins an artifact, named by its digest or the beginning of it; another reason replaces that of an earlier pin.
///
/// # Errors
/// There is no such artifact or several, or no reason is given.
pub async fn pin(store: &Store, digest: &str, reason: &str, by: &By) -> Result<PinSummary, ControlError> {
    if reason.trim().is_empty() {
        return Err(ControlError::invalid("reason_missing", "a pin needs a reason"));
    }
    reasons::check(Some(reason))?;
    let found = store.artifact(digest).await?.artifact.digest;
    store.pin(found, reason, &by.who).await?;
    let pin = store.pin_summary(&found.to_string()).await?;
    pin.ok_or_else(|| ControlError::conflict("unpinned", "somebody has taken the pin back meanwhile"))
}

/// Takes the pin of an artifact back.
///
/// # Errors
/// There is no such artifact, or several.
pub async fn unpin(store: &Store, digest: &str) -> Result<Unpinned, ControlError> {
    let found = store.artifact(digest).await?.artifact.digest;
    Ok(Unpinned { was_pinned: store.unpin(found).await?, digest: found.to_string() })
}
