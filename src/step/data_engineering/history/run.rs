//! How `data.lags` goes through a table: in one pass where the rows of each group are in the order of time, and otherwise
//! with the columns in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::super::{moments, parts, room};
use super::by_key::{ByKey, Missing, need_numbers, numbers};
use super::lags::{DataLags, Made, Ties};
use super::series::{Look, Memory, Seen};
use super::span::Reach;
use crate::step::{Progress, StagedTable, StepContext, StepError};
use crate::table::TableReader;

/// What a remembered value takes in a window, at most.
const BYTES_PER_VALUE: u64 = 64;

/// Runs the step.
pub(super) fn run(step: &DataLags, context: &mut StepContext) -> Result<(), StepError> {
    let table = context.table("table")?;
    let params = &step.params;
    for column in &params.columns {
        need_numbers(&table, column, "`data.lags`")?;
    }
    let schema = schema(step, &table)?;
    room::claim(context, "the times and groups of all rows", table.rows().saturating_mul(12), "leave rows out")?;
    let (times, is_time) = moments::of(&table, &params.time, context)?;
    let needs_time =
        |made: &Made| matches!(made.look, Look::Lag(Reach::Time(_)) | Look::Window { size: Reach::Time(_), .. });
    if !is_time && step.made.iter().any(needs_time) {
        let message = format!("column `{}` holds numbers, and lengths such as `7d` need times", params.time);
        return Err(StepError::input("time_type", message).help("give numbers of rows, or a column of dates"));
    }
    let (groups, count) = groups(step, &table, times.len(), context)?;
    let is_sorted = check_order(step, &times, &groups, count)?;
    let mut output = context.create_table(&schema)?;
    let looks = Looks::new(step, count);
    let per_group = step.made.iter().filter_map(|made| made.look.kept()).sum::<usize>() as u64 + 4 * looks.width as u64;
    let kept = (count as u64).saturating_mul(per_group).saturating_mul(params.columns.len() as u64 * BYTES_PER_VALUE);
    if is_sorted {
        room::claim(context, "the last rows of every group", kept, "look back less far")?;
        context.log(format!("{count} groups, in the order of time: one pass"));
        stream(&table, &schema, looks, (&times, &groups), &mut output, context)?;
    } else {
        let width = (params.columns.len() + looks.width * params.columns.len() + 1) as u64;
        let all = table.rows().saturating_mul(8 * width).saturating_add(kept.min(table.rows() * BYTES_PER_VALUE));
        let what = "sorting the rows, which are not in the order of time,";
        room::claim(context, what, all, "sort them by time in a `data.sql` step before")?;
        context.log(format!("{count} groups, not in the order of time: sorted in memory"));
        sorted(step, &table, &schema, looks, (&times, &groups), &mut output, context)?;
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

/// The group of each row, and how many there are.
fn groups(
    step: &DataLags,
    table: &TableReader,
    rows: usize,
    context: &StepContext,
) -> Result<(Vec<u32>, usize), StepError> {
    if step.params.group_by.is_empty() {
        return Ok((vec![0; rows], 1));
    }
    let names: Vec<&str> = step.params.group_by.iter().map(String::as_str).collect();
    let mut groups = ByKey::default();
    let mut of_row = Vec::with_capacity(rows);
    for batch in table.select(&names)? {
        context.check_cancelled()?;
        of_row.extend(groups.learn(&batch?, Missing::Value)?.into_iter().flatten());
    }
    Ok((of_row, groups.len()))
}

/// Whether time never falls within a group. Rows of one group at the same time are refused if the step says so.
fn check_order(step: &DataLags, times: &[f64], groups: &[u32], count: usize) -> Result<bool, StepError> {
    let mut last: Vec<Option<usize>> = vec![None; count];
    let (mut is_sorted, mut tie) = (true, None);
    for (row, group) in groups.iter().enumerate() {
        if let Some(before) = last[*group as usize].replace(row) {
            is_sorted &= times[before] <= times[row];
            if times[before].total_cmp(&times[row]).is_eq() {
                tie = tie.or(Some((before, row)));
            }
        }
    }
    if step.params.ties == Ties::InOrder {
        return Ok(is_sorted);
    }
    if !is_sorted && tie.is_none() {
        tie = by_time(times, groups).windows(2).find_map(|pair| {
            let [one, other] = [pair[0], pair[1]].map(|row| row as usize);
            let is_tie = groups[one] == groups[other] && times[one].total_cmp(&times[other]).is_eq();
            is_tie.then_some((one, other))
        });
    }
    let Some((one, other)) = tie else { return Ok(is_sorted) };
    let of = if step.params.group_by.is_empty() { "" } else { " of the same group" };
    let (one, other, time) = (one + 1, other + 1, &step.params.time);
    let message = format!("rows {one} and {other}{of} have the same `{time}`, so which one is before is not known");
    let help = "name the columns under `group_by` that tell them apart, aggregate them before, or say `ties: in_order`";
    Err(StepError::input("equal_times", message).help(help))
}

/// The rows by group and time; rows at the same time as in the table.
fn by_time(times: &[f64], groups: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(times.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|one, other| {
        let [one, other] = [*one as usize, *other as usize];
        groups[one].cmp(&groups[other]).then(times[one].total_cmp(&times[other]))
    });
    order
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
    (times, groups): (&[f64], &[u32]),
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
            let (group, time) = (groups[first + row], times[first + row]);
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

/// Makes all columns in the order of time, then writes them beside the rows in the order of the table.
fn sorted(
    step: &DataLags,
    table: &TableReader,
    schema: &SchemaRef,
    mut looks: Looks<'_>,
    (times, groups): (&[f64], &[u32]),
    output: &mut StagedTable,
    context: &mut StepContext,
) -> Result<(), StepError> {
    let names: Vec<&str> = step.params.columns.iter().map(String::as_str).collect();
    let mut all: Vec<Vec<f64>> = vec![Vec::with_capacity(times.len()); names.len()];
    for batch in table.select(&names)? {
        context.check_cancelled()?;
        for (all, column) in all.iter_mut().zip(values(&batch?, &step.params.columns)) {
            all.extend(column);
        }
    }
    let mut made = vec![vec![f64::NAN; times.len()]; looks.width * names.len()];
    let mut last = None;
    for row in by_time(times, groups) {
        let row = row as usize;
        if let Some(group) = last.replace(groups[row]).filter(|last| *last != groups[row]) {
            looks.forget(group);
        }
        let values = all.iter().map(|column| column[row]);
        looks.next(groups[row], times[row], values, |place, value| made[place][row] = value);
    }
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
