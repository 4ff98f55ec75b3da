//! Writes tables as Parquet: fixed settings, so that equal rows give equal bytes, whatever the batches in which they come and
//! however many threads encode them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::encoders::Encoders;
use super::keys::{KeySet, Keys, presence};
use super::pieces::{Pieces, fitting, weight};
use super::reader::broken;
use super::stored::Stored;
use super::{TableError, canonical};

/// Rows per row group: small enough that a wide group fits in memory, large enough to compress well.
pub(super) const ROW_GROUP_ROWS: usize = 128 * 1024;
/// A row group with more bytes ends, however few rows it has: one is held in memory until it is written.
const ROW_GROUP_BYTES: u64 = 128 << 20;
/// What a row group has room for in each column, however many there are: every number of a full one.
const COLUMN_BYTES: u64 = 2 << 20;
/// What the file says of who wrote it. The default names the library's version, which would change every digest at an upgrade.
pub(super) const CREATED_BY: &str = "phaseline";
/// The first rows, which decide how a column is written.
const SAMPLE_ROWS: usize = 8 * 1024;
/// Rows that hold more than this are enough, however few they are.
const SAMPLE_BYTES: u64 = 64 << 20;
/// Tables with more columns are wide: what is needed for each column is kept small, since all are open at once.
pub(super) const MANY_COLUMNS: usize = 1000;
/// A sample with fewer values does not say that a column has many.
const FEW_VALUES: usize = 1024;

/// Writes a table batch by batch.
pub struct TableWriter {
    path: PathBuf,
    schema: SchemaRef,
    threads: usize,
    /// Columns that are taken over from another table; batches lack them.
    stored: Option<Stored>,
    pieces: Pieces,
    state: State,
    rows: u64,
}

enum State {
    /// Rows are gathered until there are enough to say how columns are written.
    Sampling {
        batches: Vec<RecordBatch>,
        rows: usize,
        bytes: u64,
        file: File,
    },
    Writing(Box<Writing>),
    /// Something failed before.
    Broken,
}

struct Writing {
    file: SerializedFileWriter<File>,
    factory: ArrowRowGroupWriterFactory,
    encoders: Encoders,
    stored: Option<Stored>,
    groups: usize,
    /// Rows of the group that is being written, and what they hold.
    group_rows: usize,
    group_bytes: u64,
}

impl TableWriter {
    /// Creates the file at `path`; schema metadata is kept.
    pub fn create(path: &Path, schema: &SchemaRef) -> Result<TableWriter, TableError> {
        let file = File::create(path).map_err(|source| TableError::Open { path: path.to_owned(), source })?;
        let state = State::Sampling { batches: Vec::new(), rows: 0, bytes: 0, file };
        let (schema, pieces) = (Arc::clone(schema), Pieces::default());
        Ok(TableWriter { path: path.to_owned(), schema, threads: 1, stored: None, pieces, state, rows: 0 })
    }

