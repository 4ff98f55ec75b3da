//! Rows in pieces of one size, whatever the batches in which they come, so that equal rows are encoded alike.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::reader::BATCH_ROWS;

/// A piece with more is cut, however few rows it has.
const PIECE_BYTES: u64 = 16 << 20;
/// Numbers of a column that a piece has room for, however many columns there are.
const PIECE_NUMBERS: u64 = 1024;
/// What a number takes.
const NUMBER_BYTES: u64 = 8;

/// Rows that wait until they are a piece: [`BATCH_ROWS`] of them, or fewer where they are long.
#[derive(Default)]
pub(super) struct Pieces {
    waiting: Vec<RecordBatch>,
    rows: usize,
    bytes: u64,
}

impl Pieces {
    /// Takes the rows of a batch; gives the pieces that are whole. A batch of the right size is one as it is.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, ArrowError> {
        let limit = PIECE_BYTES.max(batch.num_columns() as u64 * PIECE_NUMBERS * NUMBER_BYTES);
        let (mut pieces, mut from) = (Vec::new(), 0);
        while from < batch.num_rows() {
            let most = (batch.num_rows() - from).min(BATCH_ROWS - self.rows);
            let mut rows = fitting(batch, from, most, limit.saturating_sub(self.bytes));
            if self.waiting.is_empty() {
                rows = rows.max(1);
            }
            if rows > 0 {
                self.waiting.push(batch.slice(from, rows));
                self.rows += rows;
                self.bytes += weight(batch, from, from + rows);
                from += rows;
            }
            if self.rows == BATCH_ROWS || rows < most {
                pieces.extend(self.rest()?);
            }
        }
        Ok(pieces)
    }

    /// The rows that wait, if there are any.
    pub(super) fn rest(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let waiting = std::mem::take(&mut self.waiting);
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let [first, _, ..] = waiting.as_slice() else { return Ok(waiting.into_iter().next()) };
        let columns: Vec<ArrayRef> = (0..first.num_columns())
            .map(|column| {
                let parts: Vec<&dyn Array> = waiting.iter().map(|batch| batch.column(column).as_ref()).collect();
                concat(&parts)
            })
            .collect::<Result<_, _>>()?;
        // What the batches say of nulls does not matter, and may differ.
        let fields = first.schema_ref().fields().iter().zip(&columns);
        let fields = fields.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(Some(RecordBatch::try_new_with_options(schema, columns, &options)?))
    }
}

/// The rows of a batch, at most [`BATCH_ROWS`] at a time and fewer where they are long; nothing is copied.
pub fn slices(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let most = (batch.num_rows() - from).min(BATCH_ROWS);
        let rows = fitting(batch, from, most, PIECE_BYTES).max(most.min(1));
        from += rows;
        (rows > 0).then(|| batch.slice(from - rows, rows))
    })
}

