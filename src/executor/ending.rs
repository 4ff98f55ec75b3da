//! Why an attempt ended that left no report: from its exit status, its limits and the end of its log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::SystemTime;

use nix::sys::signal::Signal;

use super::Ended;
use crate::id::AttemptId;
use crate::worker::{AttemptFolder, AttemptGroup, Limits, Report, ReportedEnd};

/// How much of the end of a log is looked through.
const LAST: u64 = 4096;

/// How a child of ours ended that left no report.
pub(super) fn unreported(folder: &AttemptFolder, attempt: AttemptId, status: io::Result<ExitStatus>) -> Ended {
    match status {
        Ok(status) if has_run_out_of_memory(folder, status.signal()) => out_of_memory(folder, attempt),
        Ok(status) => Ended::Vanished { why: describe(status) },
        Err(error) => Ended::Vanished { why: error.to_string() },
    }
}

/// How an attempt ended that was started by an earlier process, which alone could have learnt the exit status.
pub(super) fn found_gone(folder: &AttemptFolder, attempt: AttemptId) -> Ended {
    if has_run_out_of_memory(folder, None) {
        out_of_memory(folder, attempt)
    } else {
        Ended::Vanished { why: "its process is gone and left no report".to_owned() }
    }
}

fn has_run_out_of_memory(folder: &AttemptFolder, signal: Option<i32>) -> bool {
    let Ok(Some(limits)) = Limits::read(folder) else { return false };
    let in_group = limits.group.as_ref().is_some_and(AttemptGroup::has_exceeded_memory);
    // Where each process has its own limit, Rust's allocator says what it wanted and aborts.
    let may_have_aborted = signal.is_none_or(|signal| signal == Signal::SIGABRT as i32);
    in_group || (limits.memory_bytes.is_some() && may_have_aborted && asked_for_too_much(folder).unwrap_or(false))
}

fn asked_for_too_much(folder: &AttemptFolder) -> io::Result<bool> {
    let mut log = File::open(folder.log())?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(LAST)))?;
    let mut end = Vec::new();
    log.take(LAST).read_to_end(&mut end)?;
    let end = String::from_utf8_lossy(&end);
    Ok(end
        .lines()
        .rev()
        .take(3)
        .any(|line| line.starts_with("memory allocation of ") && line.ends_with(" bytes failed")))
}

/// The report that the worker would have left.
fn out_of_memory(folder: &AttemptFolder, attempt: AttemptId) -> Ended {
    let limits = Limits::read(folder).ok().flatten().unwrap_or(Limits { memory_bytes: None, group: None });
    Ended::Reported(Box::new(Report {
        attempt,
        end: ReportedEnd::Failed(limits.exceeded()),
        seconds: seconds(folder).unwrap_or(0.0),
        peak_memory_bytes: limits.memory_bytes.unwrap_or(0),
    }))
}

/// How long the attempt has run: from its claim to the last change of its log or beat.
fn seconds(folder: &AttemptFolder) -> Option<f64> {
    let changed = |path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    let start = changed(folder.claim())?;
    let end =
        [changed(folder.log()), changed(folder.beat())].into_iter().flatten().max().unwrap_or(SystemTime::UNIX_EPOCH);
    end.duration_since(start).ok().map(|elapsed| elapsed.as_secs_f64())
}

fn describe(status: ExitStatus) -> String {
    let signal = status.signal().map(|number| (number, Signal::try_from(number)));
    match signal {
        Some((9, _)) => "the worker was killed (signal 9, SIGKILL); the system may have run out of memory".to_owned(),
        Some((number, Ok(signal))) => format!("the worker was ended by signal {number} ({signal})"),
        Some((number, Err(_))) => format!("the worker was ended by signal {number}"),
        None => format!("the worker ended without a report ({status})"),
    }
}
