//! The balanced table, and the tables that say which rows came and went.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, UInt32Array, new_null_array};
use arrow::compute::{cast, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::super::retyped;
use super::input::{Input, Layout};
use crate::ml::resample::{Added, Dropped, Plan, Rows};
use crate::step::{StepContext, StepError};
use crate::table::roles::Role;
use crate::table::{TableReader, free_name};

/// Writes the rows that stay in their order, and after them those that come, by the number of their base.
pub(super) fn train(
    context: &mut StepContext,
    table: &TableReader,
    layout: &Layout,
    input: &Input,
    plan: &Plan,
) -> Result<(), StepError> {
    let schema = schema(table, layout, plan);
    let mut output = context.create_table(&schema)?;
    let mut gone = plan.dropped.iter().map(|dropped| dropped.row).peekable();
    let mut first = 0_u32;
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let end = first + count(&batch);
        let stay: UInt32Array =
            (first..end).filter(|row| gone.next_if_eq(row).is_none()).map(|row| row - first).collect();
        let kept = take_record_batch(&batch, &stay)?;
        output.write(&RecordBatch::try_new(Arc::clone(&schema), kept.columns().to_vec())?)?;
        first = end;
    }
    if !plan.added.is_empty() {
        let mut place = 0;
        first = 0;
        for batch in table.batches()? {
            context.check_cancelled()?;
            let batch = batch?;
            let end = first + count(&batch);
            let come = plan.added[place..].partition_point(|added| added.base < end);
            if come > 0 {
                let columns = New { layout, input, plan, place, come, first }.columns(&batch)?;
                output.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
            }
            place += come;
            first = end;
        }
    }
    context.finish_table("train", output)?;
    Ok(())
}

fn count(batch: &RecordBatch) -> u32 {
    u32::try_from(batch.num_rows()).unwrap_or(u32::MAX)
}

/// Whether new rows lie between others, and have nothing in columns that no line leads through.
fn is_between(plan: &Plan) -> bool {
    plan.added.iter().any(|added| added.toward.is_some())
}

fn schema(table: &TableReader, layout: &Layout, plan: &Plan) -> SchemaRef {
    if !is_between(plan) {
        return Arc::clone(table.schema());
    }
    let field = |field: &Arc<Field>| {
        if is_known(field, layout) { Arc::clone(field) } else { Arc::new(field.as_ref().clone().with_nullable(true)) }
    };
    let fields: Vec<Arc<Field>> = table.schema().fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, table.schema().metadata().clone()))
}

/// Whether a row on a line has a value in the column.
fn is_known(field: &Field, layout: &Layout) -> bool {
    let name = field.name();
    *name == layout.target
        || layout.numbers.contains(name)
        || layout.categories.contains(name)
        || Role::of(field) == Some(Role::Weight)
}

/// Rows that come, with bases in one batch.
struct New<'plan> {
    layout: &'plan Layout,
    input: &'plan Input,
    plan: &'plan Plan,
    /// The first of them.
    place: usize,
    /// How many they are.
    come: usize,
    /// The number of the first row of the batch.
    first: u32,
}

impl New<'_> {
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, StepError> {
        let added = &self.plan.added[self.place..self.place + self.come];
        let bases: UInt32Array = added.iter().map(|added| added.base - self.first).collect();
        let between = is_between(self.plan);
        let schema = batch.schema_ref();
        schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| {
                let position = |names: &[String]| names.iter().position(|name| name == field.name());
                if self.plan.points.rows() > 0 {
                    if let Some(number) = position(&self.layout.numbers) {
                        return self.numbers(number, &take(column, &bases, None)?);
                    }
                    if let Some(category) = position(&self.layout.categories) {
                        return self.categories(category, field.data_type());
                    }
                }
                if between && !is_known(field, self.layout) {
                    return Ok(new_null_array(field.data_type(), self.come));
                }
                Ok(take(column, &bases, None)?)
            })
            .collect()
    }

    fn numbers(&self, number: usize, bases: &ArrayRef) -> Result<ArrayRef, StepError> {
        let values = (self.place..self.place + self.come).map(|place| self.plan.points.row(place)[number]);
        retyped::like(bases, values.map(Some).collect())
    }

    fn categories(&self, category: usize, data_type: &DataType) -> Result<ArrayRef, StepError> {
        let (values, missing) = &self.input.values[category];
        let codes = (self.place..self.place + self.come).map(|place| self.plan.categories.row(place)[category]);
        let values: StringArray =
            codes.map(|code| (Some(code) != *missing).then(|| values[code as usize].as_str())).collect();
        Ok(cast(&values, data_type)?)
    }
}

