//! A request to end that reaches a worker while its program runs.

use std::fs;

use nix::sys::signal::{SigSet, Signal};

/// Whether this process was asked to end (SIGTERM) since it began to hold the signal back.
///
/// The signal goes to the whole process group, so the program gets it too and may have something to put in order: the
/// worker outlives it, until the time of grace is over and the group is ended by force.
pub(super) struct Termination {
    is_held_back: bool,
}

impl Termination {
    /// Holds the signal back from now on. A program that was started before does not inherit that.
    pub(super) fn listen() -> Termination {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        Termination { is_held_back: signals.thread_block().is_ok() }
    }

    /// Whether it was asked to end. The signal that is held back is looked for where the kernel keeps it: a thread that
    /// waits for it might be told after the program has ended already.
    pub(super) fn is_asked(&self) -> bool {
        self.is_held_back && fs::read_to_string("/proc/self/status").is_ok_and(|status| is_pending(&status))
    }
}

/// Whether SIGTERM waits for the process, by the text of its `/proc/PID/status` (proc(5)).
fn is_pending(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (Signal::SIGTERM as u32 - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_held_back_is_found() {
        assert!(!is_pending("Name:\tphaseline\nSigPnd:\t0000000000004000\nShdPnd:\t0000000000000000\n"));
        assert!(is_pending("SigPnd:\t0000000000000000\nShdPnd:\t0000000000004000\nSigBlk:\t0000000000004000\n"));
        assert!(!is_pending("nothing of it"));
    }
}
