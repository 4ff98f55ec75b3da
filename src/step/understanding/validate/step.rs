//! The step `validate.table`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{Check, State};
use super::expectation::{CheckName, Expectation};
use super::prepare::{Setting, ids, microseconds};
use super::report::report;
use super::{failures, row_check};
use crate::artifact::ArtifactKind;
use crate::expr::Expr;
use crate::phase::Phase;
use crate::step::{
    Dependency, InputPort, OutputPort, ParamError, ParamErrors, Ports, Progress, StepContext, StepError, StepKind,
};

/// What happens when a critical check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// The step succeeds and says so in its report and metrics; a gate decides.
    #[default]
    Record,
    /// The step fails.
    Fail,
}

/// What `validate.table` checks.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The checks, each with the column that it looks at and what it needs.
    pub expect: Vec<Expectation>,
    /// What happens when a critical check fails.
    #[serde(default)]
    pub on_fail: OnFail,
    /// How many failing rows are kept in the output `failures`, shared evenly among the row checks.
    #[serde(default = "default_max_failures")]
    pub max_failures: usize,
    /// The time that `freshness` counts from, as ISO text; the clock if left out, and then the step is never reused.
    #[serde(default)]
    pub now: Option<String>,
}

fn default_max_failures() -> usize {
    10_000
}

/// Checks a table against expectations.
pub struct ValidateTable {
    params: Params,
}

impl StepKind for ValidateTable {
    const NAME: &'static str = "validate.table";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Checks a table against expectations and keeps the rows that fail.";
    const EXAMPLE: &'static str = "\
uses: validate.table
inputs: {table: customers}
with:
  expect:
    - {column: customerID, check: unique}
    - {column: tenure, check: between, min: 0, max: 120}
    - {column: Churn, check: in_set, values: [\"Yes\", \"No\"]}
    - {column: TotalCharges, check: not_null, mostly: 0.99, severity: warning}
    - {check: expr, expr: TotalCharges >= MonthlyCharges, where: tenure > 0, mostly: 0.95}
    - {check: row_count, min: 100}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let mut problems = Vec::new();
        let is_unreadable = |now: &str| microseconds(now).is_none();
        if params.now.as_deref().is_some_and(is_unreadable) {
            problems.push(ParamError {
                path: vec!["now".to_owned()],
                message: "`now` is not a time".to_owned(),
                help: Some("write `2026-02-28T10:30:00Z`".to_owned()),
            });
        }
        for (index, expectation) in params.expect.iter().enumerate() {
            problems.extend(expectation.problems().into_iter().map(|mut problem| {
                problem.path.splice(0..0, ["expect".to_owned(), index.to_string()]);
                problem
            }));
        }
        if problems.is_empty() { Ok(ValidateTable { params }) } else { Err(ParamErrors(problems)) }
    }

    fn ports(&self) -> Ports {
        Ports::new(
            [InputPort::one("table", ArtifactKind::Table), InputPort::optional("reference", ArtifactKind::Table)],
            [
                OutputPort::new("table", ArtifactKind::Table).from_inputs(&["table"]),
                OutputPort::new("report", ArtifactKind::Report),
                OutputPort::new("failures", ArtifactKind::Table).from_inputs(&["table"]).maybe(),
            ],
        )
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let reads_clock =
            self.params.now.is_none() && self.params.expect.iter().any(|check| check.check == CheckName::Freshness);
        if reads_clock { vec![Dependency::Unknown("`freshness` reads the clock".to_owned())] } else { Vec::new() }
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = context.table("table")?;
        let reference = context.optional_table("reference")?;
        let setting = Setting {
            schema: table.schema(),
            rows: table.rows(),
            reference: reference.as_ref(),
            now: self.now(),
            limit: self.failures_per_check(),
        };
        let mut checks: Vec<Check> = ids(&self.params.expect)
            .into_iter()
            .zip(&self.params.expect)
            .map(|(id, expectation)| setting.check(id, expectation))
            .collect();
        first_pass(context, &table, &mut checks)?;
        let has_failing_rows = checks.iter().any(|check| match &check.state {
            State::Rows(rows) => rows.tally.unexpected > 0,
            State::Unique(unique) => unique.tally.unexpected > 0,
            _ => false,
        });
        if has_failing_rows && self.params.max_failures > 0 {
            failures::write(context, &table, &mut checks)?;
        }
        let report = report(&checks, table.rows());
        report.remarks.iter().for_each(|remark| context.log(remark));
        let input = context.input("table")?.artifact.clone();
        context.forward("table", &input)?;
        context.commit_report("report", &report.document)?;
        context.metric("checks", report.checks as f64);
        context.metric("failed", report.failed as f64);
        context.metric("warnings", report.warnings as f64);
        context.metric("success_percent", report.success_percent);
        context.metric("rows", table.rows() as f64);
        if self.params.on_fail == OnFail::Fail && report.failed > 0 {
            let message =
                format!("{} of {} checks failed: {}", report.failed, report.checks, report.remarks.join("; "));
            return Err(StepError::input("checks_failed", message)
                .help("leave `on_fail` out to record the result and let a gate decide"));
        }
        Ok(())
    }
}

impl ValidateTable {
    /// Microseconds since 1970 that count as now.
    fn now(&self) -> i64 {
        let given = self.params.now.as_deref().and_then(microseconds);
        given.unwrap_or_else(|| chrono::Utc::now().timestamp_micros())
    }

    fn failures_per_check(&self) -> usize {
        let row_checks = self.params.expect.len().max(1);
        (self.params.max_failures / row_checks).max(usize::from(self.params.max_failures > 0) * row_check::SHOWN)
    }
}

/// Reads the columns that the checks name, once, and measures everything.
fn first_pass(
    context: &mut StepContext,
    table: &crate::table::TableReader,
    checks: &mut [Check],
) -> Result<(), StepError> {
    let columns = needed_columns(table, checks);
    if checks.iter().any(Check::reads_rows) {
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut done = 0;
        for batch in table.select(&names)? {
            context.check_cancelled()?;
            let batch = batch?;
            for check in checks.iter_mut() {
                check.batch(&batch, done);
            }
            done += batch.num_rows() as u64;
            let total = Some(table.rows());
            context.progress(&Progress { done, total, unit: "rows", note: String::new() });
        }
    }
    for check in checks {
        if let State::Unique(unique) = &mut check.state {
            unique.finish();
        }
    }
    Ok(())
}

/// The columns of the table that any check reads, in the table's order.
fn needed_columns(table: &crate::table::TableReader, checks: &[Check]) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for expectation in checks.iter().filter(|check| check.reads_rows()).map(|check| &check.expectation) {
        named.extend(expectation.column.clone());
        named.extend(expectation.columns.iter().flatten().cloned());
        for text in [&expectation.expr, &expectation.filter].into_iter().flatten() {
            let paths = Expr::parse(text).map(|expr| expr.paths()).unwrap_or_default();
            named.extend(paths.iter().map(|path| path.join(".")));
        }
    }
    table.columns().filter(|column| named.iter().any(|name| name == column)).map(str::to_owned).collect()
}
