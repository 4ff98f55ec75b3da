//! Queries through the program: joins and windows, checks, and what a query may not do.

use std::fs;

use crate::harness::project::{Ended, Project};

/// A project with two tables and a query over them.
fn project(query: &str, step: &str) -> Project {
    let project = Project::with_manifest(&format!(
        r"
version: 1
pipeline: calls
understanding:
  steps:
    customers: {{uses: ingest.csv, with: {{path: customers.csv}}}}
    calls: {{uses: ingest.csv, with: {{path: calls.csv}}}}
data_engineering:
  steps:
    joined:
      uses: data.sql
      inputs: {{customers: customers, calls: calls}}
      with: {{query: 'file:query.sql'}}
      {step}
"
    ));
    project.write("query.sql", query);
    project.write("customers.csv", "Id,plan\n1,small\n2,large\n3,small\n");
    project.write("calls.csv", "customer,day,minutes\n1,2026-01-05,1.5\n1,2026-01-02,2.0\n3,2026-01-01,0.5\n");
    project
}

/// Each call with its customer's minutes so far.
const SO_FAR: &str = "
    SELECT c.Id, c.plan, s.day, sum(s.minutes) OVER (PARTITION BY c.Id ORDER BY s.day) AS so_far
    FROM customers c LEFT JOIN calls s ON s.customer = c.Id
    ORDER BY c.Id, s.day";

