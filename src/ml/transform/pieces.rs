//! How many rows at a time: so many that what transforms make of them has room.

use std::collections::BTreeSet;

use arrow::record_batch::RecordBatch;

use super::registry::Unit;
use crate::table::BATCH_ROWS;

/// What the columns of a batch take, at most, on their way through the transforms.
const BATCH_BYTES: usize = 64 << 20;

/// How many rows with these `raw` columns `units` should get at once; none if as many as there are.
pub(super) fn rows_at_once<'a>(
    raw: impl Iterator<Item = &'a str>,
    units: impl Iterator<Item = &'a Unit> + Clone,
) -> Option<usize> {
    let made = units.clone().flat_map(|unit| unit.fitted().outputs());
    let columns: BTreeSet<&str> = raw.chain(made).collect();
    let of_units = units.filter_map(|unit| unit.fitted().rows_at_once());
    of_units.chain(rows_of(columns.len())).min()
}

/// How many rows of so many columns have room.
fn rows_of(columns: usize) -> Option<usize> {
    let rows = BATCH_BYTES / size_of::<f64>() / columns.max(1);
    (rows < BATCH_ROWS).then_some(rows.max(1))
}

/// The batch in pieces of at most `most` rows.
pub fn pieces(batch: &RecordBatch, most: Option<usize>) -> impl Iterator<Item = RecordBatch> {
    let most = most.unwrap_or(usize::MAX);
    (0..batch.num_rows()).step_by(most).map(move |start| batch.slice(start, most.min(batch.num_rows() - start)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    #[test]
    fn wide_rows_come_a_few_at_a_time() {
        assert_eq!([0, 1, 512, 1000, 10_000, 1 << 24].map(rows_of), [None, None, None, Some(8388), Some(838), Some(1)]);
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let sizes = |most| pieces(&batch, most).map(|piece| piece.num_rows()).collect::<Vec<_>>();
        assert_eq!((sizes(None), sizes(Some(4))), (vec![10], vec![4, 4, 2]));
    }
}
