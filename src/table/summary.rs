//! A table at a glance: its columns, their statistics and the first rows as text.

use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::statistics::{ColumnStatistics, statistics};
use super::{TableError, TableReader};

/// What a person wants to see of a table first.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The number of rows.
    pub rows: u64,
    /// Each column with what is known of it.
    pub columns: Vec<ColumnStatistics>,
    /// The first rows, each value as text; null is empty.
    pub head: Vec<Vec<String>>,
}

/// The summary of a table with its first `head` rows, in one pass on `threads` threads.
pub fn summary(table: &TableReader, head: usize, threads: usize) -> Result<Summary, TableError> {
    let columns = statistics(table, threads, |_| true)?.unwrap_or_default();
    let mut rows = Vec::new();
    if let Some(batch) = table.batches()?.next() {
        let batch = batch?;
        let options = FormatOptions::default();
        let formatters: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()?;
        rows.extend(
            (0..batch.num_rows().min(head)).map(|row| {
                formatters.iter().map(|formatter| formatter.value(row).to_string()).collect::<Vec<String>>()
            }),
        );
    }
    Ok(Summary { rows: table.rows(), columns, head: rows })
}
