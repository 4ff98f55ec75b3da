//! A request to end that reaches a worker while its program runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};

/// Whether this process was asked to end (SIGTERM) since it began to listen.
///
/// The signal goes to the whole process group, so the program gets it too and may have something to put in order: the
/// worker outlives it, until the time of grace is over and the group is ended by force.
pub(super) struct Termination(Arc<AtomicBool>);

impl Termination {
    /// Listens from now on. A program that was started before does not inherit that the signal is held back.
    pub(super) fn listen() -> Termination {
        let is_asked = Arc::new(AtomicBool::new(false));
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        if signals.thread_block().is_ok() {
            let flag = Arc::clone(&is_asked);
            let listen = move || {
                if signals.wait().is_ok() {
                    flag.store(true, Ordering::Relaxed);
                }
            };
            // Without the thread the program is ended by force after its grace. The thread ends with the process.
            drop(std::thread::Builder::new().name("termination".to_owned()).stack_size(64 * 1024).spawn(listen));
        }
        Termination(is_asked)
    }

    /// Whether it was asked to end.
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
