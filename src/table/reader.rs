//! Reads tables, which are Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type;
use parquet::errors::ParquetError;

use super::TableError;
use super::ahead::Ahead;
use super::batches::Batches;

/// How many rows a batch holds when a table is read, at most: fewer where texts are long.
pub const BATCH_ROWS: usize = 16 * 1024;

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

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The Arrow schema, with the metadata that the writer gave.
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// What the file says about itself.
    #[cfg(test)]
    pub(super) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// How many nulls a column has, if the footer says so.
    pub fn known_nulls(&self, column: &str) -> Option<u64> {
        let (root, file) = (self.schema().index_of(column).ok()?, self.metadata.metadata());
        let leaves = file.file_metadata().schema_descr();
        let mut of_column = (0..leaves.num_columns()).filter(|leaf| leaves.get_column_root_idx(*leaf) == root);
        let (leaf, None) = (of_column.next()?, of_column.next()) else { return None };
        file.row_groups().iter().map(|group| group.column(leaf).statistics()?.null_count_opt()).sum()
    }

    /// What all rows of a column take in memory, as far as the footer tells: another program may not have written down how
    /// long its texts are.
    pub fn column_bytes(&self, column: &str) -> u64 {
        let Ok(root) = self.schema().index_of(column) else { return 0 };
        let file = self.metadata.metadata();
        let leaves = file.file_metadata().schema_descr();
        let texts = file.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
        let texts = texts.filter(|(leaf, chunk)| {
            leaves.get_column_root_idx(*leaf) == root && chunk.column_type() == Type::BYTE_ARRAY
        });
        let texts: i64 = texts
            .map(|(_, chunk)| chunk.unencoded_byte_array_data_bytes().unwrap_or_else(|| chunk.uncompressed_size()))
            .sum();
        let width = self.schema().field(root).data_type().primitive_width().unwrap_or(size_of::<i32>()) as u64;
        u64::try_from(texts).unwrap_or(0).saturating_add(self.rows().saturating_mul(width))
    }

    /// The number of row groups.
    #[cfg(test)]
    pub(super) fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// The names of the columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.schema().fields().iter().map(|field| field.name().as_str())
    }

    /// All rows of all columns, in batches of at most [`BATCH_ROWS`].
    pub fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
        self.read(self.metadata.clone(), None)
    }

    /// All rows of the named columns, in the order given, in batches of at most [`BATCH_ROWS`].
    ///
    /// # Errors
    /// [`TableError::NoColumn`] when the table lacks one.
    pub fn select(
        &self,
        columns: &[&str],
    ) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
        self.pick(columns, self.metadata.clone())
    }

    /// As [`TableReader::select`], but texts that are stored with a dictionary come with it where `is_encoded` says so of
    /// their column, so that each different text of a batch can be looked at once.
    pub fn select_encoded(
        &self,
        columns: &[&str],
        is_encoded: &dyn Fn(&str) -> bool,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
        self.pick(columns, self.encoded(is_encoded)?)
    }

    fn pick(
        &self,
        columns: &[&str],
        metadata: ArrowReaderMetadata,
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
        Ok(self.read(metadata, Some(&in_file_order))?.map(move |batch| Ok(batch?.project(&positions)?)))
    }

    /// Metadata by which the texts that `is_encoded` says so of come with their dictionary.
    fn encoded(&self, is_encoded: &dyn Fn(&str) -> bool) -> Result<ArrowReaderMetadata, TableError> {
        let file = self.metadata.metadata();
        let leaves = file.file_metadata().schema_descr();
        let mut fields: Vec<FieldRef> = self.schema().fields().iter().cloned().collect();
        let mut is_plain = true;
        for leaf in 0..leaves.num_columns() {
            let field = &mut fields[leaves.get_column_root_idx(leaf)];
            let has_dictionary =
                || file.row_groups().iter().all(|group| group.column(leaf).dictionary_page_offset().is_some());
            if *field.data_type() == DataType::Utf8 && is_encoded(field.name()) && has_dictionary() {
                let encoded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                *field = Arc::new(field.as_ref().clone().with_data_type(encoded));
                is_plain = false;
            }
        }
        if is_plain {
            return Ok(self.metadata.clone());
        }
        let schema = Schema::new_with_metadata(fields, self.schema().metadata().clone());
        let options = ArrowReaderOptions::new().with_schema(schema.into());
        ArrowReaderMetadata::try_new(Arc::clone(file), options).map_err(|source| broken(&self.path, source))
    }

    /// The whole table as one batch, for tables that are known to be small.
    pub fn read_all(&self) -> Result<RecordBatch, TableError> {
        let batches: Vec<RecordBatch> = self.batches()?.collect::<Result<_, _>>()?;
        Ok(arrow::compute::concat_batches(self.schema(), &batches)?)
    }

    fn read(
        &self,
        metadata: ArrowReaderMetadata,
        columns: Option<&[usize]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
        let leaves = metadata.metadata().file_metadata().schema_descr();
        let mask = match columns {
            Some(columns) => ProjectionMask::roots(leaves, columns.iter().copied()),
            None => ProjectionMask::all(),
        };
        let reader = Batches::open(self.path.clone(), metadata, mask)?;
        let (here, ahead) = if self.reads_ahead { (None, Some(Ahead::of(reader))) } else { (Some(reader), None) };
        Ok(here.into_iter().flatten().chain(ahead.into_iter().flatten()).map(|batch| Ok(batch?)))
    }
}

pub(super) fn open(path: &Path) -> Result<File, TableError> {
    File::open(path).map_err(|source| TableError::Open { path: path.to_owned(), source })
}

pub(super) fn broken(path: &Path, source: ParquetError) -> TableError {
    TableError::Parquet { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Field;

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
        assert_eq!(["a", "b", "c"].map(|column| table.known_nulls(column)), [Some(1), Some(0), None]);
        assert_eq!(["a", "b", "c"].map(|column| table.column_bytes(column)), [16, 10, 0]);
    }

    #[test]
    fn texts_come_with_their_dictionary_where_they_are_stored_with_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let few: StringArray = (0..5000).map(|row| (row % 11 > 0).then(|| format!("text {}", row % 7))).collect();
        let many = StringArray::from_iter_values((0..5000).map(|row| format!("text {row}")));
        let numbers: Int64Array = (0..5000).collect();
        let columns: [(&str, arrow::array::ArrayRef); 3] =
            [("few", Arc::new(few)), ("many", Arc::new(many)), ("n", Arc::new(numbers))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = TableWriter::create(&path, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let table = TableReader::open(&path).unwrap();
        let read = |name: &'static str, wanted: bool| {
            let mut batches = table.select_encoded(&["n", name], &|_| wanted).unwrap();
            batches.next().unwrap().unwrap().column(1).clone()
        };
        assert!(matches!(read("few", true).data_type(), DataType::Dictionary(..)));
        assert_eq!(*read("few", false).data_type(), DataType::Utf8);
        assert_eq!(*read("many", true).data_type(), DataType::Utf8);
        assert_eq!(&crate::table::cast(&read("few", true), &DataType::Utf8), batch.column(0));
    }
}