    /// The same writer, which encodes columns on so many threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> TableWriter {
        TableWriter { threads, ..self }
    }

    /// The same writer, whose table gets these columns too. Batches are written without them, and there must be as many
    /// rows.
    #[must_use]
    pub fn taking(self, stored: Stored) -> TableWriter {
        TableWriter { stored: (!stored.is_empty()).then_some(stored), ..self }
    }

    /// Appends a batch whose columns match the schema, but for those taken over; its metadata does not matter.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        self.rows += batch.num_rows() as u64;
        let pieces = self.pieces.push(batch)?;
        pieces.iter().try_for_each(|piece| self.write_piece(piece))
    }

    fn write_piece(&mut self, piece: &RecordBatch) -> Result<(), TableError> {
        match &mut self.state {
            State::Sampling { batches, rows, bytes, .. } => {
                batches.push(piece.clone());
                *rows += piece.num_rows();
                *bytes += weight(piece, 0, piece.num_rows());
                if *rows < SAMPLE_ROWS && *bytes < SAMPLE_BYTES {
                    return Ok(());
                }
                self.begin()
            }
            State::Writing(writing) => writing.write(piece),
            State::Broken => Err(failed()),
        }
        .map_err(|source| broken(&self.path, source))
    }

    /// Writes the footer and says how many rows there are.
    pub fn close(mut self) -> Result<u64, TableError> {
        if let Some(rest) = self.pieces.rest()? {
            self.write_piece(&rest)?;
        }
        if matches!(self.state, State::Sampling { .. }) {
            self.begin().map_err(|source| broken(&self.path, source))?;
        }
        let State::Writing(writing) = self.state else {
            return Err(broken(&self.path, failed()));
        };
        writing.close(self.rows).map_err(|source| broken(&self.path, source))?;
        Ok(self.rows)
    }

    /// Writes the rows that were gathered.
    fn begin(&mut self) -> Result<(), ParquetError> {
        let State::Sampling { batches, file, .. } = std::mem::replace(&mut self.state, State::Broken) else {
            return Ok(());
        };
        let stored = self.stored.take();
        let is_own = |name: &String| stored.as_ref().is_none_or(|stored| !stored.has(name));
        let fields = self.schema.fields();
        let own: Vec<usize> = (0..fields.len()).filter(|index| is_own(fields[*index].name())).collect();
        let properties = properties(&self.schema, &own, &batches);
        let (file, factory) =
            ArrowWriter::try_new(file, SchemaRef::clone(&self.schema), Some(properties))?.into_serialized_writer()?;
        let encoders = Encoders::new(&self.schema, &own, file.schema_descr(), self.threads);
        let mut writing = Writing { file, factory, encoders, stored, groups: 0, group_rows: 0, group_bytes: 0 };
        batches.iter().try_for_each(|batch| writing.write(batch))?;
        self.state = State::Writing(Box::new(writing));
        Ok(())
    }
}

