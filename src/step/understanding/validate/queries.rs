//! Queries as checks: what is asked of an engine, and what it answers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expectation::Expectation;
use super::row_check;
use crate::step::query::{program_missing, trimmed};
use crate::step::{Fault, Progress, StepContext, StepError};

/// An engine that answers queries over the tables at the inputs of a step.
pub trait Queries {
    /// How many rows a query gives, and the first `shown` of them.
    ///
    /// # Errors
    /// The query cannot be carried out. If that is a matter of the query or of the engine, its check fails and all others
    /// count; what the surroundings are to blame for fails the step.
    fn answer(&self, context: &mut StepContext, query: &str, shown: usize) -> Result<Answer, StepError>;
}

/// What a query gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// How many rows.
    pub rows: u64,
    /// The first of them, each an object of values by column.
    pub first: Vec<Value>,
    /// What is to be said of the query itself.
    pub warnings: Vec<String>,
}

/// The answers to all queries of a step, by query.
pub(super) struct Answers(BTreeMap<String, Result<Answer, String>>);

impl Answers {
    /// Asks the query of every expectation that has one, equal ones once.
    ///
    /// # Errors
    /// There is no engine to ask, or the surroundings let it fail.
    pub(super) fn of<'a>(
        context: &mut StepContext,
        engine: Option<&dyn Queries>,
        expected: impl Iterator<Item = (&'a String, &'a Expectation)>,
    ) -> Result<Answers, StepError> {
        let asking: Vec<(&String, &str)> = expected
            .filter(|(_, expectation)| expectation.asks_query())
            .filter_map(|(id, expectation)| Some((id, expectation.query.as_deref()?)))
            .collect();
        let mut answers = BTreeMap::new();
        for (place, (id, query)) in asking.iter().enumerate() {
            let engine = engine.ok_or_else(|| program_missing("`sql` checks"))?;
            context.check_cancelled()?;
            let total = Some(asking.len() as u64);
            context.progress(&Progress { done: place as u64, total, unit: "queries", note: (*id).clone() });
            if answers.contains_key(*query) {
                continue;
            }
            let answer = match engine.answer(context, trimmed(query), row_check::SHOWN) {
                Ok(answer) => Ok(answer),
                Err(error) if error.fault() == Fault::Environment => return Err(error),
                Err(error) => Err(told(&error)),
            };
            for warning in answer.iter().flat_map(|answer: &Answer| &answer.warnings) {
                context.log(format!("warning: {id}: {warning}"));
            }
            answers.insert((*query).to_owned(), answer);
        }
        Ok(Answers(answers))
    }

    /// What the query of an expectation gave.
    pub(super) fn to(&self, expectation: &Expectation) -> Result<Answer, String> {
        let asked = expectation.query.as_deref().and_then(|query| self.0.get(query));
        asked.cloned().unwrap_or_else(|| Err("the query was not asked".to_owned()))
    }
}

