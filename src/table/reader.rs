//! Reads tables, which are Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::TableError;

/// How many rows a batch holds when a table is read.
pub const BATCH_ROWS: usize = 16 * 1024;

/// Batches that are read before somebody takes them.
const BATCHES_AHEAD: usize = 2;

/// A Parquet table that can be read any number of times, all columns or some.
#[derive(Debug, Clone)]
pub struct TableReader {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    reads_ahead: bool,
}

impl TableReader {
    /// Opens a Parquet file and reads its footer.
    pub fn open(path: &Path) -> Result<TableReader, TableError> {
        let file = open(path)?;
        let metadata =
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|source| broken(path, source))?;
        Ok(TableReader { path: path.to_owned(), metadata, reads_ahead: false })
    }

    /// The same table, whose batches are read and decoded on a thread of their own, ahead of whoever takes them.
    #[must_use]
    pub fn reading_ahead(self) -> TableReader {
        TableReader { reads_ahead: true, ..self }
    }

    /// The Arrow schema, with the metadata that the writer gave.
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// The number of row groups.
    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
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
        let mut here = Some(reader);
        let mut ahead = None;
        if self.reads_ahead {
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            let reader = here.take().into_iter().flatten();
            // Whoever takes no more batches closes the channel.
            thread::spawn(move || reader.map(|batch| sender.send(batch)).all(|sent| sent.is_ok()));
            ahead = Some(receiver);
        }
        Ok(here.into_iter().flatten().chain(ahead.into_iter().flatten()).map(|batch| Ok(batch?)))
    }
}

fn open(path: &Path) -> Result<File, TableError> {
    File::open(path).map_err(|source| TableError::Open { path: path.to_owned(), source })
}

pub(super) fn broken(path: &Path, source: ParquetError) -> TableError {
    TableError::Parquet { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::table::TableWriter;

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

    #[test]
    fn a_table_reads_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let mut writer = TableWriter::create(&path, &sample().schema()).unwrap();
        writer.write(&sample()).unwrap();
        writer.close().unwrap();
        let table = TableReader::open(&path).unwrap();
        assert_eq!(table.rows(), 2);
        assert_eq!(table.read_all().unwrap(), sample());
        let selected = table.select(&["b", "a"]).unwrap().next().unwrap().unwrap();
        assert_eq!(selected.schema().field(0).name(), "b");
        assert_eq!(table.clone().reading_ahead().read_all().unwrap(), sample());
        drop(table.clone().reading_ahead().batches().unwrap());
        assert!(matches!(table.select(&["c"]).err(), Some(TableError::NoColumn { .. })));
    }
}
