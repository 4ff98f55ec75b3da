//! Runs the reading of CSV files: a sample, a pass that builds batches, and where the sample misled, a survey of all.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use arrow::record_batch::RecordBatch;

use super::column::{self, Plan};
use super::records::{RecordError, RecordReader, Records};
use super::{Compression, Dialect, Encoding, Layout, Shape};
use crate::step::StepError;
use crate::step::understanding::source::SourceFile;
use crate::table::BATCH_ROWS;

/// Fields per batch, so that wide tables get shorter batches.
const BATCH_FIELDS: usize = 2 * 1024 * 1024;
/// Text per batch, so that long texts get shorter batches.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Batches between the thread that parses and the one that writes: enough that neither waits for a hiccup of the other.
const BATCHES_AHEAD: usize = 4;
/// Characters of a value shown in a message.
const SHOWN_CHARACTERS: usize = 60;

/// CSV files that are read as one table.
pub struct Csv {
    /// The files, in order; never empty.
    pub files: Vec<SourceFile>,
    /// Their punctuation.
    pub dialect: Dialect,
    /// Their character set.
    pub encoding: Encoding,
    /// Their compression.
    pub compression: Compression,
    /// What is known of names and types.
    pub shape: Shape,
}

/// A batch with the number of bytes read so far.
pub struct Table {
    /// The rows.
    pub batch: RecordBatch,
    /// Bytes of the files, as stored, that were read so far.
    pub bytes: u64,
}

/// Why a pass over the files ended early.
pub enum Halt {
    /// It failed.
    Failed(StepError),
    /// A value does not fit the guessed type of its column; says which one, for the log.
    Surprised(String),
}

impl From<StepError> for Halt {
    fn from(error: StepError) -> Halt {
        Halt::Failed(error)
    }
}

struct Chunk<'pass> {
    file: &'pass str,
    records: &'pass Records,
    order: &'pass [usize],
    bytes: u64,
}

impl Csv {
    /// The layout that the first rows of the first file suggest.
    pub fn sniff(&self) -> Result<Layout, StepError> {
        let first = &self.files[0];
        let mut reader = self.open(first, &Arc::default())?;
        let mut records = Records::default();
        let refused = |error| refused(first, error);
        reader.read(&mut records, 1, usize::MAX).map_err(refused)?;
        if records.is_empty() {
            return Err(empty(first));
        }
        let mut layout = Layout::begin(&self.shape, &first.name, &records)?;
        if !self.shape.has_header {
            self.classify(&mut layout, &records, None);
        }
        reader.read(&mut records, self.shape.sample_rows, 4 * BATCH_BYTES).map_err(refused)?;
        if !records.is_empty() {
            self.classify(&mut layout, &records, None);
        }
        Ok(layout)
    }

