//! What the end of a program means for its step.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use crate::step::StepError;

/// The exit code by which a program says that another attempt may help: `EX_TEMPFAIL`.
const TEMPORARY: i32 = 75;

/// What `sh` adds to the number of the signal that ended a program of it.
const SHELL_SIGNAL: i32 = 128;

/// What programs say when they get no more memory.
const NO_MEMORY: [&str; 5] =
    ["MemoryError", "Cannot allocate memory", "std::bad_alloc", "memory allocation of ", "OutOfMemoryError"];

/// How many processes the system has killed since it started because it had no more memory; none if it does not tell.
pub(super) fn kills_for_memory() -> Option<u64> {
    let counters = fs::read_to_string("/proc/vmstat").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// The failure of a program that `said` something last.
pub(super) fn failure(
    status: ExitStatus,
    said: &str,
    kills_before: Option<u64>,
    memory_bytes: Option<u64>,
) -> StepError {
    let last = if said.is_empty() { String::new() } else { format!("; it last said:\n{said}") };
    let signal = status.signal().or_else(|| status.code().and_then(|code| code.checked_sub(SHELL_SIGNAL)));
    let signal = signal.and_then(|number| Signal::try_from(number).ok());
    match (signal, status.code()) {
        (_, Some(TEMPORARY)) => StepError::environment(
            "command_temporary",
            format!("the command asks for another attempt (exit code 75){last}"),
        ),
        (_, Some(127)) => StepError::input("command_not_found", format!("the command was not found{last}"))
            .help("install the program or give its path"),
        (Some(Signal::SIGKILL), _) => killed(kills_before, &last),
        (Some(signal), _) => {
            let message = format!("the command was ended by signal {} ({signal}){last}", signal as i32);
            let help = match signal {
                Signal::SIGSEGV | Signal::SIGABRT | Signal::SIGBUS | Signal::SIGILL | Signal::SIGFPE => {
                    "the program crashed: look at it, or at the native libraries that it uses"
                }
                _ => "somebody or something outside ended the program",
            };
            with_memory(StepError::input("command_failed", message).help(help), said, memory_bytes)
        }
        (None, _) => {
            let error = StepError::input("command_failed", format!("the command failed ({status}){last}"))
                .help("exit code 75 asks for another attempt under the step's retry policy");
            with_memory(error, said, memory_bytes)
        }
    }
}

fn killed(kills_before: Option<u64>, last: &str) -> StepError {
    let message = format!("the command was ended by signal 9 (SIGKILL){last}");
    let error = StepError::environment("command_killed", message);
    if kills_before < kills_for_memory() {
        error.help("the system ran out of memory meanwhile, so it may have killed the command: give the step less to do at once")
    } else {
        error.help("the system did not run out of memory: somebody or something outside killed it")
    }
}

/// The failure with another remedy if the program said that it got no more memory.
fn with_memory(error: StepError, said: &str, memory_bytes: Option<u64>) -> StepError {
    match memory_bytes {
        Some(bytes) if NO_MEMORY.iter().any(|words| said.contains(words)) => error.help(format!(
            "it got no more memory, and the step has a limit of {} MiB: raise `resources.memory`",
            bytes >> 20
        )),
        _ => error,
    }
}
