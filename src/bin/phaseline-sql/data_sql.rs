//! `data.sql` with its engine.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::prelude::DataFrame;
use futures_util::StreamExt;
use phaseline::id::InputName;
use phaseline::phase::Phase;
use phaseline::step::data_engineering::sql::{DataSql, Params};
use phaseline::step::understanding::source::{plain_batch, plain_type};
use phaseline::step::{ParamErrors, Ports, Progress, StepContext, StepError, StepKind};

use crate::engine::Engine;
use crate::failure::failure;
use crate::origins::{self, Origins};
use crate::warnings;

/// A step that queries its inputs.
pub(crate) struct Query(DataSql);

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
    let engine = Engine::open(context).await?;
    let frame = engine.plan(text).await?;
    let plan = frame.logical_plan();
    for warning in warnings::of_functions(plan).map_err(failure)?.into_iter().chain(warnings::of_order(plan)) {
        context.log(format!("warning: {warning}"));
    }
    let origins = origins::origins(plan).map_err(failure)?;
    write(frame, context).await?;
    lineage(context, origins, engine.tables())
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

async fn write(frame: DataFrame, context: &mut StepContext) -> Result<(), StepError> {
    let schema = plain_schema(frame.schema().as_arrow())?;
    let mut rows = 0;
    let mut table = context.create_table(&schema)?;
    let mut stream = frame.execute_stream().await.map_err(failure)?;
    while let Some(batch) = stream.next().await {
        context.check_cancelled()?;
        let batch = plain_batch(&batch.map_err(failure)?, &schema, &|| "in the result,".to_owned())?;
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
