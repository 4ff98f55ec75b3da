//! `validate.table` with an engine for its queries. All else it does as it does without one.

use std::collections::BTreeSet;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::record_batch::RecordBatch;
use phaseline::phase::Phase;
use phaseline::step::understanding::validate::{Answer, Params, Queries, ValidateTable};
use phaseline::step::{Dependency, ParamErrors, Ports, StepContext, StepError, StepKind};
use phaseline::table::cell;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use crate::engine::Engine;
use crate::failure::failure;
use crate::warnings;

/// A step that checks a table, also by queries.
pub(crate) struct Checks(ValidateTable);

impl StepKind for Checks {
    const NAME: &'static str = ValidateTable::NAME;
    const VERSION: u32 = ValidateTable::VERSION;
    const PHASE: Phase = ValidateTable::PHASE;
    const SUMMARY: &'static str = ValidateTable::SUMMARY;
    const EXAMPLE: &'static str = ValidateTable::EXAMPLE;
    type Params = Params;

    fn adapt(params: Value) -> Result<Value, ParamErrors> {
        ValidateTable::adapt(params)
    }

    fn new(params: Params) -> Result<Self, ParamErrors> {
        ValidateTable::new(params).map(Checks)
    }

    fn ports(&self) -> Ports {
        self.0.ports()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.0.dependencies()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let engine = runtime.block_on(Engine::open(context))?;
        self.0.run_with(context, Some(&Asked { runtime, engine }))
    }
}

/// An engine that is asked one query after the other.
struct Asked {
    runtime: Runtime,
    engine: Engine,
}

impl Queries for Asked {
    /// Counts first, for which only the columns are read that decide about rows; most checks pass and need no more.
    fn answer(&self, context: &mut StepContext, query: &str, shown: usize) -> Result<Answer, StepError> {
        self.runtime.block_on(async {
            let frame = self.engine.plan(query).await?;
            let warnings = warnings::of_functions(frame.logical_plan()).map_err(failure)?;
            let rows = frame.clone().count().await.map_err(failure)? as u64;
            context.check_cancelled()?;
            let mut first = Vec::new();
            if rows > 0 {
                let batches = frame.limit(0, Some(shown)).map_err(failure)?.collect().await.map_err(failure)?;
                first.extend(batches.iter().flat_map(objects));
            }
            Ok(Answer { rows, first, warnings })
        })
    }
}

