//! What an Arrow file holds, from the heads of its messages, whatever the bytes say.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::{
    Block, DictionaryBatch, Endianness, Message, MessageHeader, RecordBatch, Schema, root_as_footer, root_as_message,
};

/// How a file in the file format begins and ends; a stream has no such mark.
const MARK: &[u8] = b"ARROW1";
/// What stands before the length of a message.
const CONTINUATION: [u8; 4] = [0xFF; 4];
/// No method of compression makes more than so many bytes of one.
const MOST_OF_ONE: u64 = 1 << 16;

/// In which format a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// With a directory of its batches at the end.
    File,
    /// One message after the other.
    Stream,
}

/// What a file holds.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    pub(super) format: Format,
    pub(super) schema: SchemaRef,
    pub(super) rows: u64,
    /// The memory that its two largest batches take, with all dictionaries: while one is read, rows of the one before may still wait
    /// to be written.
    pub(super) bytes: u64,
    /// Whether a stream says where it ends.
    pub(super) has_end: bool,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(super) enum Flaw {
    /// The system cannot read it.
    Io(io::Error),
    /// It is no Arrow file; what to do about it.
    Other(&'static str),
    /// It is damaged, in words.
    Damaged(String),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Flaw {
        if error.kind() == io::ErrorKind::UnexpectedEof { cut() } else { Flaw::Io(error) }
    }
}

/// Walks over `file`.
pub(super) fn survey(file: &mut File) -> Result<Survey, Flaw> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut begin = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    Read::by_ref(file).take(8).read_to_end(&mut begin)?;
    let walk = Walk { file, length, rows: 0, largest: [0; 2], dictionaries: 0 };
    if begin.starts_with(MARK) {
        walk.blocks()
    } else if begin.starts_with(b"FEA1") {
        Err(Flaw::Other("it is Feather of version 1; write it again as version 2, which is the default today"))
    } else if begin.starts_with(b"PAR1") {
        Err(Flaw::Other("it is Parquet; read it with `ingest.parquet`"))
    } else {
        walk.stream(begin.starts_with(&CONTINUATION))
    }
}

struct Walk<'file> {
    file: &'file mut File,
    length: u64,
    rows: u64,
    /// What the two largest batches take.
    largest: [u64; 2],
    dictionaries: u64,
}

