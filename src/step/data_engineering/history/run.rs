//! How `data.lags` goes through a table: in one pass where the rows of each group are in the order of time, and otherwise
//! with the columns in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::super::{parts, room};
use super::by_key::{need_numbers, numbers};
use super::lags::DataLags;
use super::series::{Memory, Seen};
use super::timeline::{self, Timeline};
use crate::step::{Progress, StagedTable, StepContext, StepError};
use crate::table::{BATCH_ROWS, TableReader};

/// What a remembered value takes in a window, at most.
const BYTES_PER_VALUE: u64 = 88;

/// Runs the step.
pub(super) fn run(step: &DataLags, context: &mut StepContext) -> Result<(), StepError> {
    let table = context.table("table")?;
    for column in &step.params.columns {
        need_numbers(&table, column, "`data.lags`")?;
    }
    let schema = schema(step, &table)?;
    let bytes = table.rows().saturating_mul(timeline::BYTES_PER_ROW);
    room::claim(context, "the times and groups of all rows", bytes, "leave rows out")?;
    let timeline = Timeline::read(step, &table, context)?;
    let looks = Looks::new(step, timeline.count);
    let remembered = looks.bytes(&timeline);
    let groups = timeline.count;
    if timeline.order.is_none() {
        room::claim(context, "the last rows of every group", remembered, "look back less far")?;
        context.log(format!("{groups} groups, in the order of time: one pass"));
    } else {
        let width = ((1 + looks.width) * step.params.columns.len()) as u64;
        let bytes = table.rows().saturating_mul(8 * width).saturating_add(remembered);
        let what = "sorting the rows, which are not in the order of time,";
        room::claim(context, what, bytes, "sort them by time in a `data.sql` step before")?;
        context.log(format!("{groups} groups, not in the order of time: sorted in memory"));
    }
    let mut output = context.create_table(&schema)?;
    match &timeline.order {
        None => stream(&table, &schema, looks, &timeline, &mut output, context)?,
        Some(order) => {
            let made = sorted(&table, looks, &timeline, order, context)?;
            beside(&table, &schema, &made, &mut output, context)?;
        }
    }
    context.finish_table("table", output)?;
    lineage(step, &table, context)
}

/// The fields of the table and those that are made, by column and look.
fn schema(step: &DataLags, table: &TableReader) -> Result<SchemaRef, StepError> {
    let mut fields = table.schema().fields().to_vec();
    let mut known: BTreeSet<String> = fields.iter().map(|field| field.name().clone()).collect();
    for name in new_names(step) {
        if !known.insert(name.clone()) {
            return Err(StepError::input("duplicate_column", format!("there would be a second column `{name}`"))
                .help("rename the other one in a `data.sql` step before, or ask for it once"));
        }
        fields.push(Arc::new(Field::new(name, DataType::Float64, true)));
    }
    Ok(Arc::new(Schema::new_with_metadata(fields, table.schema().metadata().clone())))
}

fn new_names(step: &DataLags) -> impl Iterator<Item = String> {
    let ends = || step.made.iter().flat_map(|made| &made.columns).map(|(end, _)| end);
    step.params.columns.iter().flat_map(move |column| ends().map(move |end| format!("{column}_{end}")))
}

/// What all groups remember.
struct Looks<'step> {
    step: &'step DataLags,
    /// How many columns are made of one.
    width: usize,
    /// By group, column and look.
    memories: Vec<Option<Vec<Memory>>>,
}

