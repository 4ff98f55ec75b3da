//! The second pass: the rows that failed, with the check that they failed, as a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::check::{Check, State};
use crate::step::{StepContext, StepError};
use crate::table::TableReader;

/// Writes the failing rows as output `failures`, in the order of the checks and of the rows; says how many there are.
pub(super) fn write(context: &mut StepContext, table: &TableReader, checks: &mut [Check]) -> Result<u64, StepError> {
    let schema = failures_schema(table.schema());
    let mut kept: Vec<Vec<RecordBatch>> = vec![Vec::new(); checks.len()];
    let mut cursors = vec![0usize; checks.len()];
    let mut first = 0u64;
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let end = first + batch.num_rows() as u64;
        for ((check, kept), cursor) in checks.iter_mut().zip(&mut kept).zip(&mut cursors) {
            find_repeated(check, &batch, first);
            let Some(failing) = failing(check) else { continue };
            let within = failing[*cursor..].partition_point(|row| *row < end);
            let rows = &failing[*cursor..*cursor + within];
            *cursor += within;
            if !rows.is_empty() {
                kept.push(excerpt(&schema, &check.id, &batch, rows, first)?);
            }
        }
        first = end;
    }
    if kept.iter().all(Vec::is_empty) {
        return Ok(0);
    }
    let mut writer = context.create_table(&schema)?;
    let mut rows = 0;
    for batch in kept.iter().flatten() {
        rows += batch.num_rows() as u64;
        writer.write(batch)?;
    }
    context.finish_table("failures", writer)?;
    Ok(rows)
}

/// A check that looks at each row against all others learns on the second pass which rows failed.
fn find_repeated(check: &mut Check, batch: &RecordBatch, first: u64) {
    if !matches!(&check.state, State::Unique(unique) if unique.tally.unexpected > 0) {
        return;
    }
    let found = check.part(batch, first).and_then(|part| match &mut check.state {
        State::Unique(unique) => unique.find(&part),
        _ => Ok(()),
    });
    if let Err(reason) = found {
        check.state = State::Raised(reason);
    }
}

/// The rows that failed, as far as they are known.
fn failing(check: &Check) -> Option<&[u64]> {
    match &check.state {
        State::Rows(rows) => Some(&rows.tally.failing),
        State::Unique(unique) => Some(&unique.tally.failing),
        _ => None,
    }
}

fn failures_schema(table: &Schema) -> SchemaRef {
    let free = |name: &str| {
        let mut name = name.to_owned();
        while table.index_of(&name).is_ok() {
            name.insert(0, '_');
        }
        name
    };
    let own =
        [Field::new(free("check_id"), DataType::Utf8, false), Field::new(free("row_number"), DataType::Int64, false)];
    let fields: Vec<Field> = own.into_iter().chain(table.fields().iter().map(|field| field.as_ref().clone())).collect();
    Arc::new(Schema::new(fields))
}

fn excerpt(
    schema: &SchemaRef,
    id: &str,
    batch: &RecordBatch,
    rows: &[u64],
    first: u64,
) -> Result<RecordBatch, StepError> {
    let places: UInt32Array =
        rows.iter().map(|row| u32::try_from(row - first).expect("a batch has fewer rows than 2^32")).collect();
    let numbers: Int64Array = rows.iter().map(|row| row.cast_signed()).collect();
    let taken = take_record_batch(batch, &places)?;
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|_| id)));
    let columns = [ids, Arc::new(numbers)].into_iter().chain(taken.columns().iter().cloned()).collect();
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
