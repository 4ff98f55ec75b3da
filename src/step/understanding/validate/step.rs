//! The step `validate.table`.

use arrow::datatypes::Schema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::check::Check;
use super::expectation::{Consequence, Expectation, list_schema};
use super::queries::{Answers, Queries};
use super::report::report;
use super::setting::{Setting, ids, microseconds};
use super::{first_pass, gx, row_check, second_pass};
use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::query::QUERY_PROGRAM;
use crate::step::understanding::contract::ContractFile;
use crate::step::{
    Dependency, InputPort, OutputPort, ParamError, ParamErrors, Ports, StepContext, StepError, StepKind,
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
    /// The checks, each with the column that it looks at and what it needs; docs/checks.md lists them.
    #[serde(default)]
    #[schemars(schema_with = "list_schema")]
    pub expect: Vec<Expectation>,
    /// An expectation suite of Great Expectations as JSON, whose checks are added: `file:suite.json`.
    #[serde(default)]
    pub suite: Option<String>,
    /// A schema contract, whose columns, types and rules are checked as well: `file:contracts/customers.yaml`.
    #[serde(default)]
    pub contract: Option<ContractFile>,
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
    const VERSION: u32 = 5;
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
    const PROGRAM: Option<&'static str> = Some(QUERY_PROGRAM);
    type Params = Params;

    fn adapt(params: Value) -> Result<Value, ParamErrors> {
        gx::adapt(params)
    }

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
        let table = OutputPort::new("table", ArtifactKind::Table).from_inputs(&["table"]);
        let may_skip = self.params.expect.iter().any(|check| check.on_fail == Some(Consequence::SkipDownstream));
        Ports::new(
            [
                InputPort::one("table", ArtifactKind::Table),
                InputPort::optional("reference", ArtifactKind::Table),
                InputPort::optional("history", ArtifactKind::Table),
            ],
            [
                if may_skip { table.maybe() } else { table },
                OutputPort::new("report", ArtifactKind::Report),
                OutputPort::new("failures", ArtifactKind::Table).from_inputs(&["table"]).maybe(),
                OutputPort::new("quarantine", ArtifactKind::Table).from_inputs(&["table"]).maybe(),
            ],
        )
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let reads_clock =
            self.params.now.is_none() && self.params.expect.iter().any(|check| check.check.as_str() == "freshness");
        if reads_clock { vec![Dependency::Unknown("`freshness` reads the clock".to_owned())] } else { Vec::new() }
    }

    fn needs_program(&self) -> bool {
        self.params.expect.iter().any(Expectation::asks_query)
    }

    /// Without an engine: where there are queries to ask, the program that has one was not there to take over.
    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        self.run_with(context, None)
    }
}

impl ValidateTable {
    /// Does the work, queries being asked of an engine.
    ///
    /// # Errors
    /// As [`StepKind::run`].
    pub fn run_with(&self, context: &mut StepContext, engine: Option<&dyn Queries>) -> Result<(), StepError> {
        let table = context.table("table")?;
        let expect = self.expectations(table.schema());
        let ids = ids(&expect);
        let answers = Answers::of(context, engine, ids.iter().zip(&expect))?;
        let reference = context.optional_table("reference")?;
        let history = context.optional_table("history")?;
        let setting = Setting {
            schema: table.schema(),
            rows: table.rows(),
            reference: reference.as_ref(),
            history: history.as_ref(),
            answers: Some(&answers),
            now: self.now(),
            limit: self.failures_per_check(expect.len()),
            memory_bytes: context.surroundings().memory_bytes,
        };
        let checks: Vec<Check> = ids.into_iter().zip(&expect).map(|(id, it)| setting.check(id, it)).collect();
        let mut checks = first_pass::run(context, &table, checks)?;
        let mut quarantined = 0;
        if second_pass::is_needed(&checks, self.params.max_failures) {
            let max_failures = self.params.max_failures;
            quarantined = second_pass::run(context, &table, &setting, &mut checks, max_failures)?;
        }
        let report = report(&checks, table.rows(), quarantined);
        report.remarks.iter().for_each(|remark| context.log(remark));
        if quarantined > 0 {
            context.log(format!("{quarantined} of {} rows are put aside in the output `quarantine`", table.rows()));
        }
        if report.skipping.is_empty() {
            if quarantined == 0 {
                let input = context.input("table")?.artifact.clone();
                context.forward("table", &input)?;
            }
        } else {
            context.withdraw("table");
            let names = report.skipping.join(", ");
            context.log(format!("no table goes on, so that the steps that read it are skipped: {names} failed"));
        }
        context.commit_report("report", &report.document)?;
        context.metric("checks", report.checks as f64);
        context.metric("failed", report.failed as f64);
        context.metric("warnings", report.warnings as f64);
        context.metric("success_percent", report.success_percent);
        context.metric("rows", table.rows() as f64);
        context.metric("quarantined", quarantined as f64);
        for check in checks.iter().filter(|check| check.expectation.check.as_str() == "anomaly") {
            // What was measured is recorded under a name of its own, for the history of later runs.
            let observed = check.outcome().ok().and_then(|outcome| outcome.result.get("observed_value")?.as_f64());
            context.metric(format!("observed.{}", check.id), observed.unwrap_or(f64::NAN));
        }
        let share = if table.rows() == 0 { 0.0 } else { quarantined as f64 / table.rows() as f64 };
        context.metric("quarantined_share", share);
        self.verdict(&report)
    }

    /// Microseconds since 1970 that count as now.
    fn now(&self) -> i64 {
        let given = self.params.now.as_deref().and_then(microseconds);
        given.unwrap_or_else(|| chrono::Utc::now().timestamp_micros())
    }

    /// What is written, and what the contract says of the columns that the table has or must have.
    fn expectations(&self, schema: &Schema) -> Vec<Expectation> {
        let of_contract = self.params.contract.iter().flat_map(|file| file.contract().expectations(schema));
        self.params.expect.iter().cloned().chain(of_contract).collect()
    }

    fn failures_per_check(&self, checks: usize) -> usize {
        (self.params.max_failures / checks.max(1)).max(usize::from(self.params.max_failures > 0) * row_check::SHOWN)
    }

    /// Fails the step where a check asks for it, or the step does for all critical ones.
    fn verdict(&self, report: &super::report::Report) -> Result<(), StepError> {
        let fails_all = self.params.on_fail == OnFail::Fail && report.failed > 0;
        if !fails_all && report.fatal.is_empty() {
            return Ok(());
        }
        let failed = report.failed.max(report.fatal.len());
        let message = format!("{failed} of {} checks failed: {}", report.checks, report.failures.join("; "));
        Err(StepError::input("checks_failed", message)
            .help("leave `on_fail` out to record the result and let a gate decide"))
    }
}
