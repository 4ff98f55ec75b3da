//! Files with types to one table: all are opened and compared before the first row is read.

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::columns::{Wanted, common_decimals, tell_rounded};
use super::params::{Decimals, Params};
use crate::step::understanding::contract::Bound;
use crate::step::understanding::source::{SourceFile, plain_batch};
use crate::step::{Progress, StagedTable, StepContext, StepError};
use crate::table::slices;

/// An open file whose columns have types, and what the step that reads such files is called.
pub trait TypedFile: Sized + 'static {
    /// See [`crate::step::StepKind::NAME`].
    const NAME: &'static str;
    /// See [`crate::step::StepKind::VERSION`].
    const VERSION: u32;
    /// See [`crate::step::StepKind::SUMMARY`].
    const SUMMARY: &'static str;
    /// See [`crate::step::StepKind::EXAMPLE`].
    const EXAMPLE: &'static str;
    /// The code of the error that the columns are not those that are wanted.
    const COLUMNS: &'static str;

    /// Opens a file.
    ///
    /// # Errors
    /// It is damaged, or reading it needs more memory than there is.
    fn open(file: &SourceFile, context: &mut StepContext) -> Result<Self, StepError>;

    /// Its columns.
    fn schema(&self) -> &Schema;

    /// How many rows it has.
    fn rows(&self) -> u64;

    /// All rows of these columns, in this order.
    ///
    /// # Errors
    /// The file is damaged, which may also be found later.
    fn batches(&self, columns: &[&str]) -> Result<impl Iterator<Item = Result<RecordBatch, StepError>>, StepError>;
}

/// Reads the wanted columns of `files` into the output `table`.
pub(super) fn read<F: TypedFile>(
    context: &mut StepContext,
    files: &[SourceFile],
    params: &Params,
    decimals: Decimals,
    bound: Bound<'_>,
) -> Result<(), StepError> {
    let open: Vec<F> = files.iter().map(|file| F::open(file, context)).collect::<Result<_, _>>()?;
    let decimals = match decimals {
        Decimals::OfContract => params.decimals(),
        Decimals::All => common_decimals(&open),
    };
    let wanted = Wanted { columns: &params.columns, decimals };
    let names = wanted.names::<F>(&files[0], open[0].schema())?;
    let schema = wanted.taken_schema(&files[0], open[0].schema(), &names)?;
    for (file, found) in files.iter().zip(&open).skip(1) {
        wanted.names::<F>(file, found.schema())?;
        wanted.check_same::<F>(&files[0], &schema, file, found.schema())?;
    }
    for (file, found) in files.iter().zip(&open) {
        tell_rounded(file, found.schema(), &schema, context);
    }
    let mut table = context.create_table(&schema)?;
    let written = write(context, files, &open, &schema, &mut table);
    // What was read of a file that changed may make no sense, so this is looked at first.
    for file in files {
        file.check_unchanged()?;
    }
    written?;
    let rows = bound.finish(context, table)?;
    context.metric("rows", rows as f64);
    context.metric("columns", names.len() as f64);
    context.metric("bytes", files.iter().map(|file| file.bytes).sum::<u64>() as f64);
    Ok(())
}

fn write<F: TypedFile>(
    context: &mut StepContext,
    files: &[SourceFile],
    open: &[F],
    schema: &SchemaRef,
    table: &mut StagedTable,
) -> Result<(), StepError> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let total = Some(open.iter().map(F::rows).sum());
    let mut done = 0;
    for (file, open) in files.iter().zip(open) {
        let before = done;
        for batch in open.batches(&names)? {
            // A batch may have all rows of its file, and those after us want a few at a time.
            for rows in slices(&batch?) {
                context.check_cancelled()?;
                let place = || format!("`{}`, from row {} on,", file.name, done - before + 1);
                let plain = plain_batch(&rows, schema, &place)?;
                done += rows.num_rows() as u64;
                table.write(&plain)?;
                context.progress(&Progress { done, total, unit: "rows", note: String::new() });
            }
        }
    }
    Ok(())
}