/// A run by `phaseline` in a folder of its own, whatever was built beside it.
fn alone(project: &Project) -> Ended {
    let alone = project.path().join("bin/phaseline");
    fs::create_dir(project.path().join("bin")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_phaseline"), &alone).unwrap();
    let run = std::process::Command::new(&alone)
        .args(["run", "pipeline.yaml", "--json"])
        .current_dir(project.path())
        .output();
    Ended(run.unwrap())
}

/// A table of orders with checks, and a step that reads it on.
fn checked(expect: &str) -> Project {
    let project = Project::with_manifest(&format!(
        "
version: 1
pipeline: orders
understanding:
  steps:
    rows: {{uses: ingest.csv, with: {{path: rows.csv}}}}
    plans: {{uses: ingest.csv, with: {{path: plans.csv}}}}
    checked:
      uses: validate.table
      inputs: {{table: rows, reference: plans}}
      with:
        expect:
          - {{column: Id, check: not_null}}
{expect}
    profile: {{uses: profile.table, inputs: {{table: checked}}}}
"
    ));
    project.write("rows.csv", "Id,plan,spent\n1,pro,10\n2,basic,5\n3,gold,-4\n");
    project.write("plans.csv", "plan,least\npro,1\nbasic,1\n");
    project
}

/// A check that finds the order without a plan.
const UNKNOWN_PLAN: &str = "          - {check: sql, id: plans, query: file:checks/plans.sql}";

fn with_unknown_plan(expect: &str) -> Project {
    let project = checked(expect);
    let query = "SELECT t.Id, t.plan FROM table t LEFT JOIN reference r ON r.plan = t.plan WHERE r.plan IS NULL;\n";
    project.write("checks/plans.sql", query);
    project
}

#[test]
fn without_its_program_a_step_with_a_query_among_its_checks_says_how_to_build_it() {
    let ended = alone(&with_unknown_plan(UNKNOWN_PLAN)).expect(1);
    let error = ended.json()["steps"]["checked"]["error"].clone();
    assert_eq!(error["code"], "program_missing");
    assert!(error["message"].as_str().unwrap().contains("`sql` checks need the program `phaseline-sql`"), "{error}");
    assert!(error["help"].as_str().unwrap().contains("cargo build --release --features sql"), "{error}");
}

#[test]
fn steps_without_a_query_need_no_other_program() {
    let ended = alone(&checked("          - {check: row_count, min: 1}")).expect(0);
    assert_eq!(ended.json()["steps"]["checked"]["metrics"]["success_percent"], 100.0);
}

#[test]
fn what_is_wrong_with_a_query_of_a_check_is_told_before_anything_runs() {
    let told = |check: &str| checked(check).run(&["check", "pipeline.yaml"]).expect(2).stderr();
    let dropped = told("          - {check: sql, query: DROP TABLE table}");
    assert!(dropped.contains("pipeline.yaml:14") && dropped.contains("not with `drop`"), "{dropped}");
    let filtered = told("          - {check: sql, query: SELECT 1, where: Id > 1}");
    assert!(filtered.contains("put the condition into the query"), "{filtered}");
    let missing = told("          - {check: sql, query: file:checks/none.sql}");
    assert!(missing.contains("checks/none.sql"), "{missing}");
}

#[test]
fn without_its_program_the_step_says_how_to_build_it() {
    let project = project(SO_FAR, "");
    let ended = alone(&project).expect(1);
    let error = ended.json()["steps"]["joined"]["error"].clone();
    assert_eq!(error["code"], "program_missing");
    let told = error.to_string();
    assert!(told.contains("phaseline-sql") && told.contains("cargo build --release --features sql"), "{told}");
}

#[test]
fn a_query_that_changes_something_is_refused_before_anything_runs() {
    for query in ["DROP TABLE customers", "COPY customers TO 'out.csv'", "CREATE TABLE t AS SELECT 1", " -- none"] {
        let ended = project(query, "").run(&["check", "pipeline.yaml"]).expect(2);
        assert!(
            ended.stderr().contains("`query`:") && ended.stderr().contains("pipeline.yaml:13"),
            "{}",
            ended.stderr()
        );
    }
}

#[cfg(feature = "sql")]
mod with_the_engine {
    use super::*;

    /// The code and the message with which the query fails.
    fn refused(query: &str, step: &str) -> String {
        let ended = project(query, step).run(&["run", "pipeline.yaml", "--json"]).expect(1);
        let error = ended.json()["steps"]["joined"]["error"].clone();
        format!("{}: {}", error["code"].as_str().unwrap(), error["message"].as_str().unwrap())
    }

    #[test]
    fn the_program_is_beside_phaseline() {
        let folder = |program: &str| std::path::Path::new(program).parent().unwrap().to_owned();
        assert_eq!(folder(env!("CARGO_BIN_EXE_phaseline-sql")), folder(env!("CARGO_BIN_EXE_phaseline")));
    }

    #[test]
    fn tables_are_joined_and_windowed_and_the_result_is_reused() {
        let project = project(SO_FAR, "");
        let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
        let table = ended.json()["steps"]["joined"]["outputs"]["table"].clone();
        assert_eq!(table["rows"], 4);
        let digest = table["digest"].as_str().unwrap();
        let shown = project.run(&["artifacts", "show", digest]).expect(0).stdout();
        assert!(shown.contains("so_far"), "{shown}");

        let again = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
        assert_eq!(again.state("joined"), "reused");
        project.write("query.sql", SO_FAR.replace("sum(", "max("));
        let changed = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
        assert_eq!(
            (changed.state("customers"), changed.state("joined")),
            ("reused".to_owned(), "succeeded".to_owned())
        );
        let refreshed = project.run(&["run", "pipeline.yaml", "--refresh", "joined", "--json"]).expect(0);
        assert_eq!(
            refreshed.json()["steps"]["joined"]["outputs"]["table"]["digest"],
            changed.json()["steps"]["joined"]["outputs"]["table"]["digest"]
        );
    }

    #[test]
    fn a_wrong_query_is_told_in_words_of_the_step() {
        let all = [
            "SELECT Id FROM customers WHER Id = 1 1",
            "SELECT * FROM custmers",
            "SELECT id FROM customers",
            "SELECT 1; DROP TABLE customers",
            "WITH a AS (SELECT 1) INSERT INTO customers SELECT * FROM a",
            "SELECT c.Id, c.plan AS Id FROM customers c",
            "SELECT 1 / (Id - Id) AS x FROM customers",
        ]
        .map(|query| refused(query, ""));
        insta::assert_snapshot!(all.join("\n"), @r#"
        sql_query: Expected: end of statement, found: Id at Line: 1, Column: 31
        sql_query: table 'custmers' not found
        sql_query: No field named id. Did you mean 'customers."Id"'?
        sql_query: the text holds several statements
        sql_query: Query INSERT INTO customers SELECT * FROM a not implemented yet
        sql_query: Schema contains qualified field name c."Id" and unqualified field name "Id" which would be ambiguous
        sql_query: Divide by zero error
        "#);
    }

    #[test]
    fn a_query_reads_its_inputs_and_nothing_else() {
        for source in ["'customers.csv'", "\"customers.csv\"", "read_csv('customers.csv')", "'/etc/passwd'"] {
            let refused = refused(&format!("SELECT * FROM {source}"), "");
            assert!(refused.starts_with("sql_query: ") && refused.contains("not found"), "{refused}");
        }
    }

    #[test]
    fn a_query_that_needs_more_memory_than_the_step_has_says_what_to_raise() {
        let query = "SELECT a.value, b.value AS other FROM generate_series(1, 1000000) a
            JOIN generate_series(1, 1000000) b ON a.value = b.value";
        let project = project(query, "resources: {memory: 32MiB}");
        let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(1);
        let error = ended.json()["steps"]["joined"]["error"].clone();
        assert_eq!((&error["code"], &error["fault"]), (&"out_of_memory".into(), &"environment".into()));
        assert!(error["help"].as_str().unwrap().contains("resources: {memory: …}"), "{error}");
    }

    #[test]
    fn rows_that_a_query_of_a_check_gives_are_counted_and_shown_and_the_result_is_reused() {
        let project = with_unknown_plan(UNKNOWN_PLAN);
        let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
        let step = ended.json()["steps"]["checked"].clone();
        assert_eq!((&step["metrics"]["checks"], &step["metrics"]["failed"]), (&2.0.into(), &1.0.into()));
        assert_eq!(step["outputs"]["table"]["rows"], 3, "the table goes on");
        let report = report(&project, &step);
        let found = &report["results"][1];
        assert_eq!((&found["check_id"], &found["gx_type"]), (&"plans".into(), &"unexpected_rows_expectation".into()));
        let rows =
            serde_json::json!({"observed_value": 1, "details": {"unexpected_rows": [{"Id": 3, "plan": "gold"}]}});
        assert_eq!(found["result"], rows);
        let again = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
        assert_eq!(again.state("checked"), "reused");
        project.write("plans.csv", "plan,least\npro,1\nbasic,1\ngold,9\n");
        let mended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
        assert_eq!((mended.state("rows"), mended.state("checked")), ("reused".to_owned(), "succeeded".to_owned()));
        assert_eq!(mended.json()["steps"]["checked"]["metrics"]["failed"], 0.0);
    }

    /// The report of a step of checks.
    fn report(project: &Project, step: &serde_json::Value) -> serde_json::Value {
        let digest = step["outputs"]["report"]["digest"].as_str().unwrap();
        let shown = project.run(&["artifacts", "show", digest, "--json"]).expect(0).json();
        serde_json::from_slice(&fs::read(shown["path"].as_str().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_failed_query_leads_to_what_its_check_says() {
        let with = |more: &str| with_unknown_plan(&UNKNOWN_PLAN.replace('}', &format!(", {more}}}")));
        let failed = with("on_fail: fail").run(&["run", "pipeline.yaml", "--json"]).expect(1);
        let error = failed.json()["steps"]["checked"]["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(r#"plans failed: the query gives 1 row, such as {"Id":3,"plan":"gold"}"#),
            "{message}"
        );
        let skipping = with("on_fail: skip_downstream").run(&["run", "pipeline.yaml", "--json"]);
        assert_eq!(
            (skipping.state("checked"), skipping.state("profile")),
            ("succeeded".to_owned(), "skipped".to_owned())
        );
        let warned = with("severity: warning").run(&["run", "pipeline.yaml", "--json"]).expect(0);
        let metrics = warned.json()["steps"]["checked"]["metrics"].clone();
        assert_eq!((&metrics["failed"], &metrics["warnings"]), (&0.0.into(), &1.0.into()));
    }

    #[test]
    fn a_query_that_cannot_be_planned_fails_its_check_in_the_engines_words_and_the_others_count() {
        let project = checked("          - {check: sql, query: SELECT id FROM table}");
        let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
        let step = ended.json()["steps"]["checked"].clone();
        assert_eq!((&step["metrics"]["failed"], &step["metrics"]["success_percent"]), (&1.0.into(), &50.0.into()));
        let report = report(&project, &step);
        insta::assert_snapshot!(report["results"][1]["exception_info"]["exception_message"].as_str().unwrap(), @r#"No field named id. Did you mean 'table."Id"'?; the tables are the step's inputs, `reference`, `table`; names keep their case"#);
    }

    #[test]
    fn a_suite_of_great_expectations_asks_its_queries() {
        let project = checked(
            "          - check: unexpected_rows_expectation
            unexpected_rows_query: SELECT Id FROM {batch} WHERE Id > 2
        suite: file:suite.json",
        );
        project.write(
            "suite.json",
            r#"{"name": "orders", "expectations": [{"type": "unexpected_rows_expectation", "severity": "warning",
              "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE spent < 0"}}]}"#,
        );
        let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
        let metrics = ended.json()["steps"]["checked"]["metrics"].clone();
        assert_eq!((&metrics["failed"], &metrics["warnings"]), (&1.0.into(), &1.0.into()));
    }
}
