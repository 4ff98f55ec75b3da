//! Expectations for others than `validate.table`: contracts at ingest, at an endpoint and in monitoring.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use arrow::array::BooleanArray;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use serde_json::Value;

use super::block::flow;
use super::check::{Check, State};
use super::expectation::{Expectation, Severity};
use super::setting::{Setting, ids};
use super::{first_pass, report, row_check};
use crate::step::{StepContext, StepError};
use crate::table::{TableReader, cell};

/// How long a description is at most, in characters.
const LONGEST: usize = 100;

/// A rule that a table breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// Its place among the expectations.
    pub place: usize,
    /// The columns that it is about.
    pub columns: Vec<String>,
    /// Rule and finding in words.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether single rows break it, which can be put aside.
    pub is_of_rows: bool,
}

/// Expectations that were measured on a table.
pub struct Screen {
    checks: Vec<Check>,
}

impl Screen {
    /// Measures expectations in one pass over the columns that they name.
    ///
    /// # Errors
    /// The table cannot be read, or the run was cancelled.
    pub fn measure(
        context: &mut StepContext,
        table: &TableReader,
        expectations: &[Expectation],
    ) -> Result<Screen, StepError> {
        let setting = setting(table.schema(), table.rows(), context.surroundings().memory_bytes);
        let checks = ids(expectations).into_iter().zip(expectations).map(|(id, it)| setting.check(id, it)).collect();
        Ok(Screen { checks: first_pass::run(context, table, checks)? })
    }

    /// The rules that the table breaks.
    pub fn broken(&self) -> Vec<Broken> {
        let checks = self.checks.iter().enumerate();
        checks
            .filter_map(|(place, check)| {
                let finding = match check.outcome() {
                    Ok(outcome) if outcome.success => return None,
                    Ok(outcome) => report::found(&outcome.result),
                    Err(reason) => format!("could not be checked: {reason}"),
                };
                Some(Broken {
                    place,
                    columns: check.expectation.named_columns().into_iter().map(str::to_owned).collect(),
                    message: format!("{}: {finding}", describe(&check.expectation)),
                    severity: check.expectation.severity,
                    is_of_rows: check.tally().is_some(),
                })
            })
            .collect()
    }

    /// Prepares for a second pass over the same rows: some tests remember what they saw.
    pub fn rewind(&mut self, table: &TableReader) {
        let setting = setting(table.schema(), table.rows(), None);
        for check in &mut self.checks {
            if let State::Rows(rows) = &mut check.state
                && let State::Rows(fresh) = setting.check(String::new(), &check.expectation).state
            {
                rows.rewind(fresh.into_test());
            }
        }
    }

    /// On the second pass, which rows of a batch, whose first is row `first`, break the rule at `place`.
    pub fn failing(&mut self, place: usize, batch: &RecordBatch, first: u64) -> Option<BooleanArray> {
        self.checks[place].again(batch, first)
    }

    /// The rule at `place` in words.
    pub fn rule(&self, place: usize) -> String {
        describe(&self.checks[place].expectation)
    }
}

fn setting(schema: &Schema, rows: u64, memory_bytes: Option<u64>) -> Setting<'_> {
    Setting {
        schema,
        rows,
        reference: None,
        history: None,
        answers: None,
        now: chrono::Utc::now().timestamp_micros(),
        limit: row_check::SHOWN,
        memory_bytes,
    }
}

/// An expectation in a few words: its check and what that was told.
fn describe(expectation: &Expectation) -> String {
    let Ok(Value::Object(mut arguments)) = serde_json::to_value(expectation) else {
        return expectation.check.as_str().to_owned();
    };
    for name in ["check", "column", "columns", "severity", "on_fail", "id"] {
        arguments.remove(name);
    }
    if arguments.is_empty() {
        return expectation.check.as_str().to_owned();
    }
    let text = format!("{} {}", expectation.check.as_str(), flow(&Value::Object(arguments)));
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST - 1).chain(['…']).collect() }
}

/// A row that breaks a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokenRow {
    /// The row of the batch.
    pub row: usize,
    /// The first column that the rule is about.
    pub column: String,
    /// The rule in words.
    pub rule: String,
    /// The value of that column.
    pub value: Value,
}

/// Rules of single rows, asked again and again about batches of one schema.
pub struct RowScreen {
    checks: Mutex<Vec<Check>>,
}

impl fmt::Debug for RowScreen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        formatter.debug_list().entries(checks.iter().map(|check| &check.id)).finish()
    }
}

impl RowScreen {
    /// The rules among `expectations` that a row by itself keeps or breaks, whose columns `schema` has.
    pub fn new(schema: &Schema, expectations: &[Expectation]) -> RowScreen {
        let setting = setting(schema, 0, None);
        let is_strict =
            |it: &&Expectation| it.mostly.is_none_or(|mostly| mostly >= 1.0) && it.severity == Severity::Critical;
        let is_alone = |check: &Check| matches!(&check.state, State::Rows(rows) if !rows.remembers());
        let checks = expectations.iter().filter(is_strict).map(|it| setting.check(it.check.as_str().to_owned(), it));
        RowScreen { checks: Mutex::new(checks.filter(is_alone).collect()) }
    }

    /// The rows of a batch that break a rule, rule by rule. A rule that cannot be checked any more for what is in the batch
    /// is told once, at the first row.
    pub fn broken(&self, batch: &RecordBatch) -> Vec<BrokenRow> {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut broken = Vec::new();
        for check in checks.iter_mut() {
            let could = matches!(check.state, State::Rows(_)) && batch.num_rows() > 0;
            let column = check.columns().into_iter().next().unwrap_or_default();
            let fails = check.again(batch, 0);
            if let (true, State::Raised(reason)) = (could, &check.state) {
                let rule = format!("{} cannot be checked: {reason}", describe(&check.expectation));
                broken.push(BrokenRow { row: 0, column, rule, value: Value::Null });
                continue;
            }
            let Some(fails) = fails.filter(|fails| fails.true_count() > 0) else { continue };
            let rule = describe(&check.expectation);
            let values = batch.column_by_name(&column);
            for row in fails.values().set_indices() {
                let value = values.map_or(Value::Null, |values| cell(values, row));
                broken.push(BrokenRow { row, column: column.clone(), rule: rule.clone(), value });
            }
        }
        broken
    }
}
