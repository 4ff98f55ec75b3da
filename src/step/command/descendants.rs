//! What a program leaves running: found among the descendants of this process, and ended.

use std::fs;
use std::process;
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How many times we look for more: each look ends a generation, and a program that forks faster is left to whoever ends
/// the whole attempt.
const LOOKS: usize = 200;

/// How long a killed process is given to go before the next look.
const PAUSE: Duration = Duration::from_millis(5);

/// From now on, processes whose parents end become children of this one, also those that made a session of their own.
pub(super) fn adopt_orphans() {
    // Where the kernel does not know this, orphans in our process group are still ended with it.
    set_child_subreaper(true).ok();
}

/// Ends every process that descends from this one, and says how many children there were.
pub(super) fn end_all() -> usize {
    let mut ended = 0;
    for _ in 0..LOOKS {
        let children = children();
        if children.is_empty() {
            break;
        }
        for child in children {
            kill(child, Signal::SIGKILL).ok();
            if matches!(waitpid(child, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive)) {
                std::thread::sleep(PAUSE);
                waitpid(child, Some(WaitPidFlag::WNOHANG)).ok();
            }
            ended += 1;
        }
    }
    ended
}

/// The processes whose parent is this one; none where the kernel does not list them.
fn children() -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", process::id())) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
        .map(Pid::from_raw)
        .collect()
}
