//! Keeps the lease on a run while it is driven.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{EngineError, Lease, RunLog};

/// Renews a lease in the background until it is dropped, and tells when it is lost.
pub(super) struct LeaseKeeper {
    task: JoinHandle<()>,
    lost: watch::Receiver<Option<String>>,
}

impl LeaseKeeper {
    pub(super) fn start(log: Arc<dyn RunLog>, lease: Lease, lease_for: Duration) -> LeaseKeeper {
        let (sender, lost) = watch::channel(None);
        let task = tokio::spawn(async move {
            let reason = keep(&*log, &lease, lease_for).await;
            sender.send_replace(Some(reason));
        });
        LeaseKeeper { task, lost }
    }

    /// Waits until the lease is lost, and tells why.
    pub(super) async fn lost(&mut self) -> String {
        match self.lost.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "nobody renews it".to_owned(),
        }
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Renews three times within the time of the lease; ends when it is lost.
async fn keep(log: &dyn RunLog, lease: &Lease, lease_for: Duration) -> String {
    let mut held_since = Instant::now();
    loop {
        tokio::time::sleep(lease_for / 3).await;
        let now = Instant::now();
        match log.renew(lease, lease_for).await {
            Ok(()) => held_since = now,
            Err(EngineError::LeaseLost { reason, .. }) => return reason,
            Err(error) if held_since.elapsed() >= lease_for => return format!("it could not be renewed: {error}"),
            Err(error) => tracing::warn!(run.id = %lease.run, %error, "a lease was not renewed; trying again"),
        }
    }
}