/// A failure with its remedy, on one line.
fn told(error: &StepError) -> String {
    match error.remedy() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::super::{Params, RowScreen, Screen, ValidateTable};
    use super::*;
    use crate::step::testing::{Workbench, batch, ints, texts};
    use crate::step::{StepKind, StepOutcome};

    /// An engine that knows a few queries by heart.
    #[derive(Default)]
    struct Heart {
        asked: RefCell<Vec<String>>,
    }

    impl Queries for Heart {
        fn answer(&self, _: &mut StepContext, query: &str, shown: usize) -> Result<Answer, StepError> {
            self.asked.borrow_mut().push(query.to_owned());
            match query.rsplit(' ').next().unwrap_or_default() {
                "none" => Ok(Answer::default()),
                "three" => {
                    let first = (0..3).map(|id| json!({"id": id, "plan": "pro"})).take(shown).collect();
                    Ok(Answer { rows: 3, first, warnings: vec!["`now` gives another value".to_owned()] })
                }
                "wide" => Ok(Answer { rows: 1, first: vec![json!({"text": "x".repeat(900)})], warnings: Vec::new() }),
                "hard" => Err(StepError::bug("a plan has lost a column")),
                "wrong" => Err(StepError::input("sql_query", "no field named id").help("the tables are `table`")),
                _ => Err(StepError::environment("out_of_memory", "the query needs more memory than it may use")),
            }
        }
    }

    struct Ended {
        outcome: StepOutcome,
        report: Value,
        log: Vec<String>,
    }

    impl Ended {
        fn metric(&self, name: &str) -> Option<f64> {
            self.outcome.metrics.iter().find(|metric| metric.name == name)?.value
        }

        fn has(&self, output: &str) -> bool {
            self.outcome.outputs.keys().any(|name| name.as_str() == output)
        }
    }

    fn run_on(rows: usize, params: Value, engine: Option<&dyn Queries>) -> Result<Ended, StepError> {
        let bench = Workbench::new();
        let all = batch(&[("id", ints([1, 2, 2])), ("plan", texts(["a", "b", "b"]))]);
        let table = bench.table(&all.slice(0, rows));
        let (mut context, lines) = bench.context(&[("table", &table)]);
        let params: Params = serde_json::from_value(ValidateTable::adapt(params).unwrap()).unwrap();
        ValidateTable::new(params).unwrap().run_with(&mut context, engine)?;
        let outcome = context.into_outcome();
        let path = bench.store().verified_path(&outcome.outputs[&"report".parse().unwrap()]).unwrap();
        let report = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let log = lines.lock().unwrap().clone();
        Ok(Ended { outcome, report, log })
    }

    fn run(expect: Value) -> Ended {
        run_on(3, json!({"expect": expect}), Some(&Heart::default())).unwrap()
    }

    #[test]
    fn rows_that_a_query_gives_are_unexpected() {
        let ended = run(json!([
            {"check": "sql", "query": "SELECT none"},
            {"check": "sql", "query": "SELECT three ;\n", "id": "unpaid"},
            {"column": "id", "check": "unique", "severity": "info"},
        ]));
        let results = ended.report["results"].as_array().unwrap();
        assert_eq!(results[0]["result"], json!({"observed_value": 0, "details": {"unexpected_rows": []}}));
        assert_eq!((&results[0]["success"], &results[0]["vacuous"]), (&json!(true), &json!(false)));
        let rows: Vec<Value> = (0..3).map(|id| json!({"id": id, "plan": "pro"})).collect();
        assert_eq!(results[1]["result"], json!({"observed_value": 3, "details": {"unexpected_rows": rows}}));
        assert_eq!((&results[1]["success"], &results[1]["check_id"]), (&json!(false), &json!("unpaid")));
        assert_eq!(results[1]["gx_type"], "unexpected_rows_expectation");
        assert_eq!(results[2]["result"]["unexpected_count"], 2, "other checks are measured as ever");
        insta::assert_snapshot!(ended.log.join("\n"), @r#"
        warning: unpaid: `now` gives another value
        warning: unpaid failed: the query gives 3 rows, such as {"id":0,"plan":"pro"}
        unique_id failed: 2 of 3 rows, such as 2
        "#);
        assert_eq!((ended.metric("failed"), ended.has("table")), (Some(1.0), true));
        assert!(run(json!([{"check": "sql", "query": "SELECT wide"}])).log[0].len() < 400, "an example is no page");
    }

    #[test]
    fn a_failed_query_leads_to_what_its_check_says() {
        let failing = |with: &str, value: &str| {
            run_on(
                3,
                json!({"expect": [{"check": "sql", "query": "SELECT three", with: value}]}),
                Some(&Heart::default()),
            )
        };
        let warned = failing("severity", "warning").unwrap();
        assert_eq!((warned.metric("failed"), warned.metric("warnings")), (Some(0.0), Some(1.0)));
        assert_eq!(failing("on_fail", "warn").unwrap().metric("warnings"), Some(1.0));
        assert!(!failing("on_fail", "skip_downstream").unwrap().has("table"));
        let error = failing("on_fail", "fail").map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "checks_failed");
        assert!(error.to_string().contains("sql failed: the query gives 3 rows, such as"), "{error}");
    }

    #[test]
    fn a_query_that_is_wrong_fails_its_check_and_no_other() {
        let ended = run(json!([
            {"check": "sql", "query": "SELECT wrong"},
            {"check": "row_count", "equals": 3},
            {"check": "sql", "query": "SELECT hard", "id": "hard", "severity": "info"},
        ]));
        let raised = &ended.report["results"][0]["exception_info"];
        assert_eq!(raised["exception_message"], "no field named id; the tables are `table`");
        assert_eq!(ended.report["results"][1]["success"], true);
        insta::assert_snapshot!(ended.log.join("\n"), @"
        warning: sql could not be checked: no field named id; the tables are `table`
        hard could not be checked: a plan has lost a column
        ");
        assert_eq!(ended.metric("failed"), Some(1.0));
    }

    #[test]
    fn what_the_surroundings_are_to_blame_for_fails_the_step() {
        let large = json!({"expect": [{"check": "sql", "query": "SELECT large"}]});
        let error = run_on(3, large, Some(&Heart::default())).map(|_| ()).unwrap_err();
        assert_eq!((error.code(), error.fault()), ("out_of_memory", Fault::Environment));
    }

    #[test]
    fn equal_queries_are_asked_once_and_without_an_engine_the_error_says_how_to_get_it() {
        let twice =
            json!({"expect": [{"check": "sql", "query": "SELECT none"}, {"check": "sql", "query": "SELECT none"}]});
        let heart = Heart::default();
        let ended = run_on(3, twice.clone(), Some(&heart)).unwrap();
        assert_eq!(*heart.asked.borrow(), ["SELECT none"]);
        assert_eq!(ended.report["results"][1]["check_id"], "sql_2");
        let error = run_on(3, twice, None).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "program_missing");
        assert_eq!(error.to_string(), "`sql` checks need the program `phaseline-sql` beside this one");
    }

    #[test]
    fn over_a_table_without_rows_a_query_passes_vacuously() {
        let none =
            json!({"expect": [{"check": "sql", "query": "SELECT none"}, {"check": "sql", "query": "SELECT three"}]});
        let ended = run_on(0, none, Some(&Heart::default())).unwrap();
        let vacuous = |place: usize| ended.report["results"][place]["vacuous"].clone();
        assert_eq!((vacuous(0), vacuous(1)), (json!(true), json!(false)));
    }

    #[test]
    fn who_screens_tables_and_rows_by_himself_asks_no_query() {
        let asked: super::Expectation =
            serde_json::from_value(json!({"check": "sql", "query": "SELECT none"})).unwrap();
        let rows = batch(&[("id", ints([1, 2]))]);
        assert_eq!(RowScreen::new(&rows.schema(), std::slice::from_ref(&asked)).broken(&rows), []);
        let bench = Workbench::new();
        let table = bench.table(&rows);
        let (mut context, _) = bench.context(&[("table", &table)]);
        let reader = context.table("table").unwrap();
        let broken = Screen::measure(&mut context, &reader, &[asked]).unwrap().broken();
        assert!(
            broken[0].message.contains("could not be checked: queries are asked in a `validate.table` step"),
            "{broken:?}"
        );
    }

    #[test]
    fn only_steps_that_ask_queries_need_the_other_program() {
        let needs = |params: Value| {
            let registry = crate::step::StepRegistry::builtin();
            registry.kind("validate.table").unwrap().build(params).unwrap().needs_program()
        };
        let suite = json!({"expectations": [
            {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE id < 0"}},
        ]});
        assert!(needs(json!({"expect": [{"check": "row_count", "min": 1}, {"check": "sql", "query": "SELECT 1"}]})));
        assert!(needs(json!({"suite": suite.to_string()})));
        assert!(!needs(json!({"expect": [{"check": "row_count", "min": 1}]})));
        assert!(!needs(json!({})));
    }
}
