//! What a running program tells: JSON lines appended to a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::step::{Metric, Progress, StepContext};

/// The longest line that is understood, so that a program cannot fill our memory.
const LONGEST_LINE: usize = 64 * 1024;

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
    rest: Vec<u8>,
    complained: bool,
}

impl EventFile {
    pub(super) fn create(path: PathBuf) -> io::Result<EventFile> {
        File::create(&path)?;
        Ok(EventFile { path, offset: 0, rest: Vec::new(), complained: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reports everything that was appended since the last call.
    pub(super) fn follow(&mut self, context: &mut StepContext) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut buffer = vec![0; LONGEST_LINE];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.offset += count as u64;
            self.rest.extend_from_slice(&buffer[..count]);
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                self.report(&line, context);
            }
            if self.rest.len() > LONGEST_LINE {
                self.rest.clear();
            }
        }
    }

    fn report(&mut self, line: &[u8], context: &mut StepContext) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice(line) {
            Ok(Event::Metric(metric)) => {
                // JSON cannot say NaN; a program that computes one writes null.
                let value = metric.value.filter(|value| value.is_finite());
                context.push_metric(Metric { value, ..metric });
            }
            Ok(Event::Progress(event)) => {
                let note = if event.unit.is_empty() { event.note } else { format!("{} {}", event.unit, event.note) };
                let note = note.trim_end().to_owned();
                context.progress(&Progress { done: event.done, total: event.total, unit: "", note });
            }
            Err(error) if !self.complained => {
                self.complained = true;
                context.log(format!("a line in $PHASELINE_EVENTS is not understood and left out: {error}"));
            }
            Err(_) => {}
        }
    }
}
