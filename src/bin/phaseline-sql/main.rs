//! The worker program that carries DataFusion: runs `data.sql` steps by the same work orders as `phaseline worker`.
//!
//! A query sees its declared inputs and nothing else: no DDL, no files, no URLs. One partition makes the order of rows
//! a matter of the inputs alone; what does not fit in memory spills to the scratch folder.

mod origins;

use std::process::ExitCode;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::prelude::{DataFrame, ParquetReadOptions, SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::DFParser;
use datafusion::sql::sqlparser::parser::ParserError;
use futures_util::StreamExt;
use phaseline::id::InputName;
use phaseline::phase::Phase;
use phaseline::step::data_engineering::sql::{DataSql, Params};
use phaseline::step::understanding::source::{plain_batch, plain_type};
use phaseline::step::{ParamErrors, Ports, Progress, StepContext, StepError, StepKind, StepRegistry};
use phaseline::table::BATCH_ROWS;

use crate::origins::Origins;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What operators may hold in memory when the step says nothing, else half of what it may use: reading and writing come
/// on top.
const DEFAULT_MEMORY: u64 = 1 << 30;

#[expect(clippy::print_stderr, reason = "the one thing this program says by itself")]
fn main() -> ExitCode {
    phaseline::worker::main_if_worker(StepRegistry::of::<Query>).unwrap_or_else(|| {
        eprintln!("phaseline-sql runs `data.sql` steps for phaseline and is not started by hand");
        ExitCode::from(2)
    })
}

/// `data.sql` with its engine.
struct Query(DataSql);

impl StepKind for Query {
    const NAME: &'static str = DataSql::NAME;
    const VERSION: u32 = DataSql::VERSION;
    const PHASE: Phase = DataSql::PHASE;
    const SUMMARY: &'static str = DataSql::SUMMARY;
    const EXAMPLE: &'static str = DataSql::EXAMPLE;
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        DataSql::new(params).map(Query)
    }

    fn ports(&self) -> Ports {
        self.0.ports()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(query(self.0.query(), context))
    }
}

async fn query(text: &str, context: &mut StepContext) -> Result<(), StepError> {
    let session = session(context)?;
    let tables: Vec<_> = context.surroundings().inputs.keys().cloned().collect();
    for name in &tables {
        let path = context.path(&context.input(name.as_str())?.artifact)?;
        let path = path.to_str().ok_or_else(|| StepError::bug("the artifact store's path is not UTF-8"))?;
        let options = ParquetReadOptions::default().file_extension("");
        session.register_parquet(name.as_str(), path, options).await.map_err(failure)?;
    }
    let allowed = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = session.sql_with_options(text, allowed).await.map_err(|error| unplanned(error, text, &tables))?;
    for warning in warnings(frame.logical_plan()).map_err(failure)? {
        context.log(warning);
    }
    let origins = origins::origins(frame.logical_plan()).map_err(failure)?;
    write(frame, context).await?;
    lineage(context, origins, &tables)
}

/// Says which column of which input each column of the result comes from. Tables that a query makes for itself are no
/// inputs.
fn lineage(context: &mut StepContext, columns: Vec<(String, Origins)>, tables: &[InputName]) -> Result<(), StepError> {
    for (column, origins) in columns {
        for ((table, from_column), how) in origins {
            if tables.iter().any(|name| name.as_str() == table) {
                context.column_from("table", &column, &table, &from_column, how.as_str())?;
            }
        }
    }
    Ok(())
}

fn session(context: &StepContext) -> Result<SessionContext, StepError> {
    let surroundings = context.surroundings();
    let memory = surroundings.memory_bytes.map_or(DEFAULT_MEMORY, |bytes| bytes / 2);
    let spill = DiskManagerMode::Directories(vec![surroundings.scratch.clone()]);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(usize::try_from(memory).unwrap_or(usize::MAX))))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spill))
        .build_arc()
        .map_err(failure)?;
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
    // People write columns as they are named; `TotalCharges` is not `totalcharges`.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config.options_mut().execution.parquet.schema_force_view_types = false;
    let state =
        SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build();
    Ok(SessionContext::new_with_state(state))
}

async fn write(frame: DataFrame, context: &mut StepContext) -> Result<(), StepError> {
    let schema = plain_schema(frame.schema().as_arrow())?;
    let mut rows = 0;
    let mut table = context.create_table(&schema)?;
    let mut stream = frame.execute_stream().await.map_err(failure)?;
    while let Some(batch) = stream.next().await {
        context.check_cancelled()?;
        let batch = plain_batch(&batch.map_err(failure)?, &schema)?;
        rows += batch.num_rows() as u64;
        table.write(&batch)?;
        context.progress(&Progress { done: rows, total: None, unit: "rows", note: String::new() });
    }
    context.finish_table("table", table)?;
    context.metric("rows", rows as f64);
    context.metric("columns", schema.fields().len() as f64);
    Ok(())
}

