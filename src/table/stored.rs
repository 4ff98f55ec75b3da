//! Columns that go from one table into another as they are stored, without being read and written anew.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::Schema;
use parquet::arrow::ArrowSchemaConverter;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor, SchemaDescriptor};

use super::TableError;
use super::reader::{TableReader, broken, open};
use super::writer::{CREATED_BY, MANY_COLUMNS, ROW_GROUP_ROWS};

/// Stored columns of one table for another that has the same rows in the same order.
#[derive(Debug)]
pub struct Stored {
    file: File,
    metadata: ParquetMetaData,
    /// By name, in the table that they go into.
    columns: HashMap<String, StoredColumn>,
}

#[derive(Debug)]
struct StoredColumn {
    /// Its place in the file that it comes from.
    from: usize,
    /// What the file that it goes into says of it.
    descriptor: ColumnDescPtr,
}

impl TableReader {
    /// Those of the columns, each with its name in a table of `schema`, that such a table can take over as they are stored:
    /// with equal type and nullability, in row groups as [`super::TableWriter`] makes them.
    ///
    /// # Errors
    /// When the file can no longer be opened.
    pub fn stored(&self, schema: &Schema, columns: &[(&str, String)]) -> Result<Stored, TableError> {
        let file = open(self.path())?;
        let whole = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = whole.parse_and_finish(&file).map_err(|source| broken(self.path(), source))?;
        // A file has the places of the pages of all columns or of none. Wide tables are written in a way of their own.
        let is_wide = schema.fields().len() > MANY_COLUMNS;
        if is_wide || !has_our_groups(&metadata) || metadata.offset_index().is_none() {
            return Ok(Stored { file, metadata, columns: HashMap::new() });
        }
        let target = ArrowSchemaConverter::new().convert(schema).map_err(|source| broken(self.path(), source))?;
        let source = metadata.file_metadata().schema_descr_ptr();
        let (leaves, target_leaves) = (leaves(&source), leaves(&target));
        let mut taken = HashMap::new();
        for (from, to) in columns {
            let data_type =
                |schema: &Schema, name: &str| schema.field_with_name(name).map(|field| field.data_type().clone());
            let (Ok(one), Ok(other)) = (data_type(self.schema(), from), data_type(schema, to)) else { continue };
            let (Some(from), Some(place)) = (leaves.get(*from), target_leaves.get(to.as_str())) else { continue };
            let descriptor = target.column(*place);
            if one == other && is_same(&source.column(*from), &descriptor) {
                taken.insert(to.clone(), StoredColumn { from: *from, descriptor });
            }
        }
        Ok(Stored { file, metadata, columns: taken })
    }
}

/// The places of columns that have one leaf, by name.
fn leaves(schema: &SchemaDescriptor) -> HashMap<&str, usize> {
    let leaves = schema.columns().iter().enumerate();
    leaves
        .filter_map(|(place, leaf)| match leaf.path().parts() {
            [name] => Some((name.as_str(), place)),
            _ => None,
        })
        .collect()
}

/// Whether this program made the groups: others may have many small ones, or some that are too large.
fn has_our_groups(metadata: &ParquetMetaData) -> bool {
    let full = i64::try_from(ROW_GROUP_ROWS).unwrap_or(i64::MAX);
    let is_ours = |group: &RowGroupMetaData| (1..=full).contains(&group.num_rows());
    metadata.file_metadata().created_by() == Some(CREATED_BY) && metadata.row_groups().iter().all(is_ours)
}

/// Whether values are stored alike, whatever the names are.
fn is_same(one: &ColumnDescriptor, two: &ColumnDescriptor) -> bool {
    one.physical_type() == two.physical_type()
        && one.logical_type_ref() == two.logical_type_ref()
        && one.converted_type() == two.converted_type()
        && one.type_length() == two.type_length()
        && (one.max_def_level(), one.max_rep_level()) == (two.max_def_level(), two.max_rep_level())
}

impl Stored {
    /// Whether the column of this name, in the table that it goes into, is among them.
    pub fn has(&self, name: &str) -> bool {
        self.columns.contains_key(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.file_metadata().num_rows()).unwrap_or(0)
    }

