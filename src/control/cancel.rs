//! Asking for the end of a run.

use super::{By, ControlError, reason as reasons};
use crate::engine::{Request, RequestKind};
use crate::id::{RequestId, RunId};
use crate::store::Store;

/// Asks for the end of a run: whoever drives it ends its attempts.
///
/// # Errors
/// There is no such run, it has ended, or the reason is too long.
pub async fn cancel(store: &Store, run: RunId, reason: Option<&str>, by: &By) -> Result<RequestId, ControlError> {
    reasons::check(reason)?;
    unfinished(store, run, "be cancelled").await?;
    Ok(store
        .ask(Request { reason: reason.map(str::to_owned), ..Request::new(run, RequestKind::Cancel, by.who.as_str()) })
        .await?)
}

/// Refuses a run that has ended.
pub(super) async fn unfinished(store: &Store, run: RunId, what: &str) -> Result<(), ControlError> {
    let summary = store.run_summary(run).await?;
    if summary.finished_at.is_none() {
        return Ok(());
    }
    let message = format!("{run} has ended ({}) and cannot {what} any more", summary.state);
    Err(ControlError::conflict("run_ended", message))
}
