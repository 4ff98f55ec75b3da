//! How many of the runs that a process drives have something to do, or wait for something else than a free core.
//!
//! All others stand in a crowd: each asks again whenever an attempt ends, and only so many of them can get a core. Who
//! takes runs in keeps the crowd small, else every attempt costs as many questions as there are runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The count. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Crowd {
    busy: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

/// While it lives, a run counts as busy.
#[derive(Debug)]
pub(super) struct Busy(Crowd);

impl Crowd {
    /// How many runs are busy.
    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Waits until one more run is busy.
    pub async fn shrunk(&self) {
        self.changed.notified().await;
    }

    pub(super) fn enter(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        Busy(self.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
