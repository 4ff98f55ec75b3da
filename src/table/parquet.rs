//! Tables as Parquet files: fixed writer settings, so that equal rows give equal bytes.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::TableError;

/// How many rows a batch holds when a table is read.
pub const BATCH_ROWS: usize = 16 * 1024;

/// Rows per row group: small enough that a wide group fits in memory, large enough to compress well.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// A Parquet table that can be read any number of times, all columns or some.
#[derive(Debug, Clone)]
pub struct TableReader {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

impl TableReader {
    /// Opens a Parquet file and reads its footer.
    pub fn open(path: &Path) -> Result<TableReader, TableError> {
        let file = open(path)?;
        let metadata =
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|source| broken(path, source))?;
        Ok(TableReader { path: path.to_owned(), metadata })
    }

    /// The Arrow schema, with the metadata that the writer gave.
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// The names of the columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.schema().fields().iter().map(|field| field.name().as_str())
    }

    /// All rows of all columns, in batches of [`BATCH_ROWS`].
    pub fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
        self.read(None)
    }

    /// All rows of the named columns, in the order given, in batches of [`BATCH_ROWS`].
    ///
    /// # Errors
    /// [`TableError::NoColumn`] when the table lacks one.
    pub fn select(
        &self,
        columns: &[&str],
    ) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
        let indexes: Vec<usize> = columns
            .iter()
            .map(|column| {
                self.schema().index_of(column).map_err(|_| TableError::NoColumn {
                    column: (*column).to_owned(),
                    available: self.columns().map(str::to_owned).collect(),
                })
            })
            .collect::<Result<_, _>>()?;
        // Parquet gives the columns in file order; put them into the order asked for.
        let mut in_file_order = indexes.clone();
        in_file_order.sort_unstable();
        in_file_order.dedup();
        let positions: Vec<usize> = indexes
            .iter()
            .map(|index| in_file_order.binary_search(index).expect("every index is in its own sorted list"))
            .collect();
        Ok(self.read(Some(&in_file_order))?.map(move |batch| Ok(batch?.project(&positions)?)))
    }

    /// The whole table as one batch, for tables that are known to be small.
    pub fn read_all(&self) -> Result<RecordBatch, TableError> {
        let batches: Vec<RecordBatch> = self.batches()?.collect::<Result<_, _>>()?;
        Ok(arrow::compute::concat_batches(self.schema(), &batches)?)
    }

    fn read(
        &self,
        columns: Option<&[usize]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(open(&self.path)?, self.metadata.clone());
        if let Some(columns) = columns {
            let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|source| broken(&self.path, source))?;
        Ok(reader.map(|batch| Ok(batch?)))
    }
}

/// Writes a table batch by batch.
pub struct TableWriter {
    path: PathBuf,
    writer: ArrowWriter<File>,
    rows: u64,
}

impl TableWriter {
    /// Creates the file at `path`; schema metadata is kept.
    pub fn create(path: &Path, schema: &SchemaRef) -> Result<TableWriter, TableError> {
        let file = File::create(path).map_err(|source| TableError::Open { path: path.to_owned(), source })?;
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level of zstd")))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            // The default names the library's version, which would change every digest at an upgrade.
            .set_created_by("phaseline".to_owned())
            .build();
        let schema = sorted_metadata(schema);
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|source| broken(path, source))?;
        Ok(TableWriter { path: path.to_owned(), writer, rows: 0 })
    }

    /// Appends a batch whose columns match the schema; its metadata does not matter.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(|source| broken(&self.path, source))
    }

    /// Writes the footer and says how many rows there are.
    pub fn close(self) -> Result<u64, TableError> {
        self.writer.close().map_err(|source| broken(&self.path, source))?;
        Ok(self.rows)
    }
}

fn open(path: &Path) -> Result<File, TableError> {
    File::open(path).map_err(|source| TableError::Open { path: path.to_owned(), source })
}

fn broken(path: &Path, source: ParquetError) -> TableError {
    TableError::Parquet { path: path.to_owned(), source }
}

/// The same schema; metadata is a hash map whose order would otherwise reach the file's bytes.
fn sorted_metadata(schema: &SchemaRef) -> SchemaRef {
    // Arrow's IPC encoder, which Parquet uses to embed the schema, sorts metadata keys itself.
    Schema::new_with_metadata(schema.fields().clone(), schema.metadata().clone()).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;

    fn sample() -> RecordBatch {
        let metadata: HashMap<String, String> = (0..8).map(|key| (format!("key{key}"), "value".to_owned())).collect();
        let field = |name: &str, data_type| Field::new(name, data_type, true).with_metadata(metadata.clone());
        let schema = Schema::new(vec![field("a", DataType::Int64), field("b", DataType::Utf8)]);
        RecordBatch::try_new(
            schema.with_metadata(metadata.clone()).into(),
            vec![Arc::new(Int64Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec!["x", "y"]))],
        )
        .unwrap()
    }

    fn write(path: &Path, batch: &RecordBatch) {
        let mut writer = TableWriter::create(path, &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        assert_eq!(writer.close().unwrap(), batch.num_rows() as u64);
    }

    #[test]
    fn a_table_reads_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        write(&path, &sample());
        let table = TableReader::open(&path).unwrap();
        assert_eq!(table.rows(), 2);
        assert_eq!(table.read_all().unwrap(), sample());
        let selected = table.select(&["b", "a"]).unwrap().next().unwrap().unwrap();
        assert_eq!(selected.schema().field(0).name(), "b");
        assert!(matches!(table.select(&["c"]).err(), Some(TableError::NoColumn { .. })));
    }

    #[test]
    fn equal_rows_give_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("one"), folder.path().join("two")];
        // Every hash map has a seed of its own, so equal metadata comes in different orders.
        for path in &paths {
            write(path, &sample());
        }
        assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
    }
}
