//! What a running program tells: JSON lines appended to a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::step::{Metric, Progress, StepContext};

/// The longest line that is understood, so that a program cannot fill our memory.
const LONGEST_LINE: usize = 64 * 1024;

/// How many metrics of one attempt are kept: they all travel in one report and one event.
const MOST_METRICS: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Progress(ProgressEvent),
    Metric(Metric),
}

#[derive(Debug, Deserialize)]
struct ProgressEvent {
    done: u64,
    total: Option<u64>,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    note: String,
}

/// Follows the file of a running program.
pub(super) struct EventFile {
    path: PathBuf,
    offset: u64,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
    /// Whether the line under way is too long and left out.
    is_skipping: bool,
    metrics: usize,
    complained: bool,
}

impl EventFile {
    pub(super) fn create(path: PathBuf) -> io::Result<EventFile> {
        File::create(&path)?;
        Ok(EventFile { path, offset: 0, rest: Vec::new(), is_skipping: false, metrics: 0, complained: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reports everything that was appended since the last call.
    pub(super) fn follow(&mut self, context: &mut StepContext) -> io::Result<()> {
        let mut file = match File::open(&self.path) {
            // A program that deletes or replaces the file tells nothing more; that is no reason to fail it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        if file.metadata()?.len() <= self.offset {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut buffer = vec![0; LONGEST_LINE];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.offset += count as u64;
            self.take(&buffer[..count], context);
        }
    }

    fn take(&mut self, piece: &[u8], context: &mut StepContext) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.rest.len() + part.len() > LONGEST_LINE {
                self.is_skipping = true;
                self.rest.clear();
                self.complain(context, "it has more than 64 KiB");
            }
            if !self.is_skipping {
                self.rest.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                self.is_skipping = false;
                let line = std::mem::take(&mut self.rest);
                self.report(&line, context);
            }
        }
    }

    fn report(&mut self, line: &[u8], context: &mut StepContext) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice(line) {
            Ok(Event::Metric(_)) if self.metrics == MOST_METRICS => {
                self.complain(context, &format!("the step has reported {MOST_METRICS} metrics already"));
            }
            Ok(Event::Metric(metric)) => {
                self.metrics += 1;
                // JSON cannot say NaN; a program that computes one writes null.
                let value = metric.value.filter(|value| value.is_finite());
                context.push_metric(Metric { value, ..metric });
            }
            Ok(Event::Progress(event)) => {
                let note = if event.unit.is_empty() { event.note } else { format!("{} {}", event.unit, event.note) };
                let note = note.trim_end().to_owned();
                context.progress(&Progress { done: event.done, total: event.total, unit: "", note });
            }
            Err(error) => self.complain(context, &format!("it is not understood: {error}")),
        }
    }

    /// Says once why a line is left out.
    fn complain(&mut self, context: &mut StepContext, why: &str) {
        if !std::mem::replace(&mut self.complained, true) {
            context.log(format!("a line in $PHASELINE_EVENTS is left out: {why}"));
        }
    }
}
