//! Sends a step's progress to the standard output of the worker, and what it and its programs say to the attempt's log.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, OFlags, fcntl_setfl, fstat};

use super::WorkerMessage;
use super::log::AttemptLog;
use crate::step::masking::Masker;
use crate::step::{Progress, Reporter};

/// The shortest time between two progress messages: a display need not be faster.
const PAUSE: Duration = Duration::from_millis(100);

/// How many characters of a remark are passed on. A message below 4 KiB goes through a pipe whole or not at all.
const LONGEST_NOTE: usize = 500;

/// Reports over the worker's standard streams.
pub(super) struct PipeReporter {
    last: Option<Instant>,
    log: AttemptLog,
    masker: Masker,
}

impl PipeReporter {
    pub(super) fn new(log: AttemptLog, masker: Masker) -> PipeReporter {
        let stdout = io::stdout();
        let is_pipe = fstat(&stdout).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Fifo);
        if is_pipe {
            // Whoever started the worker may have stopped reading; the step must not wait for that.
            fcntl_setfl(&stdout, OFlags::NONBLOCK).ok();
        }
        PipeReporter { last: None, log, masker }
    }
}

impl Reporter for PipeReporter {
    fn progress(&mut self, progress: &Progress) {
        let is_end = progress.total == Some(progress.done);
        if !is_end && self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        self.last = Some(Instant::now());
        let message = WorkerMessage::Progress {
            done: progress.done,
            total: progress.total,
            unit: progress.unit.to_owned(),
            note: self.masker.mask(&progress.note).chars().take(LONGEST_NOTE).collect(),
        };
        let Ok(mut line) = serde_json::to_vec(&message) else { return };
        line.push(b'\n');
        // Whoever started the worker may be gone; the step goes on and its report will be found.
        rustix::io::write(io::stdout().as_fd(), &line).ok();
    }

    fn log(&mut self, line: &str) {
        self.log.line(line);
    }

    fn print(&mut self, piece: &[u8]) {
        self.log.print(piece);
    }

    fn printed(&mut self) -> String {
        self.log.printed()
    }

    fn conceal(&mut self, value: &str) {
        self.masker.conceal(value);
    }
}
