//! The batches of a table: so many rows at a time, and fewer where their texts are long, since the texts of a column must end
//! before 2 GiB.

use std::path::PathBuf;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Type;
use parquet::file::metadata::ParquetMetaData;

use super::TableError;
use super::reader::{BATCH_ROWS, broken, open};

/// What the texts of a column take in a batch, if they are about equally long: as much as is written at once.
const COLUMN_BYTES: u64 = 16 << 20;
/// From here on the texts of a column may be too long for one batch, however many rows it has.
const RISKY_BYTES: u64 = 1 << 30;

/// The rows of some columns of a Parquet file, batch by batch.
pub(super) struct Batches {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    reader: ParquetRecordBatchReader,
    /// Rows of the next batch, and those that were given.
    rows: usize,
    done: usize,
    is_risky: bool,
}

impl Batches {
    pub(super) fn open(
        path: PathBuf,
        metadata: ArrowReaderMetadata,
        mask: ProjectionMask,
    ) -> Result<Batches, TableError> {
        let (rows, is_risky) = batch_rows(metadata.metadata(), &mask);
        let reader = reader(&path, &metadata, &mask, (0, rows))?;
        Ok(Batches { path, metadata, mask, reader, rows, done: 0, is_risky })
    }

    /// Goes on with fewer rows at a time behind those that were given.
    fn shrink(&mut self) -> Result<(), ArrowError> {
        self.rows = self.rows.div_ceil(8);
        let reader = reader(&self.path, &self.metadata, &self.mask, (self.done, self.rows));
        self.reader = reader.map_err(|error| ArrowError::from_external_error(Box::new(error)))?;
        Ok(())
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Result<RecordBatch, ArrowError>> {
        loop {
            match self.reader.next()? {
                Ok(batch) => {
                    self.done += batch.num_rows();
                    return Some(Ok(batch));
                }
                // Long texts may stand side by side, whatever they are on average.
                Err(_) if self.is_risky && self.rows > 1 => {
                    if let Err(error) = self.shrink() {
                        return Some(Err(error));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn reader(
    path: &std::path::Path,
    metadata: &ArrowReaderMetadata,
    mask: &ProjectionMask,
    (done, rows): (usize, usize),
) -> Result<ParquetRecordBatchReader, TableError> {
    ParquetRecordBatchReaderBuilder::new_with_metadata(open(path)?, metadata.clone())
        .with_projection(mask.clone())
        .with_offset(done)
        .with_batch_size(rows)
        .build()
        .map_err(|source| broken(path, source))
}

/// How many rows a batch has, and whether even so the texts of a column may be too long for it.
fn batch_rows(file: &ParquetMetaData, mask: &ProjectionMask) -> (usize, bool) {
    let (mut rows, mut is_risky) = (BATCH_ROWS as u64, false);
    for group in file.row_groups() {
        let group_rows = u64::try_from(group.num_rows()).unwrap_or_default().max(1);
        let read = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        for (_, column) in read.filter(|(_, column)| column.column_type() == Type::BYTE_ARRAY) {
            // Another program may not have written down how long its texts are, and repeated ones are stored once.
            let known = column.unencoded_byte_array_data_bytes();
            let bytes = u64::try_from(known.unwrap_or_else(|| column.uncompressed_size())).unwrap_or_default();
            is_risky |= known.is_none() || bytes > RISKY_BYTES;
            if bytes > COLUMN_BYTES {
                rows = rows.min((COLUMN_BYTES / (bytes / group_rows).max(1)).max(1));
            }
        }
    }
    (usize::try_from(rows).unwrap_or(BATCH_ROWS), is_risky)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::table::{TableReader, TableWriter};

    #[test]
    fn long_texts_come_a_few_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let text = "x".repeat(1 << 20);
        let columns: [(&str, ArrayRef); 2] = [
            ("n", Arc::new(Int64Array::from_iter_values(0..100))),
            ("t", Arc::new(StringArray::from_iter_values((0..100).map(|_| &text)))),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = TableWriter::create(&path, &rows.schema()).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        let table = TableReader::open(&path).unwrap();
        let sizes = |columns: &[&str]| -> Vec<usize> {
            table.select(columns).unwrap().map(|batch| batch.unwrap().num_rows()).collect()
        };
        assert_eq!((sizes(&["t", "n"]), sizes(&["n"])), (vec![16, 16, 16, 16, 16, 16, 4], vec![100]));

        // Where a batch fails, what is left comes in smaller ones.
        let metadata = table.metadata().clone();
        let mask = ProjectionMask::roots(metadata.metadata().file_metadata().schema_descr(), [0]);
        let mut batches = Batches::open(path, metadata, mask).unwrap();
        batches.rows = 64;
        let (mut numbers, mut sizes) = (Vec::new(), Vec::new());
        while numbers.len() < 100 {
            batches.shrink().unwrap();
            let batch = batches.next().unwrap().unwrap();
            sizes.push(batch.num_rows());
            numbers.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
        }
        assert_eq!(sizes[..3], [8, 1, 1]);
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert!(batches.next().is_none());
    }
}
