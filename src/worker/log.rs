//! The attempt's log: everything that the step and its programs say, without secrets and up to a limit.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::step::masking::{MaskedStream, Masker};

/// The variable that tells a worker how many bytes a log may have.
pub const LOG_LIMIT_VARIABLE: &str = "PHASELINE_LOG_LIMIT";

/// How many bytes of the log of one attempt are kept if nothing else is said.
pub const DEFAULT_LOG_LIMIT: u64 = 64 << 20;

/// How much room our own lines have beyond the limit, since they tell what became of the rest.
const OWN_ROOM: u64 = 64 * 1024;

/// How much of the end is kept beyond the limit, and looked through for the last lines.
const TAIL: usize = 16 * 1024;

/// How many of the last lines go into the error of a failed command.
const LAST_LINES: usize = 5;

/// How long these lines may be together.
const LAST_BYTES: usize = 8 * 1024;

/// Writes the log. Clones write the same one.
#[derive(Clone)]
pub(super) struct AttemptLog {
    masker: Masker,
    sink: Arc<Mutex<Sink>>,
}

struct Sink {
    file: Option<File>,
    limit: u64,
    written: u64,
    dropped: u64,
    /// The last bytes of what programs printed, masked.
    tail: Vec<u8>,
    stream: MaskedStream,
    is_at_line_start: bool,
}

impl AttemptLog {
    /// The log on standard error, where whoever started the worker wants it.
    pub(super) fn on_standard_error(masker: Masker) -> AttemptLog {
        let file = io::stderr().as_fd().try_clone_to_owned().map(File::from).ok();
        let limit = std::env::var(LOG_LIMIT_VARIABLE).ok().and_then(|limit| limit.parse().ok());
        AttemptLog::new(file, limit.unwrap_or(DEFAULT_LOG_LIMIT), masker)
    }

    fn new(file: Option<File>, limit: u64, masker: Masker) -> AttemptLog {
        let sink = Sink {
            file,
            limit,
            written: 0,
            dropped: 0,
            tail: Vec::new(),
            stream: MaskedStream::default(),
            is_at_line_start: true,
        };
        AttemptLog { masker, sink: Arc::new(Mutex::new(sink)) }
    }

    /// Writes a line of our own.
    pub(super) fn line(&self, line: &str) {
        let mut line = self.masker.mask(line);
        line.push('\n');
        self.with(|sink| {
            let limit = sink.limit.saturating_add(OWN_ROOM);
            if !sink.is_at_line_start {
                sink.write(b"\n", limit);
            }
            sink.write(line.as_bytes(), limit);
        });
    }

    /// Writes a piece of what a program printed.
    pub(super) fn print(&self, piece: &[u8]) {
        let mut masked = Vec::with_capacity(piece.len());
        self.with(|sink| {
            sink.stream.push(&self.masker, piece, &mut masked);
            sink.print(&masked);
        });
    }

    /// The program has ended: what it printed last.
    pub(super) fn printed(&self) -> String {
        let mut masked = Vec::new();
        self.with(|sink| {
            let mut stream = std::mem::take(&mut sink.stream);
            stream.finish(&self.masker, &mut masked);
            sink.print(&masked);
            last_lines(&sink.tail)
        })
    }

    /// Writes what is known only at the end: how much was left out, and the last of it.
    pub(super) fn finish(&self) {
        self.with(Sink::finish);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Sink) -> T) -> T {
        work(&mut self.sink.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink {
    fn print(&mut self, masked: &[u8]) {
        self.write(masked, self.limit);
        let start = masked.len().saturating_sub(TAIL);
        self.tail.extend_from_slice(&masked[start..]);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    fn write(&mut self, bytes: &[u8], limit: u64) {
        let Some(last) = bytes.last() else { return };
        let room = usize::try_from(limit.saturating_sub(self.written)).unwrap_or(usize::MAX);
        let kept = bytes.len().min(room);
        self.put(&bytes[..kept]);
        self.written += kept as u64;
        let surplus = bytes.len() - kept;
        if surplus > 0 {
            if self.dropped == 0 {
                self.put(format!("\n[phaseline] the log has reached its limit of {limit} bytes: what follows is left out, but for its end\n").as_bytes());
            }
            self.dropped += surplus as u64;
        }
        self.is_at_line_start = *last == b'\n';
    }

    /// A disk that is full must not fail a step that may not need it.
    fn put(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.file {
            drop(file.write_all(bytes));
        }
    }

    fn finish(&mut self) {
        if self.dropped == 0 {
            return;
        }
        let shown = self.tail.len().min(usize::try_from(self.dropped).unwrap_or(usize::MAX));
        let dropped = self.dropped - shown as u64;
        let tail = self.tail.split_off(self.tail.len() - shown);
        self.put(format!("[phaseline] {dropped} bytes were left out; these are the last\n").as_bytes());
        self.put(&tail);
        self.dropped = 0;
        self.limit = self.limit.max(self.written);
    }
}

fn last_lines(tail: &[u8]) -> String {
    let tail = &tail[tail.len().saturating_sub(LAST_BYTES)..];
    let text = String::from_utf8_lossy(tail);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    fn written(limit: u64, secret: &str, work: impl FnOnce(&AttemptLog)) -> String {
        let mut file = tempfile::tempfile().unwrap();
        let masker = Masker::default();
        masker.add(secret);
        let log = AttemptLog::new(Some(file.try_clone().unwrap()), limit, masker);
        work(&log);
        log.finish();
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_log_that_is_too_long_keeps_its_beginning_and_its_end_and_says_what_is_missing() {
        let text = written(100, "", |log| {
            for number in 0..10_000 {
                log.print(format!("line {number}\n").as_bytes());
            }
            assert_eq!(log.printed(), "line 9995\nline 9996\nline 9997\nline 9998\nline 9999");
        });
        assert!(text.starts_with("line 0\nline 1\n") && text.ends_with("line 9999\n"), "{text}");
        assert!(text.contains("limit of 100 bytes") && text.contains(" bytes were left out"), "{text}");
        assert!(text.len() < 100 + TAIL + 300);
    }

    #[test]
    fn a_secret_is_masked_across_pieces_and_across_a_line_of_our_own() {
        let text = written(1000, "correct horse", |log| {
            log.print(b"the key is correct ho");
            log.line("a line of our own: correct horse");
            log.print(b"rse.\n");
            log.printed();
        });
        assert_eq!(text, "the key is \na line of our own: ***\n***.\n");
    }
}
