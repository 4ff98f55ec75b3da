//! The columns of a training table by what they are, and how its rows are followed by new ones.

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type};
use arrow::record_batch::RecordBatch;

use super::super::parts;
use crate::artifact::ArtifactKind;
use crate::step::{InputPort, OutputPort, Ports, Progress, StagedTable, StepContext, StepError};
use crate::table::TableReader;
use crate::table::roles::{CATEGORIES, Role};

/// Training rows come in, and go out with others; nothing that measures may take them.
pub(super) fn ports() -> Ports {
    Ports::new(
        [InputPort::one("train", ArtifactKind::Table).training()],
        [OutputPort::new("train", ArtifactKind::Table).resampled()],
    )
}

/// The table, which must have rows.
pub(super) fn open(context: &StepContext) -> Result<TableReader, StepError> {
    let table = context.table("train")?;
    if table.rows() == 0 {
        return Err(StepError::input("table_empty", "the table has no rows to make others of")
            .help("look at the split and the filters before this step"));
    }
    Ok(table)
}

/// Whether a column holds numbers that are no codes of categories.
pub(super) fn is_number(field: &Field) -> bool {
    field.data_type().is_numeric() && !field.metadata().contains_key(CATEGORIES)
}

/// The columns to change: those named, which must be numbers, or the features that are.
pub(super) fn numbers(table: &TableReader, named: Option<&[String]>) -> Result<Vec<String>, StepError> {
    let fields = table.schema().fields();
    let Some(named) = named else {
        let features = fields.iter().filter(|field| Role::of(field) == Some(Role::Feature) && is_number(field));
        let features: Vec<String> = features.map(|field| field.name().clone()).collect();
        if features.is_empty() {
            return Err(StepError::input("no_numbers", "no column is marked as a feature that is a number")
                .help("name some under `columns`, or pass the table through `feature.pipeline`"));
        }
        return Ok(features);
    };
    for name in named {
        let field = parts::known(table, name)?;
        if Role::of(field) == Some(Role::Weight) {
            let message = format!("column `{name}` holds the weights of rows and says nothing of them");
            return Err(StepError::input("column_role", message).help("leave it out of `columns`"));
        }
        if !is_number(field) {
            let message = format!("column `{name}` is of type {} and no number", field.data_type());
            return Err(StepError::input("not_a_number", message).help("leave it out of `columns`; it stays as it is"));
        }
    }
    Ok(named.to_vec())
}

/// Writes the rows that there are, each batch as `with` makes it.
pub(super) fn copy(
    table: &TableReader,
    output: &mut StagedTable,
    context: &StepContext,
    with: impl Fn(RecordBatch) -> Result<RecordBatch, StepError>,
) -> Result<(), StepError> {
    for batch in table.batches()? {
        context.check_cancelled()?;
        output.write(&with(batch?)?)?;
    }
    Ok(())
}

/// Writes the rows that there are and after them those that `more` makes of each batch, of which it gets the number of
/// the first row; `changed` columns are made by `transform`.
pub(super) fn extend(
    context: &mut StepContext,
    table: &TableReader,
    changed: &[String],
    transform: &str,
    more: impl Fn(&RecordBatch, u64) -> Result<RecordBatch, StepError>,
) -> Result<(), StepError> {
    let mut output = context.create_table(table.schema())?;
    copy(table, &mut output, context, Ok)?;
    let (mut done, mut added) = (0_u64, 0_u64);
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let new = more(&batch, done)?;
        added += new.num_rows() as u64;
        output.write(&new)?;
        done += batch.num_rows() as u64;
        context.progress(&Progress { done, total: Some(table.rows()), unit: "rows", note: String::new() });
    }
    context.finish_table("train", output)?;
    finish(context, table, changed, transform, added)
}

/// The values of a column of numbers.
pub(super) fn floats(array: &ArrayRef) -> Result<Float64Array, StepError> {
    Ok(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

/// Ends the step: says where columns come from and how many rows were made.
pub(super) fn finish(
    context: &mut StepContext,
    table: &TableReader,
    changed: &[String],
    transform: &str,
    added: u64,
) -> Result<(), StepError> {
    if changed.is_empty() {
        parts::identity(context, "train", "train", table)?;
    } else {
        for column in table.columns() {
            let how = if changed.iter().any(|name| name == column) { transform } else { "identity" };
            context.column_from("train", column, "train", column, how)?;
        }
    }
    context.metric("rows_before", table.rows() as f64);
    context.metric("rows_added", added as f64);
    context.log(format!("{added} rows are made of {}", table.rows()));
    Ok(())
}
