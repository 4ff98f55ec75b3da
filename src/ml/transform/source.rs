//! Where a fit reads its rows from, as often as it needs to.

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::TransformError;
use crate::table::{BATCH_ROWS, TableReader};

/// Rows that can be read any number of times, some columns at a time.
pub trait FitSource {
    /// The schema of all columns.
    fn schema(&self) -> SchemaRef;
    /// How many rows there are.
    fn rows(&self) -> u64;
    /// How many nulls a column has, if that is known without reading it.
    fn known_nulls(&self, column: &str) -> Option<u64>;
    /// Shows `visit` all rows of `columns`, in order, batch by batch.
    fn scan(
        &self,
        columns: &[&str],
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), TransformError>,
    ) -> Result<(), TransformError>;
    /// As [`FitSource::scan`], but texts may come with their dictionary where `is_encoded` says so of their column.
    fn scan_encoded(
        &self,
        columns: &[&str],
        is_encoded: &dyn Fn(&str) -> bool,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), TransformError>,
    ) -> Result<(), TransformError>;
}

impl FitSource for TableReader {
    fn schema(&self) -> SchemaRef {
        TableReader::schema(self).clone()
    }

    fn rows(&self) -> u64 {
        TableReader::rows(self)
    }

    fn known_nulls(&self, column: &str) -> Option<u64> {
        TableReader::known_nulls(self, column)
    }

    fn scan(
        &self,
        columns: &[&str],
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), TransformError>,
    ) -> Result<(), TransformError> {
        self.select(columns)?.try_for_each(|batch| visit(&batch?))
    }

    fn scan_encoded(
        &self,
        columns: &[&str],
        is_encoded: &dyn Fn(&str) -> bool,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), TransformError>,
    ) -> Result<(), TransformError> {
        self.select_encoded(columns, is_encoded)?.try_for_each(|batch| visit(&batch?))
    }
}

impl FitSource for RecordBatch {
    fn schema(&self) -> SchemaRef {
        RecordBatch::schema(self)
    }

    fn rows(&self) -> u64 {
        self.num_rows() as u64
    }

    fn known_nulls(&self, column: &str) -> Option<u64> {
        self.column_by_name(column).map(|array| array.logical_null_count() as u64)
    }

    fn scan(
        &self,
        columns: &[&str],
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), TransformError>,
    ) -> Result<(), TransformError> {
        let indexes: Vec<usize> =
            columns.iter().map(|column| self.schema_ref().index_of(column)).collect::<Result<_, _>>()?;
        let selected = self.project(&indexes)?;
        (0..self.num_rows())
            .step_by(BATCH_ROWS)
            .try_for_each(|start| visit(&selected.slice(start, BATCH_ROWS.min(self.num_rows() - start))))
    }

    fn scan_encoded(
        &self,
        columns: &[&str],
        _: &dyn Fn(&str) -> bool,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), TransformError>,
    ) -> Result<(), TransformError> {
        self.scan(columns, visit)
    }
}
