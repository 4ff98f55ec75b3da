//! New rows behind those of the last run, in one table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::increment::is_empty;
use crate::step::understanding::contract::convert;
use crate::step::understanding::csv::ColumnType;
use crate::step::{StepContext, StepError, former_input};
use crate::table::TableReader;

/// Makes the output `table`, which has the new rows, one with those of the last run before them. Gives its number of rows.
///
/// # Errors
/// The columns do not fit.
pub(super) fn join(context: &mut StepContext, new_rows: u64) -> Result<u64, StepError> {
    let Some(before) = context.optional_table(&former_input("table"))? else { return Ok(new_rows) };
    if new_rows == 0 {
        // Equal bytes, so that everything after it is reused.
        let former = context.input(&former_input("table"))?.artifact.clone();
        context.forward("table", &former)?;
        return Ok(before.rows());
    }
    let made = context.made("table").cloned().ok_or_else(|| StepError::bug("there is no table to append"))?;
    let new = TableReader::open(&context.path(&made)?)?;
    let schema = common(&before, &new)?;
    let mut table = context.create_table(&schema)?;
    for reader in [&before, &new] {
        for batch in reader.batches()? {
            context.check_cancelled()?;
            table.write(&fitted(&batch?, &schema)?)?;
        }
    }
    context.finish_table("table", table)?;
    Ok(before.rows() + new.rows())
}

/// The columns of both, in the order of the earlier rows. A column that one side has no values of takes the other's type.
fn common(before: &TableReader, new: &TableReader) -> Result<SchemaRef, StepError> {
    let refuse = |message: String| Err(refused(message));
    if let Some(extra) = new.columns().find(|name| before.schema().index_of(name).is_err()) {
        return refuse(format!("the new rows have a column `{extra}`, which the earlier ones do not have"));
    }
    let mut fields = Vec::new();
    for field in before.schema().fields() {
        let name = field.name();
        let Ok(found) = new.schema().field_with_name(name) else {
            return refuse(format!("the new rows lack the column `{name}`, which the earlier ones have"));
        };
        let (left, right) = (field.data_type(), found.data_type());
        let data_type = match (left, right) {
            _ if left == right => left.clone(),
            _ if has_no_values(new, name)? => left.clone(),
            _ if has_no_values(before, name)? => right.clone(),
            (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
            _ => {
                return refuse(format!(
                    "column `{name}` was {left} in the earlier rows and is {right} in the new ones"
                ));
            }
        };
        fields.push(Field::new(name, data_type, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn refused(message: String) -> StepError {
    StepError::input("append_columns", message).help(
        "name the columns in the query and fix their types with a `contract`; or read everything again with `--refresh` \
         and the step's name",
    )
}

fn has_no_values(table: &TableReader, column: &str) -> Result<bool, StepError> {
    for batch in table.select(&[column])? {
        if !is_empty(batch?.column(0)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn fitted(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, StepError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let column = batch.column_by_name(field.name()).ok_or_else(|| StepError::bug("a column is gone"))?;
            Ok(match column.data_type() {
                found if found == field.data_type() => Arc::clone(column),
                _ if is_empty(column) => new_null_array(field.data_type(), column.len()),
                // Nothing else differs where both sides have values.
                _ => floats(field.name(), column)?,
            })
        })
        .collect::<Result<Vec<ArrayRef>, StepError>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Whole numbers as floats, which must hold every one of them exactly.
fn floats(name: &str, whole: &ArrayRef) -> Result<ArrayRef, StepError> {
    let floats = convert(whole, ColumnType::Float64);
    match (0..whole.len()).find(|row| whole.is_valid(*row) && floats.is_null(*row)) {
        None => Ok(floats),
        Some(row) => Err(refused(format!(
            "column `{name}` has fractions on one side, and on the other {}, which is beyond the whole numbers that a float64 can tell apart",
            whole.as_primitive::<Int64Type>().value(row)
        ))),
    }
}