impl<'step> Looks<'step> {
    fn new(step: &'step DataLags, groups: usize) -> Looks<'step> {
        let width = step.made.iter().map(|made| made.columns.len()).sum();
        Looks { step, width, memories: vec![None; groups] }
    }

    /// What is remembered at once, at most.
    fn bytes(&self, timeline: &Timeline) -> u64 {
        let made = &self.step.made;
        let groups = if timeline.order.is_some() { 1 } else { timeline.count };
        let values: usize = made.iter().map(|made| timeline.kept(made.look)).sum();
        let memories = groups.saturating_mul(made.len() * size_of::<Memory>());
        let of_column = (memories as u64).saturating_add((values as u64).saturating_mul(BYTES_PER_VALUE));
        of_column.saturating_mul(self.step.params.columns.len() as u64)
    }

    /// Shows the next row of a group, with the values of all columns; `put` gets each made value.
    fn next(&mut self, group: u32, time: f64, values: impl Iterator<Item = f64>, mut put: impl FnMut(usize, f64)) {
        let made = &self.step.made;
        let columns = self.step.params.columns.len();
        let fresh = || (0..columns).flat_map(|_| made.iter().map(|made| Memory::new(made.look))).collect();
        let memories: &mut Vec<Memory> = self.memories[group as usize].get_or_insert_with(fresh);
        let mut memories = memories.iter_mut();
        let mut place = 0;
        for value in values {
            for (made, memory) in made.iter().zip(&mut memories) {
                let seen = memory.next(time, value);
                for (_, function) in &made.columns {
                    let result = match (seen, function) {
                        (Seen::Value(value), _) => value,
                        (Seen::Tally(tally, rows), Some(function)) => made.result(&tally, rows, *function),
                        (Seen::Tally(..) | Seen::Nothing, _) => f64::NAN,
                    };
                    put(place, result);
                    place += 1;
                }
            }
        }
    }

    /// A group has no further rows.
    fn forget(&mut self, group: u32) {
        self.memories[group as usize] = None;
    }
}

/// Writes every batch with its made columns, row by row.
fn stream(
    table: &TableReader,
    schema: &SchemaRef,
    mut looks: Looks<'_>,
    timeline: &Timeline,
    output: &mut StagedTable,
    context: &mut StepContext,
) -> Result<(), StepError> {
    let names = &looks.step.params.columns;
    let mut first = 0;
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let values = values(&batch, names);
        let mut made = vec![vec![f64::NAN; batch.num_rows()]; looks.width * names.len()];
        for row in 0..batch.num_rows() {
            let (group, time) = (timeline.groups[first + row], timeline.times[first + row]);
            looks.next(group, time, values.iter().map(|column| column[row]), |place, value| made[place][row] = value);
        }
        let made = made.into_iter().map(|values| array(&values));
        let columns = batch.columns().iter().cloned().chain(made).collect();
        output.write(&RecordBatch::try_new(Arc::clone(schema), columns)?)?;
        first += batch.num_rows();
        report(context, table, first);
    }
    Ok(())
}

/// All made columns, made in the order of time.
fn sorted(
    table: &TableReader,
    mut looks: Looks<'_>,
    timeline: &Timeline,
    order: &[u32],
    context: &StepContext,
) -> Result<Vec<Vec<f64>>, StepError> {
    let columns = &looks.step.params.columns;
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut all: Vec<Vec<f64>> = vec![Vec::with_capacity(order.len()); names.len()];
    for batch in table.select(&names)? {
        context.check_cancelled()?;
        for (all, column) in all.iter_mut().zip(values(&batch?, columns)) {
            all.extend(column);
        }
    }
    let mut made = vec![vec![f64::NAN; order.len()]; looks.width * names.len()];
    let mut last = None;
    for rows in order.chunks(BATCH_ROWS) {
        context.check_cancelled()?;
        for row in rows {
            let row = *row as usize;
            let group = timeline.groups[row];
            if let Some(group) = last.replace(group).filter(|last| *last != group) {
                looks.forget(group);
            }
            let values = all.iter().map(|column| column[row]);
            looks.next(group, timeline.times[row], values, |place, value| made[place][row] = value);
        }
    }
    Ok(made)
}

/// Writes made columns beside the rows, in the order of the table.
fn beside(
    table: &TableReader,
    schema: &SchemaRef,
    made: &[Vec<f64>],
    output: &mut StagedTable,
    context: &mut StepContext,
) -> Result<(), StepError> {
    let mut first = 0;
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let end = first + batch.num_rows();
        let made = made.iter().map(|values| array(&values[first..end]));
        let columns = batch.columns().iter().cloned().chain(made).collect();
        output.write(&RecordBatch::try_new(Arc::clone(schema), columns)?)?;
        first = end;
        report(context, table, first);
    }
    Ok(())
}

fn values(batch: &RecordBatch, names: &[String]) -> Vec<Vec<f64>> {
    let column = |name: &String| batch.column_by_name(name).map_or_else(Vec::new, numbers);
    names.iter().map(column).collect()
}

fn array(values: &[f64]) -> ArrayRef {
    Arc::new(values.iter().map(|value| Some(*value).filter(|value| !value.is_nan())).collect::<Float64Array>())
}

fn report(context: &mut StepContext, table: &TableReader, done: usize) {
    let progress = Progress { done: done as u64, total: Some(table.rows()), unit: "rows", note: String::new() };
    context.progress(&progress);
}

/// Every made column comes from the one it looks at; time and group only decide which of its rows.
fn lineage(step: &DataLags, table: &TableReader, context: &mut StepContext) -> Result<(), StepError> {
    parts::identity(context, "table", "table", table)?;
    let params = &step.params;
    for column in &params.columns {
        for made in &step.made {
            for (end, _) in &made.columns {
                let name = format!("{column}_{end}");
                context.column_from("table", &name, "table", column, made.transform)?;
                for condition in std::iter::once(&params.time).chain(&params.group_by).filter(|one| *one != column) {
                    context.column_from("table", &name, "table", condition, "condition")?;
                }
            }
        }
    }
    Ok(())
}
