//! Rows of a table in memory, batch by batch as they are read: texts of a column may be longer together than one array holds.

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::step::{StepContext, StepError};
use crate::table::TableReader;

/// Some columns of all rows.
pub(super) struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// The first row of each batch.
    starts: Vec<usize>,
    len: usize,
}

impl Rows {
    /// Without rows.
    pub(super) fn new(schema: SchemaRef) -> Rows {
        Rows { schema, batches: Vec::new(), starts: Vec::new(), len: 0 }
    }

    /// All rows and columns of a table.
    pub(super) fn of(table: &TableReader, context: &StepContext) -> Result<Rows, StepError> {
        let mut rows = Rows::new(table.schema().clone());
        for batch in table.batches()? {
            context.check_cancelled()?;
            rows.push(batch?);
        }
        Ok(rows)
    }

    /// The next rows.
    pub(super) fn push(&mut self, batch: RecordBatch) {
        self.starts.push(self.len);
        self.len += batch.num_rows();
        self.batches.push(batch);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What the columns are.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batches.
    pub(super) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The batch of a row, and its place there.
    pub(super) fn find(&self, row: usize) -> (usize, usize) {
        let batch = self.starts.partition_point(|start| *start <= row) - 1;
        (batch, row - self.starts[batch])
    }

    /// The values of a column in some rows; null for no row.
    pub(super) fn take(
        &self,
        column: usize,
        rows: impl IntoIterator<Item = Option<usize>>,
    ) -> Result<ArrayRef, StepError> {
        let nothing = new_null_array(self.schema.field(column).data_type(), 1);
        let parts = self.batches.iter().map(|batch| batch.column(column).as_ref());
        let parts: Vec<&dyn Array> = parts.chain([nothing.as_ref()]).collect();
        let place = |row: Option<usize>| row.map_or((self.batches.len(), 0), |row| self.find(row));
        let places: Vec<(usize, usize)> = rows.into_iter().map(place).collect();
        Ok(interleave(&parts, &places)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{batch, ints, texts};

    #[test]
    fn rows_are_found_in_whatever_batch_they_are() {
        let all =
            batch(&[("n", ints(0..10)), ("t", texts((0..10).map(|row| if row % 3 == 0 { None } else { Some("x") })))]);
        let mut rows = Rows::new(all.schema());
        for (start, length) in [(0, 3), (3, 1), (4, 0), (4, 6)] {
            rows.push(all.slice(start, length));
        }
        assert_eq!(rows.len(), 10);
        let wanted = [Some(9), None, Some(0), Some(3), Some(4), Some(3)];
        assert_eq!(
            rows.take(0, wanted).unwrap().as_ref(),
            ints([Some(9), None, Some(0), Some(3), Some(4), Some(3)]).as_ref()
        );
        let expected = texts([None, None, None, None, Some("x"), None]);
        assert_eq!(rows.take(1, wanted).unwrap().as_ref(), expected.as_ref());
    }
}