/// How many of the next `most` rows have no more than `bytes`.
pub(super) fn fitting(batch: &RecordBatch, from: usize, most: usize, bytes: u64) -> usize {
    let fits = |rows: usize| weight(batch, from, from + rows) <= bytes;
    if fits(most) {
        return most;
    }
    let (mut fitting, mut beyond) = (0, most);
    while beyond - fitting > 1 {
        let middle = fitting.midpoint(beyond);
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    fitting
}

/// About how many bytes the rows hold: the sum of what each of them holds, wherever they stand.
pub(super) fn weight(batch: &RecordBatch, from: usize, to: usize) -> u64 {
    batch.columns().iter().map(|column| held(column, from, to)).sum()
}

fn held(column: &ArrayRef, from: usize, to: usize) -> u64 {
    /// A text or list has its length beside its values.
    const LENGTH_BYTES: usize = 4;
    let (rows, span) = (to - from, |offsets: &[i64]| (offsets[from], offsets[to]));
    let short = |offsets: &[i32]| (i64::from(offsets[from]), i64::from(offsets[to]));
    let place = |offset: i64| usize::try_from(offset).unwrap_or(0);
    let bytes = |(start, end): (i64, i64)| place(end) - place(start) + rows * LENGTH_BYTES;
    let nested = |values: &ArrayRef, (start, end): (i64, i64)| {
        held(values, place(start), place(end)) + (rows * LENGTH_BYTES) as u64
    };
    let bytes = match column.data_type() {
        DataType::Utf8 => bytes(short(column.as_string::<i32>().value_offsets())),
        DataType::LargeUtf8 => bytes(span(column.as_string::<i64>().value_offsets())),
        DataType::Binary => bytes(short(column.as_binary::<i32>().value_offsets())),
        DataType::LargeBinary => bytes(span(column.as_binary::<i64>().value_offsets())),
        DataType::Utf8View => (from..to).map(|row| column.as_string_view().value(row).len() + LENGTH_BYTES).sum(),
        DataType::BinaryView => (from..to).map(|row| column.as_binary_view().value(row).len() + LENGTH_BYTES).sum(),
        DataType::List(_) => return nested(column.as_list::<i32>().values(), short(column.as_list::<i32>().offsets())),
        DataType::LargeList(_) => {
            return nested(column.as_list::<i64>().values(), span(column.as_list::<i64>().offsets()));
        }
        DataType::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).unwrap_or(0);
            return held(column.as_fixed_size_list().values(), from * size, to * size);
        }
        DataType::Struct(_) => return column.as_struct().columns().iter().map(|field| held(field, from, to)).sum(),
        other => rows * other.primitive_width().unwrap_or(1),
    };
    bytes as u64
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, ListArray, StringArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int64Type;

    use super::*;

    fn rows(texts: &[usize]) -> RecordBatch {
        let numbers = (0..).zip(texts).map(|(number, _)| number);
        let columns: [(&str, ArrayRef); 3] = [
            ("n", Arc::new(numbers.clone().collect::<Int64Array>())),
            ("t", Arc::new(texts.iter().map(|length| Some("x".repeat(*length))).collect::<StringArray>())),
            ("l", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(numbers.map(|n| Some([Some(n), None]))))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn a_batch_is_cut_where_its_rows_are_long_and_none_is_lost() {
        let mut lengths = vec![10; 3 * BATCH_ROWS];
        lengths[5..9].fill(9 << 20);
        lengths[20] = 40 << 20;
        let rows = rows(&lengths);
        let parts: Vec<RecordBatch> = slices(&rows).collect();
        let sizes: Vec<usize> = parts.iter().map(RecordBatch::num_rows).collect();
        assert_eq!(sizes[..6], [6, 1, 1, 12, 1, BATCH_ROWS]);
        assert_eq!(concat_batches(&rows.schema(), &parts).unwrap(), rows);
        assert_eq!(slices(&rows.slice(0, 0)).count(), 0);
    }

    /// The rows of the pieces of rows that come so many at a time.
    fn sizes(rows: &RecordBatch, at_a_time: usize) -> Vec<usize> {
        let mut pieces = Pieces::default();
        let mut whole = Vec::new();
        for from in (0..rows.num_rows()).step_by(at_a_time) {
            let batch = rows.slice(from, at_a_time.min(rows.num_rows() - from));
            whole.extend(pieces.push(&batch).unwrap());
        }
        whole.extend(pieces.rest().unwrap());
        assert!(pieces.rest().unwrap().is_none());
        let schema = whole[0].schema();
        let joined = concat_batches(&schema, whole.iter()).unwrap();
        assert!(joined.columns() == rows.columns(), "{at_a_time}");
        whole.iter().map(RecordBatch::num_rows).collect()
    }

    #[test]
    fn pieces_are_the_same_whatever_the_batches() {
        let short = rows(&vec![3; 40_000]);
        let megabytes: Vec<usize> = (0..70).map(|row| if row == 30 { 40 << 20 } else { (row % 3) << 20 }).collect();
        let long = rows(&megabytes);
        let all = sizes(&long, 70);
        assert!(all.len() > 4 && all.contains(&1), "{all:?}");
        for at_a_time in [1, 7, 1000, 8192, BATCH_ROWS, 40_000] {
            assert_eq!(sizes(&short, at_a_time), [BATCH_ROWS, BATCH_ROWS, 40_000 - 2 * BATCH_ROWS]);
            assert_eq!(sizes(&long, at_a_time), all, "{at_a_time}");
        }
    }

    #[test]
    fn a_batch_of_the_right_size_is_not_copied() {
        let batch = rows(&vec![3; BATCH_ROWS]);
        let pieces = Pieces::default().push(&batch).unwrap();
        let place = |batch: &RecordBatch| batch.column(1).as_string::<i32>().values().as_ptr();
        assert_eq!(place(&pieces[0]), place(&batch));
    }

    #[test]
    fn rows_of_which_some_batches_allow_nulls_are_one_piece() {
        let batch = |column: Int64Array, nullable: bool| {
            let columns: [(&str, ArrayRef, bool); 1] = [("n", Arc::new(column), nullable)];
            RecordBatch::try_from_iter_with_nullable(columns).unwrap()
        };
        let mut pieces = Pieces::default();
        pieces.push(&batch(Int64Array::from(vec![1]), false)).unwrap();
        pieces.push(&batch(Int64Array::from(vec![None]), true)).unwrap();
        assert_eq!(pieces.rest().unwrap().unwrap().column(0).null_count(), 1);
    }
}
