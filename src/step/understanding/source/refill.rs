//! The buffer of a reader that cuts bytes into records: what was used of it goes, and more comes in.

use std::io::{self, Read};

/// How many bytes are asked of the file at once.
pub const BLOCK_BYTES: usize = 512 * 1024;
/// A longer record is none: a quote or a bracket was never closed.
pub const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refill {
    /// More bytes.
    More,
    /// The last ones.
    Ended,
    /// Nothing: what waits in the buffer is too long for one record.
    TooLong,
}

/// Drops the first `used` bytes of `buffer` and reads more behind the others.
///
/// # Errors
/// The source cannot be read.
pub fn refill(source: &mut impl Read, buffer: &mut Vec<u8>, used: usize) -> io::Result<Refill> {
    buffer.drain(..used);
    if buffer.len() > MAX_RECORD_BYTES {
        return Ok(Refill::TooLong);
    }
    // A record that outgrows the buffer doubles it, so that looking at it again stays cheap.
    let wanted = BLOCK_BYTES.max(buffer.len());
    let read = source.take(wanted as u64).read_to_end(buffer)?;
    Ok(if read < wanted { Refill::Ended } else { Refill::More })
}
