//! What a running program prints: read from a pipe as it comes, so that the program never waits for us.

use std::fs::File;
use std::io::{self, PipeWriter, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};

use crate::step::StepContext;

/// How much is read at once: what a pipe holds.
const PIECE: usize = 64 * 1024;

/// How many pieces are taken before somebody looks after the program again.
const PIECES: usize = 64;

/// The reading end of what a program prints.
pub(super) struct ProgramOutput {
    /// None once everybody has closed the writing end.
    pipe: Option<File>,
    buffer: Vec<u8>,
}

impl ProgramOutput {
    /// A pipe: its reading end, and the end that a program gets as its standard output and error.
    pub(super) fn new() -> io::Result<(ProgramOutput, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        fcntl_setfl(&reader, OFlags::NONBLOCK)?;
        let pipe = File::from(OwnedFd::from(reader));
        Ok((ProgramOutput { pipe: Some(pipe), buffer: vec![0; PIECE] }, writer))
    }

    /// Waits for something to read, at most for `patience`.
    pub(super) fn wait(&self, patience: Duration) {
        let Some(pipe) = &self.pipe else { return std::thread::sleep(patience) };
        let timeout = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
        // An interrupted wait is a short one.
        poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&timeout)).ok();
    }

    /// Prints what there is, up to a bound, and says whether there was anything.
    pub(super) fn print(&mut self, context: &mut StepContext) -> bool {
        let mut has_read = false;
        for _ in 0..PIECES {
            let Some(pipe) = &mut self.pipe else { break };
            match pipe.read(&mut self.buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    context.print(&self.buffer[..count]);
                    has_read = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        has_read
    }
}