impl Walk<'_> {
    /// The file format: its end names every batch.
    fn blocks(mut self) -> Result<Survey, Flaw> {
        let end = self.length.checked_sub(10).ok_or_else(cut)?;
        let tail = self.bytes(end, 10)?;
        if tail[4..] != *MARK {
            return Err(cut());
        }
        let size = i32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
        let size = u64::try_from(size).ok().filter(|size| *size <= end).ok_or_else(|| broken("its end"))?;
        let bytes = self.bytes(end - size, size)?;
        let footer = root_as_footer(&bytes).map_err(|_| broken("its end"))?;
        let schema = schema_of(footer.schema())?;
        for block in footer.dictionaries().into_iter().flatten().chain(footer.recordBatches().into_iter().flatten()) {
            self.block(block)?;
        }
        Ok(self.done(Format::File, schema, true))
    }

    fn block(&mut self, block: &Block) -> Result<(), Flaw> {
        let place = |number: i64| u64::try_from(number).map_err(|_| broken("a batch"));
        let (start, head, body) =
            (place(block.offset())?, place(block.metaDataLength().into())?, place(block.bodyLength())?);
        let inside = start.checked_add(head).and_then(|end| end.checked_add(body));
        if inside.is_none_or(|end| end > self.length) || head < 8 {
            return Err(broken("a batch"));
        }
        let bytes = self.bytes(start, head)?;
        let behind = if bytes.starts_with(&CONTINUATION) { 8 } else { 4 };
        let message = root_as_message(&bytes[behind..]).map_err(|_| broken("a batch"))?;
        self.message(&message, start + head, body)
    }

    /// The stream format: one message after the other.
    fn stream(mut self, is_marked: bool) -> Result<Survey, Flaw> {
        let mut at = 0;
        let mut schema = None;
        let has_end = loop {
            let Some((size, start)) = self.size_of_message(at)? else { break false };
            if size == 0 {
                at = start;
                break true;
            }
            // Without the mark at its beginning, any file could be a stream of long ago.
            let is_known = is_marked || schema.is_some();
            let no_stream = || if is_known { broken("a message") } else { no_arrow() };
            let body = start
                .checked_add(size)
                .filter(|end| *end <= self.length)
                .ok_or_else(|| if is_known { cut() } else { no_arrow() })?;
            let bytes = self.bytes(start, size)?;
            let message = root_as_message(&bytes).map_err(|_| no_stream())?;
            let length = u64::try_from(message.bodyLength()).map_err(|_| no_stream())?;
            at = body.checked_add(length).filter(|end| *end <= self.length).ok_or_else(cut)?;
            if message.header_type() == MessageHeader::Schema && schema.is_none() {
                schema = Some(schema_of(message.header_as_schema())?);
            } else if schema.is_none() {
                return Err(no_stream());
            } else {
                self.message(&message, body, length)?;
            }
        };
        if at < self.length {
            return Err(Flaw::Damaged("something follows its end, which may be a second stream".to_owned()));
        }
        let schema = schema.ok_or_else(|| if is_marked { cut() } else { no_arrow() })?;
        Ok(self.done(Format::Stream, schema, has_end))
    }

    /// The size of the message at `at` and where it begins; none at the end of the file.
    fn size_of_message(&mut self, at: u64) -> Result<Option<(u64, u64)>, Flaw> {
        if at == self.length {
            return Ok(None);
        }
        let (mut word, mut start) = (self.word(at)?, at + 4);
        if word == CONTINUATION {
            (word, start) = (self.word(start)?, start + 4);
        }
        match u64::try_from(i32::from_le_bytes(word)) {
            Ok(size) => Ok(Some((size, start))),
            Err(_) if at == 0 => Err(no_arrow()),
            Err(_) => Err(broken("a message")),
        }
    }

    /// Counts what a message of rows or of a dictionary takes, whose `length` bytes are at `start`.
    fn message(&mut self, message: &Message<'_>, start: u64, length: u64) -> Result<(), Flaw> {
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(|| broken("a batch"))?;
                self.rows += u64::try_from(batch.length()).map_err(|_| broken("a batch"))?;
                let bytes = self.unpacked(&batch, start, length)?;
                let [first, second] = self.largest;
                self.largest = [first.max(bytes), second.max(first.min(bytes))];
                Ok(())
            }
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch();
                let batch =
                    dictionary.as_ref().and_then(DictionaryBatch::data).ok_or_else(|| broken("a dictionary"))?;
                self.dictionaries = self.dictionaries.saturating_add(self.unpacked(&batch, start, length)?);
                Ok(())
            }
            _ => Err(broken("a message")),
        }
    }

    /// The memory that a batch takes while it is read: its bytes, and what they are unpacked to.
    fn unpacked(&mut self, batch: &RecordBatch<'_>, start: u64, length: u64) -> Result<u64, Flaw> {
        let mut bytes = length;
        for buffer in batch.buffers().into_iter().flatten() {
            let place = |number: i64| u64::try_from(number).map_err(|_| broken("a batch"));
            let (offset, size) = (place(buffer.offset())?, place(buffer.length())?);
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(broken("a batch"));
            }
            if batch.compression().is_none() || size == 0 {
                continue;
            }
            let head = self.bytes(start + offset, 8.min(size))?;
            let head = <[u8; 8]>::try_from(head.as_slice()).map_err(|_| broken("a batch"))?;
            // What did not become smaller stands there as it is, and says -1.
            bytes = match u64::try_from(i64::from_le_bytes(head)) {
                Ok(whole) if whole <= size.saturating_mul(MOST_OF_ONE) => bytes.saturating_add(whole),
                Err(_) if head == [0xFF; 8] => bytes,
                _ => return Err(broken("a batch")),
            };
        }
        Ok(bytes)
    }

    fn word(&mut self, at: u64) -> Result<[u8; 4], Flaw> {
        let mut word = [0; 4];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut word)?;
        Ok(word)
    }

    /// So many bytes, which the file has.
    fn bytes(&mut self, at: u64, size: u64) -> Result<Vec<u8>, Flaw> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(at))?;
        let read = Read::by_ref(self.file).take(size).read_to_end(&mut bytes)?;
        if (read as u64) < size { Err(cut()) } else { Ok(bytes) }
    }

    fn done(self, format: Format, schema: SchemaRef, has_end: bool) -> Survey {
        let [first, second] = self.largest;
        let bytes = first.saturating_add(second).saturating_add(self.dictionaries);
        Survey { format, schema, rows: self.rows, bytes, has_end }
    }
}

fn schema_of(schema: Option<Schema<'_>>) -> Result<SchemaRef, Flaw> {
    let schema = schema.ok_or_else(|| broken("its schema"))?;
    if schema.endianness() != Endianness::Little {
        return Err(Flaw::Damaged(
            "its numbers have their highest byte first, which no reader of ours takes".to_owned(),
        ));
    }
    Ok(Arc::new(fb_to_schema(schema)))
}

fn cut() -> Flaw {
    Flaw::Damaged("it is cut off".to_owned())
}

fn broken(what: &str) -> Flaw {
    Flaw::Damaged(format!("{what} makes no sense"))
}

fn no_arrow() -> Flaw {
    Flaw::Other("its bytes are no Arrow file, whatever its name says")
}
