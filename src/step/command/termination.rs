//! A request to end that reaches a worker while its program runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGTERM;

/// Whether this process was asked to end (SIGTERM) since it began to listen.
///
/// The signal goes to the whole process group, so the program gets it too and may have something to put in order: the
/// worker outlives it, until the time of grace is over and the group is ended by force.
pub(super) struct Termination(Arc<AtomicBool>);

impl Termination {
    /// Listens from now on, which must be before the program starts. A program that is started does not inherit a handler.
    pub(super) fn listen() -> io::Result<Termination> {
        let is_asked = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGTERM, Arc::clone(&is_asked))?;
        Ok(Termination(is_asked))
    }

    /// Whether it was asked to end.
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
