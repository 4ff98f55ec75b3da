//! The directory of a zip file, which tells how large the parts of a workbook are before any is unpacked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// The end of a zip file: its last record without a comment, and the longest comment.
const END_BYTES: u64 = 22 + 65_535;
/// A number that does not fit 32 bits stands in another place, and this in its own.
const ELSEWHERE: u64 = 0xFFFF_FFFF;
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
    let (Some(mut size), Some(mut offset)) = (number(&end, at + 12, 4), number(&end, at + 16, 4)) else {
        return Ok(None);
    };
    if size == ELSEWHERE || offset == ELSEWHERE {
        // The record before the end says where the one with the large numbers is.
        let locator = at.checked_sub(20).filter(|at| end[*at..].starts_with(b"PK\x06\x07"));
        let Some(place) = locator.and_then(|at| number(&end, at + 8, 8)) else { return Ok(None) };
        let record = read_at(file, length, place, 56)?;
        match (number(&record, 40, 8), number(&record, 48, 8)) {
            (Some(wide_size), Some(wide_offset)) if record.starts_with(b"PK\x06\x06") => {
                (size, offset) = (wide_size, wide_offset);
            }
            _ => return Ok(None),
        }
    }
    if size > MOST_BYTES {
        return Ok(None);
    }
    Ok(entries(&read_at(file, length, offset, size)?))
}

/// `size` bytes at `offset`, or as many of them as the file has.
fn read_at(file: &mut File, length: u64, offset: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset.min(length)))?;
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn entries(directory: &[u8]) -> Option<Vec<(String, u64)>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while directory.get(at..at + 4) == Some(b"PK\x01\x02") {
        let lengths = [28, 30, 32].map(|field| number(directory, at + field, 2));
        let [Some(name), Some(extra), Some(comment)] = lengths.map(|it| it.and_then(|it| usize::try_from(it).ok()))
        else {
            return None;
        };
        let size = match number(directory, at + 24, 4)? {
            ELSEWHERE => wide_size(directory.get(at + 46 + name..at + 46 + name + extra)?)?,
            size => size,
        };
        let text = String::from_utf8_lossy(directory.get(at + 46..at + 46 + name)?).into_owned();
        found.push((text, size));
        at += 46 + name + extra + comment;
    }
    Some(found)
}

/// The size of a part beyond 4 GiB, which is the first of its extra numbers of 64 bits.
fn wide_size(mut extra: &[u8]) -> Option<u64> {
    loop {
        let (id, length) = (number(extra, 0, 2)?, usize::try_from(number(extra, 2, 2)?).ok()?);
        if id == 1 {
            return number(extra, 4, 8);
        }
        extra = extra.get(4 + length..)?;
    }
}

/// The number of `length` bytes at `at`, its lowest byte first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    Some(bytes.get(at..at + length)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn le(fields: &[(u64, usize)]) -> Vec<u8> {
        fields.iter().flat_map(|(value, length)| value.to_le_bytes()[..*length].to_vec()).collect()
    }

    /// A directory entry of `x`, whose unpacked size is `size`, or stands in the extra field if that is beyond 32 bits.
    fn entry(size: u64) -> Vec<u8> {
        let small = u32::try_from(size).map_or(0xFFFF_FFFF, u64::from);
        // Another extra field stands before the one with the size.
        let extra = if small == size {
            Vec::new()
        } else {
            [le(&[(7, 2), (2, 2), (0, 2), (1, 2), (8, 2)]), le(&[(size, 8)])].concat()
        };
        let length = extra.len() as u64;
        let head =
            le(&[(0x0201_4b50, 4), (0, 8), (0, 8), (9, 4), (small, 4), (1, 2), (length, 2), (0, 2), (0, 8), (0, 4)]);
        [head, b"x".to_vec(), extra].concat()
    }

    fn sizes(bytes: &[u8]) -> Option<Vec<u64>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        parts(&mut file).unwrap().map(|parts| parts.into_iter().map(|(_, size)| size).collect())
    }

    #[test]
    fn large_parts_have_their_size_elsewhere() {
        let directory = [entry(70), entry(5 << 30)].concat();
        let length = directory.len() as u64;
        let end = |size: u64, offset: u64| le(&[(0x0605_4b50, 4), (0, 8), (size, 4), (offset, 4), (0, 2)]);
        assert_eq!(sizes(&[directory.clone(), end(length, 0)].concat()), Some(vec![70, 5 << 30]));
        let wide = le(&[(0x0606_4b50, 4), (44, 8), (0, 8), (0, 4), (2, 8), (2, 8), (length, 8), (0, 8)]);
        let locator = le(&[(0x0706_4b50, 4), (0, 4), (length, 8), (1, 4)]);
        let huge = [directory.clone(), wide, locator, end(0xFFFF_FFFF, 0xFFFF_FFFF)].concat();
        assert_eq!(sizes(&huge), Some(vec![70, 5 << 30]));
        assert_eq!(sizes(&[directory, end(length, 0xFFFF_FFFF)].concat()), None);
    }
}