impl Writing {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let mut from = 0;
        while from < batch.num_rows() {
            if self.group_rows == 0 {
                self.encoders.begin(self.factory.create_column_writers(self.groups)?)?;
            }
            let full = self.full_rows()?;
            let most = (batch.num_rows() - from).min(full - self.group_rows);
            let rows = self.fitting(batch, from, most);
            self.encoders.write(&batch.slice(from, rows))?;
            self.group_rows += rows;
            self.group_bytes += weight(batch, from, from + rows);
            from += rows;
            if self.group_rows == full || rows < most {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// How many rows the group has at most. Beside stored columns, those that are stored in theirs.
    fn full_rows(&self) -> Result<usize, ParquetError> {
        self.stored.as_ref().map_or(Ok(ROW_GROUP_ROWS), |stored| stored.group_rows(self.groups))
    }

    /// How many of the next `most` rows belong into the group.
    fn fitting(&self, batch: &RecordBatch, from: usize, most: usize) -> usize {
        if self.stored.is_some() {
            return most;
        }
        let limit = ROW_GROUP_BYTES.max(batch.num_columns() as u64 * COLUMN_BYTES);
        let rows = fitting(batch, from, most, limit.saturating_sub(self.group_bytes));
        if self.group_rows == 0 { rows.max(1) } else { rows }
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        (self.group_rows, self.group_bytes) = (0, 0);
        self.groups += 1;
        let ended = self.encoders.end()?;
        self.append(ended)
    }

    fn append(
        &mut self,
        group: Option<Vec<parquet::arrow::arrow_writer::ArrowColumnChunk>>,
    ) -> Result<(), ParquetError> {
        let Some(chunks) = group else { return Ok(()) };
        let mut chunks = chunks.into_iter();
        let (group, leaves) = (self.file.flushed_row_groups().len(), self.file.schema_descr().columns().to_vec());
        let mut writer = self.file.next_row_group()?;
        for leaf in leaves {
            let is_taken = match (&self.stored, leaf.path().parts()) {
                (Some(stored), [name]) => stored.append(group, name, &mut writer)?,
                _ => false,
            };
            if !is_taken {
                chunks.next().ok_or_else(failed)?.append_to_row_group(&mut writer)?;
            }
        }
        writer.close()?;
        Ok(())
    }

    fn close(mut self, rows: u64) -> Result<(), ParquetError> {
        if let Some(stored) = self.stored.as_ref().filter(|stored| stored.rows() != rows) {
            let message = format!("{rows} rows were written beside stored columns of {}", stored.rows());
            return Err(ParquetError::General(message));
        }
        if self.group_rows > 0 {
            self.end_group()?;
        }
        let last = self.encoders.last()?;
        self.append(last)?;
        self.file.close()?;
        Ok(())
    }
}

fn failed() -> ParquetError {
    ParquetError::General("an earlier write failed".to_owned())
}

/// How columns are written. A dictionary of a column in which most values differ costs much and saves nothing.
fn properties(schema: &Schema, own: &[usize], batches: &[RecordBatch]) -> WriterProperties {
    let is_wide = schema.fields().len() > MANY_COLUMNS;
    // From its first value on a dictionary takes 70 kB, zstd more, to write and to read, and packed differences a megabyte.
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level of zstd"));
    let compression = if is_wide { Compression::SNAPPY } else { zstd };
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(compression)
        .set_dictionary_enabled(!is_wide)
        .set_created_by(CREATED_BY.to_owned());
    if is_wide {
        return properties.set_encoding(Encoding::PLAIN).build();
    }
    for (index, field) in own.iter().map(|place| schema.field(*place)).enumerate() {
        let columns = batches.iter().filter_map(|batch| batch.columns().get(index));
        if has_many_values(columns) {
            let path = || ColumnPath::new(vec![field.name().clone()]);
            properties = properties.set_column_dictionary_enabled(path(), false);
            if matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
                properties = properties.set_column_encoding(path(), Encoding::DELTA_LENGTH_BYTE_ARRAY);
            }
        }
    }
    properties.build()
}

/// Whether most values of the first rows differ from one another.
fn has_many_values<'batch>(columns: impl Iterator<Item = &'batch ArrayRef>) -> bool {
    let (mut rows, mut values, mut seen) = (0, 0, KeySet::default());
    for column in columns {
        let Some(array) = canonical(&column.slice(0, column.len().min(SAMPLE_ROWS - rows))) else { return false };
        rows += array.len();
        let keys = Keys::of(&array);
        let is_there = presence(&array);
        for row in (0..array.len()).filter(|row| is_there(*row)) {
            values += 1;
            seen.insert(keys.at(row));
        }
    }
    values >= FEW_VALUES && seen.len() > values / 2
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::{Float64Array, Int64Array, ListArray, StringArray};
    use arrow::datatypes::{Field, Int64Type};
    use parquet::file::metadata::RowGroupMetaData;

    use super::*;
    use crate::table::{BATCH_ROWS, TableReader};

    fn write(path: &Path, batches: &[RecordBatch], threads: usize) -> Vec<u8> {
        let mut writer = TableWriter::create(path, &batches[0].schema()).unwrap().with_threads(threads);
        for batch in batches {
            writer.write(batch).unwrap();
        }
        assert_eq!(writer.close().unwrap(), batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
        std::fs::read(path).unwrap()
    }

    #[test]
    fn equal_rows_give_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let sample = || {
            // Every hash map has a seed of its own, so equal metadata comes in different orders.
            let metadata: HashMap<String, String> =
                (0..8).map(|key| (format!("key{key}"), "value".to_owned())).collect();
            let field = Field::new("a", DataType::Int64, true).with_metadata(metadata.clone());
            let schema = Schema::new(vec![field]).with_metadata(metadata);
            RecordBatch::try_new(schema.into(), vec![Arc::new(Int64Array::from(vec![Some(1), None]))]).unwrap()
        };
        let [one, two] = ["one", "two"].map(|name| write(&folder.path().join(name), &[sample()], 1));
        assert_eq!(one, two);
    }

    fn batch(first: i64, rows: i64) -> RecordBatch {
        let rows = first..first + rows;
        let columns: [(&str, ArrayRef); 5] = [
            ("id", Arc::new(rows.clone().collect::<Int64Array>())),
            ("name", Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("customer {row}"))))),
            (
                "kind",
                Arc::new(
                    rows.clone().map(|row| (row % 9 > 0).then(|| format!("{}", row % 9))).collect::<StringArray>(),
                ),
            ),
            ("x", Arc::new(rows.clone().map(|row| (row as f64).sqrt()).collect::<Float64Array>())),
            (
                "list",
                Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(
                    rows.map(|row| Some(vec![Some(row), None])),
                )),
            ),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn a_table_reads_back_as_written_and_threads_do_not_show_in_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let batches: Vec<RecordBatch> = (0..20).map(|index| batch(index * 15_000, 15_000)).collect();
        let alone = write(&path, &batches, 1);
        for threads in [2, 3, 16] {
            assert!(alone == write(&path, &batches, threads), "{threads} threads write other bytes");
        }
        let table = TableReader::open(&path).unwrap();
        assert_eq!((table.rows(), table.row_groups()), (300_000, 3));
        assert!(table.read_all().unwrap() == batch(0, 300_000));
        assert!(write(&path, &[batch(0, 300_000)], 2).len() > 1000);
    }

    #[test]
    fn equal_rows_give_equal_bytes_whatever_the_batches_in_which_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let all = batch(0, 150_000);
        let whole = write(&path, std::slice::from_ref(&all), 1);
        for rows in [1, 7, 1000, 8192, BATCH_ROWS] {
            let parts = (0..all.num_rows()).step_by(rows);
            let parts: Vec<RecordBatch> = parts.map(|from| all.slice(from, rows.min(all.num_rows() - from))).collect();
            assert!(write(&path, &parts, 2) == whole, "batches of {rows} rows give other bytes");
        }
    }

    #[test]
    fn a_row_group_ends_where_its_rows_are_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        // A row has 1 MiB, and the length of its text.
        let text = "x".repeat((1 << 20) - 4);
        let rows = |count: usize| {
            let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..count).map(|_| &text)));
            RecordBatch::try_from_iter([("t", texts)]).unwrap()
        };
        let bytes = write(&path, &[rows(100), rows(60), rows(0), rows(1)], 1);
        assert!(write(&path, &vec![rows(1); 161], 2) == bytes);
        let table = TableReader::open(&path).unwrap();
        let groups = table.metadata().metadata().row_groups().iter().map(RowGroupMetaData::num_rows);
        let groups: Vec<i64> = groups.collect();
        assert_eq!(groups, [128, 33]);
        assert_eq!(table.read_all().unwrap(), rows(161));
    }

    #[test]
    fn only_columns_whose_values_repeat_get_a_dictionary() {
        assert!(!has_many_values([batch(0, 1000).column(0)].into_iter()), "too few rows to say");
        let all = batch(0, 20_000);
        let many: Vec<bool> = all.columns().iter().map(|column| has_many_values([column].into_iter())).collect();
        assert_eq!(many, [true, true, false, true, false]);
        let halves = (batch(0, 5000), batch(5000, 15_000));
        assert!(has_many_values([halves.0.column(0), halves.1.column(0)].into_iter()));
    }

    #[test]
    fn a_table_without_rows_or_columns_is_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        write(&path, &[batch(0, 0)], 2);
        assert_eq!(TableReader::open(&path).unwrap().rows(), 0);
    }

    #[test]
    fn a_wide_table_needs_little_for_each_column() {
        let properties = |columns: usize| {
            let fields: Vec<Field> =
                (0..columns).map(|column| Field::new(column.to_string(), DataType::Int64, true)).collect();
            properties(&Schema::new(fields), &[], &[])
        };
        let column = ColumnPath::from("0");
        let [narrow, wide] = [MANY_COLUMNS, MANY_COLUMNS + 1].map(properties);
        assert!(narrow.dictionary_enabled(&column) && !wide.dictionary_enabled(&column));
        assert_eq!((narrow.encoding(&column), wide.encoding(&column)), (None, Some(Encoding::PLAIN)));
        assert_eq!(wide.compression(&column), Compression::SNAPPY);
    }

    #[test]
    fn a_full_disk_is_told_and_ends_the_writing() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let schema = batch(0, 0).schema();
        let mut writer = TableWriter::create(Path::new("/dev/full"), &schema).unwrap().with_threads(2);
        let ended = (0..100).try_for_each(|index| writer.write(&batch(index * 15_000, 15_000)));
        let error = ended.and_then(|()| writer.close().map(|_| ())).unwrap_err();
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}
