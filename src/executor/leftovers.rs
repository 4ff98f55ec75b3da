//! What an attempt leaves on the machine: programs that left its process group, and its control group.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::id::AttemptId;
use crate::worker::{AttemptFolder, Limits};

/// The variable in the environment of all processes of an attempt that tells which attempt it is.
pub(super) const ATTEMPT_VARIABLE: &str = "PHASELINE_ATTEMPT";

/// How many times is looked: a program that forks while we look is found the next time.
const LOOKS: usize = 20;

/// How long killed processes are given to go before the next look.
const PAUSE: Duration = Duration::from_millis(10);

/// Ends every process of an attempt whose worker is gone, and removes its control group.
pub(super) async fn end(folder: &AttemptFolder, attempt: AttemptId) {
    if let Ok(Some(Limits { group: Some(group), .. })) = Limits::read(folder) {
        group.kill();
    }
    for _ in 0..LOOKS {
        let found = tokio::task::spawn_blocking(move || kill_processes_of(attempt));
        if !matches!(found.await, Ok(1..)) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    remove_group(folder).await;
}

/// Removes the control group of an attempt that has ended, with what is still in it.
pub(super) async fn remove_group(folder: &AttemptFolder) {
    let Ok(Some(Limits { group: Some(group), .. })) = Limits::read(folder) else { return };
    for _ in 0..LOOKS {
        match group.remove() {
            Ok(()) => return,
            Err(_) => group.kill(),
        }
        tokio::time::sleep(PAUSE).await;
    }
    // It is removed when groups are made ready the next time.
    tracing::debug!("the control group of an attempt could not be removed");
}

/// The processes of this machine that belong to attempts, with the attempts; those of other users cannot be told, and a
/// process that has ended has no environment.
pub fn processes_of_attempts() -> Vec<(u32, AttemptId)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let start = format!("{ATTEMPT_VARIABLE}=");
    let attempt = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        variables.find_map(|variable| std::str::from_utf8(variable).ok()?.strip_prefix(&start)?.parse().ok())
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, attempt(pid)?))).collect()
}

/// Kills the processes of `attempt`, and says how many there were.
fn kill_processes_of(attempt: AttemptId) -> usize {
    let others = processes_of_attempts().into_iter().filter(|(pid, of)| *of == attempt && *pid != std::process::id());
    let killed = others.filter(|(pid, _)| kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).is_ok());
    killed.count()
}