    /// How many rows row group `group` has.
    pub(super) fn group_rows(&self, group: usize) -> Result<usize, ParquetError> {
        let rows = self.metadata.row_groups().get(group).map(RowGroupMetaData::num_rows);
        rows.and_then(|rows| usize::try_from(rows).ok()).ok_or_else(too_many)
    }

    /// Appends its part of row group `group` to `writer`, if it has the column `name`. Whether it has.
    pub(super) fn append(
        &self,
        group: usize,
        name: &str,
        writer: &mut SerializedRowGroupWriter<'_, File>,
    ) -> Result<bool, ParquetError> {
        let Some(column) = self.columns.get(name) else { return Ok(false) };
        let rows = self.metadata.row_groups().get(group).ok_or_else(too_many)?;
        let chunk = rows.column(column.from);
        writer.append_column(
            &self.file,
            ColumnCloseResult {
                bytes_written: u64::try_from(chunk.compressed_size()).unwrap_or(0),
                rows_written: u64::try_from(rows.num_rows()).unwrap_or(0),
                metadata: described(chunk, &column.descriptor)?,
                bloom_filter: None,
                column_index: self.metadata.column_index().map(|index| index[group][column.from].clone()),
                offset_index: self.metadata.offset_index().map(|index| index[group][column.from].clone()),
            },
        )?;
        Ok(true)
    }
}

fn too_many() -> ParquetError {
    ParquetError::General("there are more rows than in the stored columns".to_owned())
}