/// Writes for each row that came its number in `train`, its class, and the rows that it lies between.
pub(super) fn added(context: &mut StepContext, rows: &Rows, plan: &Plan) -> Result<(), StepError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("row_number", DataType::Int64, false),
        Field::new("class", DataType::Utf8, false),
        Field::new("from_row", DataType::Int64, false),
        Field::new("toward_row", DataType::Int64, true),
    ]));
    let first = rows.classes.len() - plan.dropped.len();
    let number = |added: &Added| i64::from(added.base);
    let columns: Vec<ArrayRef> = vec![
        Arc::new((first..first + plan.added.len()).map(|row| i64::try_from(row).ok()).collect::<Int64Array>()),
        Arc::new(StringArray::from_iter_values(
            plan.added.iter().map(|added| &rows.labels[rows.classes[added.base as usize] as usize]),
        )),
        Arc::new(plan.added.iter().map(number).collect::<Int64Array>()),
        Arc::new(plan.added.iter().map(|added| added.toward.map(i64::from)).collect::<Int64Array>()),
    ];
    let mut output = context.create_table(&schema)?;
    output.write(&RecordBatch::try_new(schema, columns)?)?;
    context.finish_table("added", output)?;
    Ok(())
}

/// Writes the rows that went, with the reason and the row that is to blame.
pub(super) fn dropped(context: &mut StepContext, table: &TableReader, plan: &Plan) -> Result<(), StepError> {
    let schema = dropped_schema(table.schema());
    let mut output = context.create_table(&schema)?;
    let (mut place, mut first) = (0, 0_u32);
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let end = first + count(&batch);
        let gone = plan.dropped[place..].partition_point(|dropped| dropped.row < end);
        let dropped = &plan.dropped[place..place + gone];
        if gone > 0 {
            output.write(&excerpt(&schema, &batch, dropped, first)?)?;
        }
        place += gone;
        first = end;
    }
    context.finish_table("dropped", output)?;
    Ok(())
}

fn dropped_schema(table: &Schema) -> SchemaRef {
    let free = |name: &str| free_name(name, |name| table.index_of(name).is_ok());
    let own = [
        Field::new(free("reason"), DataType::Utf8, false),
        Field::new(free("row_number"), DataType::Int64, false),
        Field::new(free("because_of_row"), DataType::Int64, true),
    ];
    let fields: Vec<Field> = own.into_iter().chain(table.fields().iter().map(|field| field.as_ref().clone())).collect();
    Arc::new(Schema::new(fields))
}

fn excerpt(schema: &SchemaRef, batch: &RecordBatch, gone: &[Dropped], first: u32) -> Result<RecordBatch, StepError> {
    let places: UInt32Array = gone.iter().map(|dropped| dropped.row - first).collect();
    let own: [ArrayRef; 3] = [
        Arc::new(StringArray::from_iter_values(gone.iter().map(|dropped| dropped.reason))),
        Arc::new(gone.iter().map(|dropped| i64::from(dropped.row)).collect::<Int64Array>()),
        Arc::new(gone.iter().map(|dropped| dropped.because_of.map(i64::from)).collect::<Int64Array>()),
    ];
    let taken = take_record_batch(batch, &places)?;
    let columns = own.into_iter().chain(taken.columns().iter().cloned()).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Says that columns are those of the table, and which of them have new values.
pub(super) fn lineage(
    context: &mut StepContext,
    table: &TableReader,
    layout: &Layout,
    kind: &str,
    adds: bool,
) -> Result<(), StepError> {
    for column in table.columns() {
        let is_made = adds && layout.numbers.iter().chain(&layout.categories).any(|name| name == column);
        context.column_from("train", column, "train", column, if is_made { kind } else { "identity" })?;
    }
    Ok(())
}
