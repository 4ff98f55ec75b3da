//! A hint that something has changed and that whoever waits may look again.
//!
//! A ring carries nothing and may be lost: looking again after a while stays the truth, and the bell makes it soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// A bell that everybody who has a clone of it hears. Cheap to clone and to ring.
#[derive(Debug, Clone)]
pub struct Bell {
    rope: Arc<watch::Sender<()>>,
    ear: watch::Receiver<()>,
    rings: Arc<AtomicU64>,
}

impl Bell {
    /// A bell that has not been rung.
    pub fn new() -> Bell {
        let (rope, ear) = watch::channel(());
        Bell { rope: Arc::new(rope), ear, rings: Arc::default() }
    }

    /// Wakes everybody who waits.
    pub fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        self.rope.send_replace(());
    }

    /// How often it has been rung.
    pub(super) fn rings(&self) -> u64 {
        self.rings.load(Ordering::SeqCst)
    }

    /// Waits until the bell has been rung since this clone last heard it; several rings count as one.
    pub async fn rung(&mut self) {
        // This clone holds the rope too, so the channel cannot be closed.
        if self.ear.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Default for Bell {
    fn default() -> Bell {
        Bell::new()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_rung(bell: &mut Bell) -> bool {
        pin!(bell.rung()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn a_ring_is_heard_once_by_every_clone_even_by_those_who_listen_later() {
        let mut one = Bell::new();
        let mut other = one.clone();
        assert!(!is_rung(&mut one));
        other.ring();
        other.ring();
        assert!(is_rung(&mut one) && !is_rung(&mut one));
        assert!(is_rung(&mut other) && !is_rung(&mut other));
    }
}
