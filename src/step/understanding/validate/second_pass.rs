//! The second pass: which rows failed, as tables of those that failed and of those that are put aside.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, UInt32Array};
use arrow::compute::{filter_record_batch, not, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::check::{Check, State};
use super::setting::Setting;
use crate::step::{Progress, StagedTable, StepContext, StepError};
use crate::table::{TableReader, free_name};

/// Whether rows have to pass a second time.
pub(super) fn is_needed(checks: &[Check], max_failures: usize) -> bool {
    let has_failures = |check: &Check| check.tally().is_some_and(|tally| tally.unexpected > 0);
    checks.iter().any(Check::looks_again) || (max_failures > 0 && checks.iter().any(has_failures))
}

/// Looks at the rows again. Writes the failing ones as output `failures`, in the order of the checks and of the rows, and
/// splits the table into the outputs `table` and `quarantine` where rows are put aside. Gives the number of these.
pub(super) fn run(
    context: &mut StepContext,
    table: &TableReader,
    setting: &Setting<'_>,
    checks: &mut [Check],
    max_failures: usize,
) -> Result<u64, StepError> {
    rewind(setting, checks);
    let looks_again: Vec<bool> = checks.iter().map(Check::looks_again).collect();
    let puts_aside = checks.iter().any(|check| check.puts_aside() && check.looks_again());
    let mut failures = Failures::new(table.schema(), checks.len());
    let mut aside = if puts_aside { Some(Aside::new(context, table.schema())?) } else { None };
    let mut first = 0u64;
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let fails: Vec<Option<BooleanArray>> = checks
            .iter_mut()
            .zip(&looks_again)
            .map(|(check, again)| if *again { check.again(&batch, first) } else { None })
            .collect();
        if max_failures > 0 {
            failures.take(checks, &batch, first)?;
        }
        if let Some(aside) = &mut aside {
            aside.take(checks, &fails, &batch)?;
        }
        first += batch.num_rows() as u64;
        let note = "looking at failing rows".to_owned();
        context.progress(&Progress { done: first, total: Some(table.rows()), unit: "rows", note });
    }
    failures.write(context)?;
    aside.map_or(Ok(0), |aside| aside.finish(context))
}

/// Lets tests that remember rows begin anew where they are asked a second time.
fn rewind(setting: &Setting<'_>, checks: &mut [Check]) {
    for check in checks.iter_mut().filter(|check| check.looks_again()) {
        if let State::Rows(rows) = &mut check.state
            && rows.remembers()
            && let State::Rows(fresh) = setting.check(String::new(), &check.expectation).state
        {
            rows.rewind(fresh.into_test());
        }
    }
}

/// The failing rows of each check, as many as it remembers.
struct Failures {
    schema: SchemaRef,
    kept: Vec<Vec<RecordBatch>>,
    /// How many of each check's failing rows are kept already.
    cursors: Vec<usize>,
}

impl Failures {
    fn new(table: &Schema, checks: usize) -> Failures {
        let free = |name: &str| free_name(name, |name| table.index_of(name).is_ok());
        let own = [
            Field::new(free("check_id"), DataType::Utf8, false),
            Field::new(free("row_number"), DataType::Int64, false),
        ];
        let fields: Vec<Field> =
            own.into_iter().chain(table.fields().iter().map(|field| field.as_ref().clone())).collect();
        Failures { schema: Arc::new(Schema::new(fields)), kept: vec![Vec::new(); checks], cursors: vec![0; checks] }
    }

    fn take(&mut self, checks: &[Check], batch: &RecordBatch, first: u64) -> Result<(), StepError> {
        let end = first + batch.num_rows() as u64;
        for ((check, kept), cursor) in checks.iter().zip(&mut self.kept).zip(&mut self.cursors) {
            let Some(tally) = check.tally() else { continue };
            let within = tally.failing[*cursor..].partition_point(|row| *row < end);
            let rows = &tally.failing[*cursor..*cursor + within];
            *cursor += within;
            if !rows.is_empty() {
                kept.push(excerpt(&self.schema, &check.id, batch, rows, first)?);
            }
        }
        Ok(())
    }

    fn write(self, context: &mut StepContext) -> Result<(), StepError> {
        if self.kept.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let mut writer = context.create_table(&self.schema)?;
        for batch in self.kept.iter().flatten() {
            writer.write(batch)?;
        }
        context.finish_table("failures", writer)?;
        Ok(())
    }
}

/// The two halves of the table.
struct Aside {
    schema: SchemaRef,
    rejected: StagedTable,
    passed: StagedTable,
    rows: u64,
}

impl Aside {
    fn new(context: &mut StepContext, table: &SchemaRef) -> Result<Aside, StepError> {
        let own = Field::new(free_name("rejected_by", |name| table.index_of(name).is_ok()), DataType::Utf8, false);
        let fields: Vec<Field> =
            table.fields().iter().map(|field| field.as_ref().clone()).chain(std::iter::once(own)).collect();
        let schema = Arc::new(Schema::new(fields));
        let (rejected, passed) = (context.create_table(&schema)?, context.create_table(table)?);
        Ok(Aside { schema, rejected, passed, rows: 0 })
    }

    fn take(&mut self, checks: &[Check], fails: &[Option<BooleanArray>], batch: &RecordBatch) -> Result<(), StepError> {
        let rejecting: Vec<(&str, &BooleanArray)> = checks
            .iter()
            .zip(fails)
            .filter(|(check, _)| check.puts_aside())
            .filter_map(|(check, fails)| Some((check.id.as_str(), fails.as_ref()?)))
            .collect();
        let by = |row: usize| {
            let names: Vec<&str> = rejecting.iter().filter(|(_, fails)| fails.value(row)).map(|(id, _)| *id).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let names: Vec<Option<String>> = (0..batch.num_rows()).map(by).collect();
        let mask: BooleanArray = names.iter().map(|names| Some(names.is_some())).collect();
        if mask.true_count() == 0 {
            return self.passed.write(batch);
        }
        let rejected = filter_record_batch(batch, &mask)?;
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(names.iter().flatten()));
        let columns = rejected.columns().iter().cloned().chain(std::iter::once(names)).collect();
        self.rejected.write(&RecordBatch::try_new(self.schema.clone(), columns)?)?;
        self.rows += rejected.num_rows() as u64;
        self.passed.write(&filter_record_batch(batch, &not(&mask)?)?)
    }

    /// Makes the outputs, unless no row was put aside after all.
    fn finish(self, context: &mut StepContext) -> Result<u64, StepError> {
        if self.rows > 0 {
            context.finish_table("quarantine", self.rejected)?;
            context.finish_table("table", self.passed)?;
        }
        Ok(self.rows)
    }
}

/// The name, with an underscore before it for as long as the table has such a column.
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
