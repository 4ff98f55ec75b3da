//! `data.sql` through the program: joins and windows, and what a query may not do.

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

#[test]
fn without_its_program_the_step_says_how_to_build_it() {
    let project = project(SO_FAR, "");
    // A folder with `phaseline` alone, whatever was built beside it.
    let alone = project.path().join("bin/phaseline");
    fs::create_dir(project.path().join("bin")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_phaseline"), &alone).unwrap();
    let output = std::process::Command::new(&alone)
        .args(["run", "pipeline.yaml", "--json"])
        .current_dir(project.path())
        .output()
        .unwrap();
    let ended = Ended(output).expect(1);
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
}