/// The result's columns, brought to the types that steps work with.
fn plain_schema(found: &Schema) -> Result<SchemaRef, StepError> {
    let mut fields: Vec<Field> = Vec::new();
    for field in found.fields() {
        let name = field.name();
        if fields.iter().any(|known| known.name() == name) {
            return Err(StepError::input("sql_columns", format!("the query gives two columns named `{name}`"))
                .help("rename one with `AS`"));
        }
        let plain = plain_type(field.data_type()).ok_or_else(|| {
            let message = format!("column `{name}` has type {}, which no step works with", field.data_type());
            StepError::input("sql_type", message).help(format!("cast it, for instance `CAST(\"{name}\" AS VARCHAR)`"))
        })?;
        fields.push(Field::new(name, plain, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// What makes the same inputs give other rows, or other orders of rows.
fn warnings(plan: &LogicalPlan) -> Result<Vec<String>, DataFusionError> {
    let mut warnings = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.func.signature().volatility != Volatility::Immutable
                {
                    warnings.push(format!(
                        "warning: `{}` gives another value at another time, but a result that is reused does not",
                        call.func.name()
                    ));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if !is_ordered(plan) {
        warnings.push(
            "warning: without `ORDER BY` the order of rows is up to the engine and may change with its version"
                .to_owned(),
        );
    }
    Ok(warnings)
}

fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Limit(_) | LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().first().is_some_and(|input| is_ordered(input))
        }
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// Why a query cannot be planned, told to who wrote it.
fn unplanned(error: DataFusionError, text: &str, tables: &[InputName]) -> StepError {
    if DFParser::parse_sql(text).is_ok_and(|statements| statements.len() > 1) {
        return StepError::input("sql_query", "the text holds several statements")
            .help("write one query; another one is another step");
    }
    let error = failure(error);
    if error.code() != "sql_query" {
        return error;
    }
    let names: Vec<String> = tables.iter().map(|name| format!("`{name}`")).collect();
    error.help(match names.as_slice() {
        [] => "the step has no `inputs`, so that there is no table to read".to_owned(),
        _ => format!("the tables are the step's inputs, {}; names keep their case", names.join(", ")),
    })
}

fn failure(error: DataFusionError) -> StepError {
    let message = said(error.find_root());
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => {
            StepError::environment("out_of_memory", format!("the query needs more memory than it may use: {message}"))
                .help("raise `resources: {memory: …}`, or let `retry: {grow: {memory: 2x}}` raise it")
        }
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) | DataFusionError::ParquetError(_) => {
            StepError::environment("sql_io", message)
        }
        DataFusionError::Internal(_) => StepError::bug(message),
        _ => StepError::input("sql_query", message),
    }
}

/// The engine's words, without its own names for things and without what only its authors need.
fn said(error: &DataFusionError) -> String {
    let message = match error {
        DataFusionError::SQL(error, _) => match error.as_ref() {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.clone(),
            ParserError::RecursionLimitExceeded => "the query is nested too deeply".to_owned(),
        },
        DataFusionError::ArrowError(error, _) => error.to_string(),
        DataFusionError::SchemaError(error, _) => error.to_string(),
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message)
        | DataFusionError::ResourcesExhausted(message) => message.clone(),
        _ => error.strip_backtrace(),
    };
    message.lines().next().unwrap_or_default().replace("datafusion.public.", "")
}

#[cfg(test)]
mod tests {
    use phaseline::step::InputArtifact;
    use phaseline::step::testing::{Workbench, batch, floats, ints, texts};
    use phaseline::table::TableReader;

    use super::*;

    /// Runs a query on two small tables: its rows as text, or the code of its error.
    fn check(text: &str) -> String {
        let bench = Workbench::new();
        let customers = bench.table(&batch(&[("Id", ints([1, 2, 3])), ("plan", texts(["a", "b", "a"]))]));
        let calls = bench.table(&batch(&[("customer", ints([1, 1, 3])), ("minutes", floats([1.5, 2.0, 0.5]))]));
        let inputs: [(&str, &InputArtifact); 2] = [("customers", &customers), ("calls", &calls)];
        let (mut context, _) = bench.context(&inputs);
        let step = Query::new(Params { query: text.to_owned() }).unwrap();
        match step.run(&mut context) {
            Err(error) => error.code().to_owned(),
            Ok(()) => {
                let outcome = context.into_outcome();
                let path = bench.store().path(outcome.outputs.values().next().unwrap()).unwrap();
                phaseline::step::testing::show(&TableReader::open(&path).unwrap().read_all().unwrap())
            }
        }
    }

    #[test]
    fn inputs_are_joined_and_aggregated() {
        let query = "SELECT c.Id, count(s.minutes) AS calls, sum(s.minutes) AS minutes
            FROM customers c LEFT JOIN calls s ON s.customer = c.Id GROUP BY c.Id ORDER BY c.Id";
        assert_eq!(check(query), "Id:Int64 calls:Int64 minutes:Float64\n1 2 3.5\n2 0 ~\n3 1 0.5");
    }

    #[test]
    fn a_query_sees_its_inputs_and_nothing_else() {
        assert_eq!(check("SELECT * FROM other"), "sql_query");
        assert_eq!(check("SELECT * FROM '/etc/passwd'"), "sql_query");
        assert_eq!(check("SELECT nix FROM customers"), "sql_query");
    }

    /// The lineage of a query's result: each column with its origins.
    fn lineage(text: &str) -> String {
        let bench = Workbench::new();
        let customers = bench.table(&batch(&[("Id", ints([1])), ("plan", texts(["a"])), ("age", ints([40]))]));
        let calls = bench.table(&batch(&[("customer", ints([1])), ("minutes", floats([1.5])), ("day", ints([3]))]));
        let inputs: [(&str, &InputArtifact); 2] = [("customers", &customers), ("calls", &calls)];
        let (mut context, _) = bench.context(&inputs);
        Query::new(Params { query: text.to_owned() }).unwrap().run(&mut context).unwrap();
        let mut lines: Vec<String> = Vec::new();
        for edge in context.into_outcome().columns {
            let table = if edge.from == customers.artifact.digest { "customers" } else { "calls" };
            let origin = format!("{} {table}.{}", edge.transform, edge.from_column);
            match lines.last_mut().filter(|line| line.starts_with(&format!("{}:", edge.column))) {
                Some(line) => *line = format!("{line}, {origin}"),
                None => lines.push(format!("{}: {origin}", edge.column)),
            }
        }
        lines.join("\n")
    }

    #[test]
    fn every_column_is_traced_to_the_columns_that_its_values_come_from_and_to_those_that_choose_its_rows() {
        insta::assert_snapshot!(lineage(
            "SELECT c.Id, upper(c.plan) AS tier, sum(s.minutes) AS minutes FROM customers c JOIN calls s ON s.customer = c.Id
             WHERE c.age > 30 GROUP BY c.Id, c.plan"
        ), @r"
        Id: condition calls.customer, identity customers.Id, condition customers.age, condition customers.plan
        tier: condition calls.customer, condition customers.Id, condition customers.age, expression customers.plan
        minutes: condition calls.customer, aggregate calls.minutes, condition customers.Id, condition customers.age, condition customers.plan
        ");
        insta::assert_snapshot!(lineage(
            "WITH last AS (SELECT *, row_number() OVER (PARTITION BY customer ORDER BY day) AS n FROM calls)
             SELECT n, minutes * 2 AS doubled FROM last ORDER BY day LIMIT 1"
        ), @r"
        n: window calls.customer, window calls.day
        doubled: condition calls.day, expression calls.minutes
        ");
        insta::assert_snapshot!(lineage(
            "SELECT Id, (SELECT max(minutes) FROM calls s WHERE s.customer = c.Id) AS longest FROM customers c
             WHERE EXISTS (SELECT 1 FROM calls s WHERE s.customer = c.Id AND s.day > 1)"
        ), @r"
        Id: condition calls.customer, condition calls.day, identity customers.Id
        longest: condition calls.customer, condition calls.day, aggregate calls.minutes, condition customers.Id
        ");
        insta::assert_snapshot!(lineage(
            "SELECT Id AS n FROM customers UNION ALL SELECT day FROM calls UNION ALL SELECT 7"
        ), @"n: identity calls.day, identity customers.Id");
        insta::assert_snapshot!(lineage(
            "WITH RECURSIVE up(n) AS (SELECT min(day) FROM calls UNION ALL SELECT n + 1 FROM up WHERE n < 5)
             SELECT n, c.plan FROM up CROSS JOIN customers c"
        ), @r"
        n: aggregate calls.day
        plan: identity customers.plan
        ");
    }
}