    /// The layout that all rows of all files allow. `look` is told the bytes read so far and can stop the pass.
    pub fn survey(
        &self,
        mut layout: Layout,
        look: &mut dyn FnMut(u64) -> Result<(), StepError>,
    ) -> Result<Layout, StepError> {
        let names = layout.clone();
        let ended = self.pass(&names, &mut |chunk| {
            self.classify(&mut layout, chunk.records, Some(chunk.order));
            Ok(look(chunk.bytes)?)
        });
        match ended {
            Ok(()) => Ok(layout),
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::Surprised(_)) => Err(StepError::bug("a survey takes every value")),
        }
    }

    /// Gives all rows to `take`, in order. Parsing runs on a thread of its own, a few batches ahead.
    pub fn stream(&self, layout: &Layout, take: &mut dyn FnMut(Table) -> Result<(), StepError>) -> Result<(), Halt> {
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        std::thread::scope(|scope| {
            let parser = scope.spawn(move || {
                let schema = layout.schema();
                self.pass(layout, &mut |chunk| {
                    let batch = self.build(layout, &schema, &chunk)?;
                    // A closed channel means that the taker failed, which it reports itself.
                    sender
                        .send(Table { batch, bytes: chunk.bytes })
                        .map_err(|_| Halt::Failed(StepError::bug("nobody takes the batches")))
                })
            });
            while let Ok(table) = receiver.recv() {
                // The receiver is dropped on the way out, which stops the parser at its next batch.
                if let Err(error) = take(table) {
                    drop(receiver);
                    return Err(Halt::Failed(error));
                }
            }
            parser.join().unwrap_or_else(|_| Err(Halt::Failed(StepError::bug("the CSV parser panicked"))))
        })
    }

    fn build(
        &self,
        layout: &Layout,
        schema: &arrow::datatypes::SchemaRef,
        chunk: &Chunk<'_>,
    ) -> Result<RecordBatch, Halt> {
        let mut arrays = Vec::with_capacity(layout.width());
        for index in 0..layout.width() {
            let (field, plan) = (chunk.order[index], layout.plan(index));
            let array = column::build(chunk.records, field, plan, &self.dialect).map_err(|misfit| {
                let value = shown(chunk.records.text(misfit.row, field));
                let place = format!("line {} of `{}`", chunk.records.line(misfit.row), chunk.file);
                match plan {
                    Plan::Declared(wanted) => Halt::Failed(
                        StepError::input(
                            "csv_value",
                            format!("{place} holds `{value}` in column `{}`, which is no {wanted}", layout.name(index)),
                        )
                        .help("add the text to `null_values` if it means missing, or give the column another type in `types`"),
                    ),
                    Plan::Guessed(_) => Halt::Surprised(format!(
                        "column `{}` looked like {}, but {place} holds `{value}`",
                        layout.name(index),
                        plan.column_type(),
                    )),
                }
            })?;
            arrays.push(array);
        }
        RecordBatch::try_new(Arc::clone(schema), arrays)
            .map_err(|error| Halt::Failed(StepError::bug("CSV columns do not make a batch").caused_by(error)))
    }

    fn classify(&self, layout: &mut Layout, records: &Records, order: Option<&[usize]>) {
        for index in 0..layout.width() {
            let field = order.map_or(index, |order| order[index]);
            if let Some(class) = layout.guessed(index) {
                *class = column::classify(records, field, *class, &self.dialect);
            }
        }
    }

    fn pass(&self, layout: &Layout, visit: &mut dyn FnMut(Chunk<'_>) -> Result<(), Halt>) -> Result<(), Halt> {
        let read = Arc::new(AtomicU64::new(0));
        let rows = (BATCH_FIELDS / layout.width().max(1)).clamp(256, BATCH_ROWS);
        let mut records = Records::default();
        for file in &self.files {
            let mut reader = self.open(file, &read)?;
            let mut order: Vec<usize> = (0..layout.width()).collect();
            if self.shape.has_header {
                reader.read(&mut records, 1, usize::MAX).map_err(|error| refused(file, error))?;
                if records.is_empty() {
                    return Err(empty(file).into());
                }
                if self.shape.names.is_empty() {
                    order = layout.match_header(&file.name, &self.files[0].name, &records)?;
                }
            }
            loop {
                reader.read(&mut records, rows, BATCH_BYTES).map_err(|error| refused(file, error))?;
                if records.is_empty() {
                    break;
                }
                if records.width() != layout.width() {
                    return Err(Halt::Failed(StepError::input(
                        "csv_columns",
                        format!(
                            "`{}` has {} columns where {} are expected",
                            file.name,
                            records.width(),
                            layout.width()
                        ),
                    )));
                }
                let bytes = read.load(Ordering::Relaxed);
                visit(Chunk { file: &file.name, records: &records, order: &order, bytes })?;
            }
        }
        Ok(())
    }

    fn open(&self, file: &SourceFile, count: &Arc<AtomicU64>) -> Result<RecordReader<Box<dyn Read + Send>>, StepError> {
        let raw = Counted { file: file.open()?, count: Arc::clone(count) };
        let bytes = self.compression.open(&file.name, raw).map_err(|error| refused(file, error.into()))?;
        RecordReader::new(self.encoding.decode(bytes), self.dialect.clone()).map_err(|error| refused(file, error))
    }
}

struct Counted {
    file: File,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn empty(file: &SourceFile) -> StepError {
    StepError::input("csv_empty", format!("`{}` is empty: it has neither a header nor rows", file.name))
        .help("check that whatever wrote it ended well")
}

fn refused(file: &SourceFile, error: RecordError) -> StepError {
    let message = format!("`{}`: {error}", file.name);
    match error {
        RecordError::Io(source) => {
            // Decompressors report damaged data as these; a disk reports anything else.
            let is_damaged = matches!(
                source.kind(),
                std::io::ErrorKind::InvalidData
                    | std::io::ErrorKind::InvalidInput
                    | std::io::ErrorKind::UnexpectedEof
                    | std::io::ErrorKind::Other
            );
            if is_damaged {
                StepError::input("csv_compression", format!("`{}` cannot be decompressed", file.name))
                    .caused_by(source)
                    .help("the file is cut off or damaged, or `compression` names the wrong method")
            } else {
                StepError::environment("io", message).caused_by(source)
            }
        }
        RecordError::Ragged { .. } => StepError::input("csv_ragged", message)
            .help("repair the line; a text that contains the delimiter must be quoted, and `delimiter` must be right"),
        RecordError::OpenQuote { .. } => StepError::input("csv_quote", message)
            .help("close the quote, or set `quote: null` if quotes are plain text"),
        RecordError::AfterQuote { .. } => StepError::input("csv_quote", message)
            .help("double a quote inside a quoted text, set `trim: true` if spaces follow it, or `quote: null`"),
        RecordError::NotUtf8 { line: 1, field: 1, byte: 0xff | 0xfe } => {
            StepError::input("csv_encoding", message).help("the file looks like UTF-16; convert it to UTF-8")
        }
        RecordError::NotUtf8 { .. } => StepError::input("csv_encoding", message)
            .help("set `encoding: latin1` or `encoding: windows-1252`, or convert the file to UTF-8"),
        RecordError::Nul { .. } => {
            StepError::input("csv_nul", message).help("the file is binary or UTF-16; convert it to UTF-8 text")
        }
    }
}
