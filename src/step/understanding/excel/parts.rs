//! The directory of a zip file, which tells how large the parts of a workbook are before any is unpacked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// The end of a zip file: its last record without a comment, and the longest comment.
const END_BYTES: u64 = 22 + 65_535;
/// A directory beyond this is no workbook's.
const MOST_BYTES: u64 = 16 << 20;

/// The name and the unpacked size of each part; none if the file is no zip file.
pub(super) fn parts(file: &mut File) -> io::Result<Option<Vec<(String, u64)>>> {
    let length = file.seek(SeekFrom::End(0))?;
    let begin = length.saturating_sub(END_BYTES);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(begin))?;
    file.read_to_end(&mut end)?;
    let Some(at) = end.windows(4).rposition(|window| window == b"PK\x05\x06") else { return Ok(None) };
    let (Some(size), Some(offset)) = (number(&end, at + 12, 4), number(&end, at + 16, 4)) else { return Ok(None) };
    if size > MOST_BYTES {
        return Ok(None);
    }
    let mut directory = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(size).read_to_end(&mut directory)?;
    Ok(entries(&directory))
}

fn entries(directory: &[u8]) -> Option<Vec<(String, u64)>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while directory.get(at..at + 4) == Some(b"PK\x01\x02") {
        let lengths = [28, 30, 32].map(|field| number(directory, at + field, 2));
        let [Some(name), Some(extra), Some(comment)] = lengths.map(|it| it.and_then(|it| usize::try_from(it).ok()))
        else {
            return None;
        };
        // A part beyond 4 GiB has its size elsewhere; that it is so large is enough.
        let size = number(directory, at + 24, 4)?;
        let text = String::from_utf8_lossy(directory.get(at + 46..at + 46 + name)?).into_owned();
        found.push((text, size));
        at += 46 + name + extra + comment;
    }
    Some(found)
}

/// The number of `length` bytes at `at`, its lowest byte first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    Some(bytes.get(at..at + length)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
