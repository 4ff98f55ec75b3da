//! The pass over the table: each thread reads and counts columns of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::{TableError, TableReader};
use super::ColumnStatistics;

/// Statistics of every column of `table`, in order, or none if `go_on` said to stop.
///
/// The columns are dealt out to `threads` threads, since a column store lets each read its own. `go_on` is called on this
/// thread with the number of rows done after each batch.
pub fn statistics(
    table: &TableReader,
    threads: usize,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<Option<Vec<ColumnStatistics>>, TableError> {
    let columns = table.schema().fields().len();
    let hands = threads.clamp(1, columns.max(1));
    let deal = |hand: usize| (0..columns).filter(move |column| column % hands == hand).collect::<Vec<usize>>();
    let stopped = AtomicBool::new(false);
    let mut dealt = thread::scope(|scope| {
        let others: Vec<_> = (1..hands)
            .map(|hand| {
                let stopped = &stopped;
                scope.spawn(move || count(table, &deal(hand), |_| !stopped.load(Ordering::Relaxed)))
            })
            .collect();
        let first = count(table, &deal(0), |rows| {
            let goes_on = go_on(rows);
            stopped.store(!goes_on, Ordering::Relaxed);
            goes_on
        });
        if first.is_err() {
            stopped.store(true, Ordering::Relaxed);
        }
        std::iter::once(first)
            .chain(others.into_iter().map(|hand| hand.join().expect("counting does not panic")))
            .collect::<Result<Vec<_>, _>>()
    })?;
    if stopped.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let mut hands: Vec<_> = dealt.iter_mut().map(|hand| hand.drain(..)).collect();
    let count = hands.len();
    Ok(Some((0..columns).map(|column| hands[column % count].next().expect("every column was dealt")).collect()))
}

fn count(
    table: &TableReader,
    columns: &[usize],
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<Vec<ColumnStatistics>, TableError> {
    let fields = table.schema().fields();
    let names: Vec<&str> = columns.iter().map(|column| fields[*column].name().as_str()).collect();
    let mut counted: Vec<ColumnStatistics> =
        columns.iter().map(|column| ColumnStatistics::new(&fields[*column])).collect();
    let mut rows = 0;
    for batch in table.select_encoded(&names, &|_| true)? {
        let batch = batch?;
        counted.iter_mut().zip(batch.columns()).for_each(|(counted, column)| counted.add(column));
        rows += batch.num_rows() as u64;
        if !go_on(rows) {
            break;
        }
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    };
    use arrow::datatypes::Int64Type;

    use super::super::Kind;
    use super::*;
    use crate::table::TableWriter;

    fn table(rows: i64) -> (tempfile::TempDir, TableReader) {
        let folder = tempfile::tempdir().unwrap();
        let column = |make: &dyn Fn(i64) -> ArrayRef| make(rows);
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("id", column(&|n| Arc::new(StringArray::from_iter_values((0..n).map(|row| format!("c{row:07}"))))), true),
            ("n", column(&|n| Arc::new(Int64Array::from_iter_values((0..n).map(|row| row % 7)))), true),
            (
                "x",
                column(&|n| {
                    let value = |row: i64| match row % 5 {
                        0 => None,
                        1 => Some(f64::NAN),
                        _ => Some(row as f64),
                    };
                    Arc::new((0..n).map(value).collect::<Float64Array>())
                }),
                true,
            ),
            ("ok", column(&|n| Arc::new((0..n).map(|row| Some(row % 4 == 0)).collect::<BooleanArray>())), true),
            (
                "day",
                column(&|n| {
                    Arc::new(
                        (0..n).map(|row| Some(20_000 + i32::try_from(row % 366).unwrap())).collect::<Date32Array>(),
                    )
                }),
                true,
            ),
            (
                "list",
                column(&|n| {
                    Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>((0..n).map(|row| Some(vec![Some(row)]))))
                }),
                true,
            ),
        ])
        .unwrap();
        let path = folder.path().join("t");
        let mut writer = TableWriter::create(&path, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let reader = TableReader::open(&path).unwrap();
        (folder, reader)
    }

    #[test]
    fn every_column_is_counted_whatever_the_number_of_threads() {
        let (_folder, table) = table(50_000);
        let one = statistics(&table, 1, |_| true).unwrap().unwrap();
        let many = statistics(&table, 4, |_| true).unwrap().unwrap();
        assert_eq!(
            format!("{:?}", one.iter().map(ColumnStatistics::spread).collect::<Vec<_>>()),
            format!("{:?}", many.iter().map(ColumnStatistics::spread).collect::<Vec<_>>())
        );
        let [id, n, x, ok, day, list] = many.try_into().ok().unwrap();
        assert_eq!(
            [id.kind, n.kind, x.kind, ok.kind, day.kind, list.kind],
            [Kind::Text, Kind::Int, Kind::Float, Kind::Bool, Kind::Date, Kind::Other]
        );
        let (distinct, is_exact) = id.distinct();
        assert!(!is_exact && (distinct as f64 - 50_000.0).abs() < 1_500.0, "{distinct} ids");
        assert_eq!(id.spread().map(|spread| spread.mean), Some(8.0), "texts are measured by their characters");
        assert_eq!((n.distinct(), n.zeros), ((7, true), 7_143));
        assert_eq!(n.top(2).0, [("0".to_owned(), 7_143), ("1".to_owned(), 7_143)]);
        assert_eq!(n.histogram().iter().map(|bin| bin.count).sum::<u64>(), 50_000);
        assert_eq!(n.histogram().len(), 7);
        assert_eq!(x.missing, 20_000, "what is not finite counts as missing");
        assert_eq!(ok.top(1).0, [("false".to_owned(), 37_500)]);
        assert_eq!(day.written(day.spread().unwrap().min), "2024-10-04");
        assert_eq!((list.rows, list.missing), (50_000, 0));
    }

    #[test]
    fn counting_stops_when_told_to() {
        let (_folder, table) = table(50_000);
        assert!(statistics(&table, 2, |rows| rows < 20_000).unwrap().is_none());
    }
}
