//! Sends a step's progress to the standard output of the worker and its log lines to standard error, which is the
//! attempt's log.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::WorkerMessage;
use crate::step::{Progress, Reporter};

/// The shortest time between two progress messages: a display need not be faster.
const PAUSE: Duration = Duration::from_millis(100);

/// Reports over the worker's standard streams.
pub(super) struct PipeReporter {
    last: Option<Instant>,
}

impl PipeReporter {
    pub(super) fn new() -> PipeReporter {
        PipeReporter { last: None }
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
            note: progress.note.clone(),
        };
        let Ok(mut line) = serde_json::to_vec(&message) else { return };
        line.push(b'\n');
        // Whoever started the worker may be gone; the step goes on and its report will be found.
        drop(io::stdout().lock().write_all(&line));
    }

    fn log(&mut self, line: &str) {
        drop(writeln!(io::stderr().lock(), "{line}"));
    }
}
