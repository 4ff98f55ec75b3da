//! Runs the reading of CSV files: a sample, a pass that builds batches, and where the sample misled, a survey of all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;

use super::bad_row::RecordError;
use super::column::{self, Plan};
use super::reader::RecordReader;
use super::records::Records;
use super::{ColumnType, Compression, Dialect, Encoding, Layout, Shape, is_damage};
use crate::step::StepError;
use crate::step::understanding::source::{BadRow, SourceFile};
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
    /// Whether rows that are broken, or do not fit a declared type, are set aside instead of ending the pass.
    pub sets_aside: bool,
}

/// A batch with the number of bytes read so far.
pub struct Table<'csv> {
    /// The rows.
    pub batch: RecordBatch,
    /// The file that they come from.
    pub file: &'csv str,
    /// What was set aside between them, in the order of the file.
    pub bad: Vec<BadRow>,
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

struct Chunk<'csv, 'pass> {
    file: &'csv str,
    records: &'pass Records,
    order: &'pass [usize],
    bytes: u64,
}

impl Csv {
    /// How many bytes all files have, as stored.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The layout that the first rows of the first file suggest.
    pub fn sniff(&self) -> Result<Layout, StepError> {
        let first = &self.files[0];
        let mut reader = self.open(first, &Arc::default())?;
        let mut records = Records::default();
        let refused = |error| refused(first, error);
        reader.read(&mut records, 1, usize::MAX).map_err(refused)?;
        if self.sets_aside {
            reader.set_aside();
        }
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
    pub fn stream(
        &self,
        layout: &Layout,
        take: &mut dyn FnMut(Table<'_>) -> Result<(), StepError>,
    ) -> Result<(), Halt> {
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        std::thread::scope(|scope| {
            let parser = scope.spawn(move || {
                let schema = layout.schema();
                self.pass(layout, &mut |chunk| {
                    let (batch, bad) = self.build(layout, &schema, &chunk)?;
                    // A closed channel means that the taker failed, which it reports itself.
                    sender
                        .send(Table { batch, file: chunk.file, bad, bytes: chunk.bytes })
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

    /// The rows of a chunk, and what is set aside.
    fn build(
        &self,
        layout: &Layout,
        schema: &arrow::datatypes::SchemaRef,
        chunk: &Chunk<'_, '_>,
    ) -> Result<(RecordBatch, Vec<BadRow>), Halt> {
        let mut arrays = Vec::with_capacity(layout.width());
        let mut misfits = BTreeMap::new();
        for index in 0..layout.width() {
            let (field, plan) = (chunk.order[index], layout.plan(index));
            let no_such = |row: usize, wanted: ColumnType| {
                let value = shown(chunk.records.text(row, field));
                format!("holds `{value}` in column `{}`, which is no {wanted}", layout.name(index))
            };
            let mut rows = Vec::new();
            let aside = (self.sets_aside && matches!(plan, Plan::Declared(_))).then_some(&mut rows);
            let array = column::build(chunk.records, field, plan, &self.dialect, aside).map_err(|misfit| {
                let value = shown(chunk.records.text(misfit.row, field));
                let place = format!("line {} of `{}`", chunk.records.line(misfit.row), chunk.file);
                match plan {
                    Plan::Declared(wanted) => Halt::Failed(
                        StepError::input("csv_value", format!("{place} {}", no_such(misfit.row, wanted))).help(
                            "add the text to `null_values` if it means missing, give the column another type in `types`, \
                             or set rows like it aside with `bad_rows: quarantine`",
                        ),
                    ),
                    Plan::Guessed(_) => Halt::Surprised(format!(
                        "column `{}` looked like {}, but {place} holds `{value}`",
                        layout.name(index),
                        plan.column_type(),
                    )),
                }
            })?;
            for row in rows {
                misfits.entry(row).or_insert_with(|| no_such(row, plan.column_type()));
            }
            arrays.push(array);
        }
        let batch = RecordBatch::try_new(Arc::clone(schema), arrays).map_err(no_batch)?;
        if misfits.is_empty() {
            return Ok((batch, chunk.records.bad.clone()));
        }
        let fits: BooleanArray = (0..chunk.records.len()).map(|row| Some(!misfits.contains_key(&row))).collect();
        let mut bad = chunk.records.bad.clone();
        bad.extend(misfits.into_iter().map(|(row, message)| self.misfit(chunk.records, row, message)));
        bad.sort_by_key(|row| row.line);
        Ok((filter_record_batch(&batch, &fits).map_err(no_batch)?, bad))
    }

    /// A row with a value that its column does not take.
    fn misfit(&self, records: &Records, row: usize, message: String) -> BadRow {
        let line = records.line(row);
        let text = records.joined(row, self.dialect.delimiter);
        BadRow { line, code: "csv_value", message: format!("line {line} {message}"), text }
    }

    fn classify(&self, layout: &mut Layout, records: &Records, order: Option<&[usize]>) {
        for index in 0..layout.width() {
            let field = order.map_or(index, |order| order[index]);
            if let Some(class) = layout.guessed(index) {
                *class = column::classify(records, field, *class, &self.dialect);
            }
        }
    }

    fn pass<'csv>(
        &'csv self,
        layout: &Layout,
        visit: &mut dyn FnMut(Chunk<'csv, '_>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
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
            if self.sets_aside {
                reader.set_aside();
            }
            loop {
                reader.read(&mut records, rows, BATCH_BYTES).map_err(|error| refused(file, error))?;
                if records.is_end() {
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

fn no_batch(error: arrow::error::ArrowError) -> Halt {
    Halt::Failed(StepError::bug("CSV columns do not make a batch").caused_by(error))
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
    let (code, message) = (error.code(), format!("`{}`: {error}", file.name));
    match error {
        RecordError::Io(source) => {
            if is_damage(&source) {
                StepError::input("csv_compression", format!("`{}` cannot be decompressed", file.name))
                    .caused_by(source)
                    .help("the file is cut off or damaged, or `compression` names the wrong method")
            } else {
                StepError::environment(code, message).caused_by(source)
            }
        }
        RecordError::Ragged { .. } => StepError::input(code, message)
            .help("repair the line; a text that contains the delimiter must be quoted, and `delimiter` must be right"),
        RecordError::OpenQuote { .. } => {
            StepError::input(code, message).help("close the quote, or set `quote: null` if quotes are plain text")
        }
        RecordError::TooLong { .. } => StepError::input(code, message)
            .help("a quote may never be closed there; or `quote` and `delimiter` are not right"),
        RecordError::AfterQuote { .. } => StepError::input(code, message)
            .help("double a quote inside a quoted text, set `trim: true` if spaces follow it, or `quote: null`"),
        RecordError::NotUtf8 { line: 1, field: 1, byte: 0xff | 0xfe } => {
            StepError::input(code, message).help("the file looks like UTF-16; convert it to UTF-8")
        }
        RecordError::NotUtf8 { .. } => StepError::input(code, message)
            .help("set `encoding: latin1` or `encoding: windows-1252`, or convert the file to UTF-8"),
        RecordError::Nul { .. } => {
            StepError::input(code, message).help("the file is binary or UTF-16; convert it to UTF-8 text")
        }
    }
}