/// The rows of a batch as objects of values by column. A second column of the same name gets a number.
fn objects(batch: &RecordBatch) -> Vec<Value> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let columns: Vec<(String, &ArrayRef)> = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let numbered = (2..).map(|number| format!("{}_{number}", field.name()));
            let mut candidates = std::iter::once(field.name().clone()).chain(numbered);
            let name = candidates.find(|name| !names.contains(name)).expect("numbers do not end");
            names.insert(name.clone());
            (name, column)
        })
        .collect();
    let object =
        |row: usize| columns.iter().map(|(name, column)| (name.clone(), cell(column, row))).collect::<Map<_, _>>();
    (0..batch.num_rows()).map(|row| Value::Object(object(row))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};
    use phaseline::step::testing::{Workbench, batch, floats, ints, texts};
    use serde_json::json;

    use super::*;

    /// The first results of the checks, and the lines of the log.
    fn run(
        bench: &Workbench,
        params: Value,
        inputs: &[(&str, &RecordBatch)],
    ) -> Result<(Vec<Value>, Vec<String>), StepError> {
        let tables: Vec<_> = inputs.iter().map(|(name, rows)| (*name, bench.table(rows))).collect();
        let inputs: Vec<_> = tables.iter().map(|(name, table)| (*name, table)).collect();
        let (mut context, lines) = bench.context(&inputs);
        let params: Params = serde_json::from_value(Checks::adapt(params).unwrap()).unwrap();
        Checks::new(params).unwrap().run(&mut context)?;
        let outcome = context.into_outcome();
        let report = bench.store().path(&outcome.outputs[&"report".parse().unwrap()]).unwrap();
        let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        let log = lines.lock().unwrap().clone();
        Ok((report["results"].as_array().unwrap().clone(), log))
    }

    fn orders() -> RecordBatch {
        batch(&[
            ("Id", ints([Some(1), Some(2), None])),
            ("plan", texts([Some("a"), None, Some("ü")])),
            ("spent", floats([1.5, f64::NAN, -2.0])),
        ])
    }

    /// What one query over the orders gives, or why it gives nothing.
    fn answer(query: &str) -> String {
        let with = json!({"expect": [{"check": "sql", "query": query}]});
        let (results, _) = run(&Workbench::new(), with, &[("table", &orders())]).unwrap();
        match results[0]["exception_info"]["exception_message"].as_str() {
            Some(message) => message.to_owned(),
            None => results[0]["result"].to_string(),
        }
    }

    #[test]
    fn queries_say_what_great_expectations_says_of_them_over_sqlite() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/oracle/gx_queries.json")).unwrap();
        let values = |name: &str| fixture["table"][name].as_array().unwrap().iter();
        let table = RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(values("id").map(Value::as_i64).collect::<Int64Array>()) as ArrayRef, true),
            ("plan", Arc::new(values("plan").map(Value::as_str).collect::<StringArray>()), true),
            ("spent", Arc::new(values("spent").map(Value::as_f64).collect::<Float64Array>()), true),
            ("Limit", Arc::new(values("Limit").map(Value::as_i64).collect::<Int64Array>()), true),
        ])
        .unwrap();
        let cases = fixture["cases"].as_array().unwrap();
        assert!(cases.len() > 15 && cases.iter().any(|case| case["result"]["observed_value"] == 64));
        for case in cases {
            let with = json!({"suite": case["suite"].to_string()});
            let (results, _) = run(&Workbench::new(), with, &[("table", &table)]).unwrap();
            assert_eq!(results[0]["success"], case["success"], "{case:#}");
            assert_eq!(results[0]["result"], case["result"], "{case:#}\n{:#}", results[0]);
        }
    }

    #[test]
    fn a_query_reads_the_inputs_that_are_bound_and_nothing_else() {
        let query = "SELECT t.Id, r.n, h.value FROM table t JOIN reference r ON r.n = t.Id CROSS JOIN history h";
        let with = json!({"expect": [{"check": "sql", "query": query}]});
        let (reference, history) = (batch(&[("n", ints([2, 3]))]), batch(&[("value", floats([7.5]))]));
        let inputs = [("table", &orders()), ("reference", &reference), ("history", &history)];
        let (results, _) = run(&Workbench::new(), with, &inputs).unwrap();
        assert_eq!(results[0]["result"]["details"]["unexpected_rows"], json!([{"Id": 2, "n": 2, "value": 7.5}]));
        insta::assert_snapshot!(answer("SELECT * FROM reference"), @"table 'reference' not found; the tables are the step's inputs, `table`; names keep their case");
        insta::assert_snapshot!(answer("SELECT * FROM TABLE"), @"table 'TABLE' not found; the tables are the step's inputs, `table`; names keep their case");
        insta::assert_snapshot!(answer("SELECT * FROM '/etc/passwd'"), @"table '/etc/passwd' not found; the tables are the step's inputs, `table`; names keep their case");
    }

    #[test]
    fn a_wrong_query_is_told_in_the_engines_words() {
        insta::assert_snapshot!(answer("SELECT id FROM table"), @r#"No field named id. Did you mean 'table."Id"'?; the tables are the step's inputs, `table`; names keep their case"#);
        insta::assert_snapshot!(answer("SELECT 1; SELECT 2"), @"the text holds several statements; write one query; another one is another step or check");
        insta::assert_snapshot!(answer("WITH a AS (SELECT 1) INSERT INTO \"table\" SELECT * FROM a"), @r#"Query INSERT INTO "table" SELECT * FROM a not implemented yet; the tables are the step's inputs, `table`; names keep their case"#);
        insta::assert_snapshot!(answer("SELECT 1 / (Id - Id) AS x FROM table WHERE Id = 1"), @"Divide by zero error");
    }

    #[test]
    fn values_are_shown_as_in_all_reports() {
        insta::assert_snapshot!(answer("SELECT * FROM table ORDER BY Id"), @r#"{"observed_value":3,"details":{"unexpected_rows":[{"Id":1,"plan":"a","spent":1.5},{"Id":2,"plan":null,"spent":"NaN"},{"Id":null,"plan":"ü","spent":-2.0}]}}"#);
        insta::assert_snapshot!(
            answer("SELECT a.Id, b.Id, [a.Id, 7] AS list, DATE '2026-02-28' AS day, CAST(1.5 AS DECIMAL(20, 3)) AS exact, 1.0 / 0.0 AS far
                FROM table a JOIN table b ON a.Id = b.Id WHERE a.Id = 2"),
            @r#"{"observed_value":1,"details":{"unexpected_rows":[{"Id":2,"Id_2":2,"list":"[2, 7]","day":"2026-02-28","exact":1.5,"far":"inf"}]}}"#
        );
    }

    #[test]
    fn a_query_beside_other_checks_is_one_of_them() {
        let with = json!({"expect": [
            {"column": "Id", "check": "not_null", "on_fail": "quarantine"},
            {"check": "sql", "id": "young", "query": "SELECT * FROM table WHERE now() < TIMESTAMP '2000-01-01'"},
        ]});
        let (results, log) = run(&Workbench::new(), with, &[("table", &orders())]).unwrap();
        assert_eq!((&results[0]["success"], &results[1]["success"]), (&json!(false), &json!(true)));
        let warning = "warning: young: `now` gives another value at another time, but a result that is reused does not";
        assert!(log.contains(&warning.to_owned()), "{log:?}");
    }

    #[test]
    fn a_query_that_needs_more_memory_than_the_step_has_fails_the_step() {
        let mut bench = Workbench::new();
        bench.memory_bytes = Some(4 << 20);
        let query =
            "SELECT a.value FROM generate_series(1, 1000000) a JOIN generate_series(1, 1000000) b ON a.value = b.value";
        let with = json!({"expect": [{"check": "sql", "query": query}]});
        let error = run(&bench, with, &[("table", &orders())]).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "out_of_memory");
        assert!(error.remedy().unwrap().contains("resources: {memory: …}"));
    }

    #[test]
    fn a_cancelled_step_asks_no_further_query() {
        let bench = Workbench::new();
        bench.cancel();
        let with = json!({"expect": [{"check": "sql", "query": "SELECT * FROM table"}]});
        assert_eq!(run(&bench, with, &[("table", &orders())]).map(|_| ()).unwrap_err().code(), "cancelled");
    }
}
