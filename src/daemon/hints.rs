//! Rings the bell when another process tells that something has changed.

use std::time::Duration;

use crate::engine::Bell;
use crate::store::Store;

/// How long to wait before listening again after the connection was lost.
const AGAIN: Duration = Duration::from_secs(1);

/// Listens for ever. Hints that are lost do no harm: everybody looks by himself now and then.
pub(super) async fn ring_on_hints(store: Store, bell: Bell) {
    loop {
        match store.hints().await {
            // This database has none.
            Ok(None) => return,
            Ok(Some(mut hints)) => {
                // Something may have changed while nobody listened.
                bell.ring();
                loop {
                    match hints.next().await {
                        Ok(hint) => {
                            tracing::trace!(?hint, "a hint");
                            bell.ring();
                        }
                        Err(error) => {
                            tracing::debug!(error = &error as &dyn std::error::Error, "no hints are heard for a while");
                            break;
                        }
                    }
                }
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no hints are heard for a while"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
