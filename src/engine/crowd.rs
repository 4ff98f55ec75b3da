//! How many of the runs that a process drives have something to do, or wait for something else than a free core.
//!
//! All others stand in a crowd, and only so many of them can get a core. Each would ask again whenever an attempt ends: who
//! takes runs in keeps the crowd small, and those that stand in it ask one after the other until one asks in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

/// How long to wait for one's turn.
const PATIENCE: Duration = Duration::from_millis(500);

/// The count, and whose turn it is. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Crowd {
    busy: Arc<AtomicUsize>,
    changed: Arc<Notify>,
    turn: Arc<Mutex<()>>,
    /// How often the bell had been rung, and one more, when somebody asked for one core in vain.
    in_vain: Arc<AtomicU64>,
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

    /// Waits until nobody else asks, but not for long: a question may hang, and then it is its run's alone.
    pub(super) async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        tokio::time::timeout(PATIENCE, Arc::clone(&self.turn).lock_owned()).await.ok()
    }

    /// Somebody has asked for one core in vain, after so many rings of the bell.
    pub(super) fn asked_in_vain(&self, rings: u64) {
        self.in_vain.store(rings + 1, Ordering::SeqCst);
    }

    /// Whether no core can have become free since somebody asked in vain, after so many rings of the bell.
    pub(super) fn is_full(&self, rings: u64) -> bool {
        self.in_vain.load(Ordering::SeqCst) == rings + 1
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_busy_until_it_says_otherwise() {
        let crowd = Crowd::default();
        let (one, other) = (crowd.enter(), crowd.clone().enter());
        assert_eq!(crowd.busy(), 2);
        drop(one);
        assert_eq!(crowd.busy(), 1);
        drop(other);
        assert_eq!(crowd.busy(), 0);
    }

    #[test]
    fn who_asked_in_vain_spares_the_others_until_the_bell_rings() {
        let crowd = Crowd::default();
        assert!(!crowd.is_full(0), "nobody has asked");
        crowd.asked_in_vain(0);
        assert!(crowd.is_full(0));
        assert!(!crowd.is_full(1));
    }

    #[tokio::test]
    async fn a_question_that_hangs_does_not_keep_others_from_asking() {
        let crowd = Crowd::default();
        let hangs = crowd.turn().await;
        assert!(hangs.is_some());
        assert!(crowd.turn().await.is_none());
        drop(hangs);
        assert!(crowd.turn().await.is_some());
    }
}