/// What is known of a chunk, under the description of the file that it goes into.
fn described(chunk: &ColumnChunkMetaData, descriptor: &ColumnDescPtr) -> Result<ColumnChunkMetaData, ParquetError> {
    let mut builder = ColumnChunkMetaData::builder(Arc::clone(descriptor))
        .set_compression_codec(chunk.compression_codec())
        .set_encodings_mask(*chunk.encodings_mask())
        .set_num_values(chunk.num_values())
        .set_total_compressed_size(chunk.compressed_size())
        .set_total_uncompressed_size(chunk.uncompressed_size())
        .set_data_page_offset(chunk.data_page_offset())
        .set_dictionary_page_offset(chunk.dictionary_page_offset())
        .set_unencoded_byte_array_data_bytes(chunk.unencoded_byte_array_data_bytes())
        .set_definition_level_histogram(chunk.definition_level_histogram().cloned())
        .set_repetition_level_histogram(chunk.repetition_level_histogram().cloned());
    if let Some(statistics) = chunk.statistics() {
        builder = builder.set_statistics(statistics.clone());
    }
    if let Some(stats) = chunk.page_encoding_stats() {
        builder = builder.set_page_encoding_stats(stats.clone());
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, SchemaRef};
    use arrow::record_batch::RecordBatch;

    use super::*;
    use crate::table::TableWriter;

    const ROWS: i64 = 300_000;

    fn source(folder: &Path) -> TableReader {
        let kind = (0..ROWS).map(|row| (row % 7 > 0).then(|| format!("kind {}", row % 5)));
        let columns: [(&str, ArrayRef, bool); 3] = [
            ("n", Arc::new((0..ROWS).collect::<Int64Array>()), true),
            ("kind", Arc::new(kind.collect::<StringArray>()), true),
            ("never_null", Arc::new((0..ROWS).map(|row| row as f64).collect::<Float64Array>()), false),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let path = folder.join("source");
        let mut writer = TableWriter::create(&path, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        TableReader::open(&path).unwrap()
    }

    fn target() -> SchemaRef {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        Schema::new(vec![
            field("raw.kind", DataType::Utf8),
            field("double", DataType::Float64),
            field("raw.n", DataType::Int64),
            field("raw.never_null", DataType::Float64),
        ])
        .into()
    }

    fn pairs() -> [(&'static str, String); 3] {
        ["n", "kind", "never_null"].map(|name| (name, format!("raw.{name}")))
    }

    /// Writes the columns that are not taken over, in batches of an odd size.
    fn written(path: PathBuf, source: &TableReader, rows: usize, threads: usize) -> Result<TableReader, TableError> {
        let stored = source.stored(&target(), &pairs())?;
        let names: Vec<usize> = (0..4).filter(|index| !stored.has(target().field(*index).name())).collect();
        let schema = Arc::new(target().project(&names).unwrap());
        let mut writer = TableWriter::create(&path, &target())?.with_threads(threads).taking(stored);
        for start in (0..rows).step_by(7001) {
            let values = (start..(start + 7001).min(rows)).map(|row| row as f64 * 2.0);
            let values: ArrayRef = Arc::new(values.collect::<Float64Array>());
            let columns = names.iter().map(|_| Arc::clone(&values)).collect();
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns).unwrap())?;
        }
        writer.close()?;
        TableReader::open(&path)
    }

    #[test]
    fn stored_columns_are_in_the_other_table_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(folder.path());
        let before = source.read_all().unwrap();
        let mut bytes = Vec::new();
        for threads in [1, 3] {
            let path = folder.path().join(format!("target{threads}"));
            let table = written(path.clone(), &source, 300_000, threads).unwrap();
            let after = table.read_all().unwrap();
            assert_eq!(after.column(0), before.column(1));
            assert_eq!(after.column(2), before.column(0));
            assert_eq!(table.row_groups(), 3);
            let picked = table.select_encoded(&["raw.kind"], &|_| true).unwrap().next().unwrap().unwrap();
            assert!(matches!(picked.column(0).data_type(), DataType::Dictionary(..)));
            bytes.push(std::fs::read(path).unwrap());
        }
        assert!(bytes[0] == bytes[1], "threads show in the bytes");
    }

    #[test]
    fn stored_columns_keep_row_groups_that_end_early() {
        let folder = tempfile::tempdir().unwrap();
        let text = "x".repeat(3 << 20);
        let columns: [(&str, ArrayRef, bool); 2] = [
            ("n", Arc::new((0..100).collect::<Int64Array>()), true),
            ("kind", Arc::new((0..100).map(|_| Some(text.as_str())).collect::<StringArray>()), true),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let path = folder.path().join("source");
        let mut writer = TableWriter::create(&path, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let source = TableReader::open(&path).unwrap();
        assert_eq!(source.row_groups(), 3);
        let table = written(folder.path().join("t"), &source, 100, 2).unwrap();
        assert_eq!((table.row_groups(), table.rows()), (3, 100));
        let read = table.read_all().unwrap();
        assert_eq!((read.column(0), read.column(2)), (batch.column(1), batch.column(0)));
        let doubled: ArrayRef = Arc::new((0..100).map(|row| f64::from(row) * 2.0).collect::<Float64Array>());
        assert_eq!(read.column(1), &doubled);
    }

    #[test]
    fn columns_of_another_type_or_nullability_are_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(folder.path());
        let stored = source.stored(&target(), &pairs()).unwrap();
        let has: Vec<bool> = pairs().iter().map(|(_, to)| stored.has(to)).collect();
        assert_eq!(has, [true, true, false]);
        let other = source
            .stored(&target(), &[("n", "double".into()), ("gone", "raw.n".into()), ("n", "gone".into())])
            .unwrap();
        assert!(!other.has("double") && !other.has("raw.n") && !other.has("gone"));
    }

    #[test]
    fn a_table_with_other_row_groups_gives_nothing() {
        use parquet::arrow::ArrowWriter;
        use parquet::file::properties::WriterProperties;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("foreign");
        let batch = source(folder.path()).read_all().unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1000)).build();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert!(!TableReader::open(&path).unwrap().stored(&target(), &pairs()).unwrap().has("raw.n"));
    }

    #[test]
    fn a_table_without_rows_and_a_wide_one_are_whole_too() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(folder.path());
        let mut fields: Vec<Field> =
            (0..MANY_COLUMNS).map(|n| Field::new(n.to_string(), DataType::Int64, true)).collect();
        fields.push(Field::new("raw.n", DataType::Int64, true));
        assert!(!source.stored(&Schema::new(fields), &pairs()).unwrap().has("raw.n"));
        let path = folder.path().join("empty");
        let writer = TableWriter::create(&path, source.schema()).unwrap();
        writer.close().unwrap();
        let empty = TableReader::open(&path).unwrap();
        assert_eq!(written(folder.path().join("t"), &empty, 0, 1).unwrap().rows(), 0);
    }

    #[test]
    fn a_table_with_other_rows_than_its_stored_columns_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(folder.path());
        for rows in [299_999, 100_000, 300_001] {
            assert!(written(folder.path().join("t"), &source, rows, 1).is_err(), "{rows}");
        }
    }
}
