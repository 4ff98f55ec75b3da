//! Rows of cells on their way into the output `table`, and the bad ones beside it, for sources that count their rows before.

use super::{Aside, BadRow, BadRows, Cells, SourceFile};
use crate::step::understanding::contract::Bound;
use crate::step::understanding::csv::ColumnType;
use crate::step::{Progress, StagedTable, StepContext, StepError};

/// Rows that are being written.
pub struct Intake {
    /// Those that wait for a batch.
    pub waiting: Cells,
    table: StagedTable,
    aside: Aside,
    columns: usize,
    total: u64,
    done: u64,
    rows: u64,
}

impl Intake {
    /// No rows yet of `total`; the table and the quarantine begin.
    pub fn begin(
        context: &StepContext,
        columns: &[(String, ColumnType)],
        bad_rows: BadRows,
        total: u64,
    ) -> Result<Intake, StepError> {
        let waiting = Cells::new(columns);
        let table = context.create_table(waiting.schema())?;
        let aside = Aside::begin(context, bad_rows)?;
        Ok(Intake { waiting, table, aside, columns: columns.len(), total, done: 0, rows: 0 })
    }

    /// Sets a row of `file` aside.
    pub fn put_aside(&mut self, file: &str, row: BadRow) -> Result<(), StepError> {
        self.aside.put(file, &[row])
    }

    /// Writes the waiting rows if they are enough for a batch.
    pub fn write_if_full(&mut self, context: &mut StepContext) -> Result<(), StepError> {
        if self.waiting.is_full() { self.write(context) } else { Ok(()) }
    }

    fn write(&mut self, context: &mut StepContext) -> Result<(), StepError> {
        context.check_cancelled()?;
        self.done += self.waiting.rows() as u64;
        let batch = self.waiting.finish()?;
        self.rows += batch.num_rows() as u64;
        self.table.write(&batch)?;
        let note = self.aside.note(self.rows);
        context.progress(&Progress { done: self.done, total: Some(self.total), unit: "rows", note });
        Ok(())
    }

    /// Publishes the table of the rows of `files`, under its contract, with what was set aside. `none_good` has the code and the
    /// remedy for the case that no row can be read.
    pub fn finish(
        mut self,
        context: &mut StepContext,
        files: &[SourceFile],
        bound: Bound<'_>,
        none_good: (&'static str, &str),
    ) -> Result<(), StepError> {
        self.write(context)?;
        for file in files {
            file.check_unchanged()?;
        }
        self.aside.finish(context, self.rows, none_good.0, none_good.1)?;
        let rows = bound.finish(context, self.table)?;
        context.metric("rows", rows as f64);
        context.metric("columns", self.columns as f64);
        context.metric("bytes", files.iter().map(|file| file.bytes).sum::<u64>() as f64);
        Ok(())
    }
}
