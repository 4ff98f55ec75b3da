//! Checks as a user meets them: rows put aside, steps skipped, suites taken over, profiles turned into checks.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::project::Project;

const ROWS: &str = "id,plan,spent\n1,pro,10\n2,basic,5\n2,pro,7\n3,gold,-4\n4,pro,12\n";

fn manifest(expect: &str) -> String {
    format!(
        "
version: 1
pipeline: demo
understanding:
  steps:
    rows: {{uses: ingest.csv, with: {{path: rows.csv}}}}
    checked:
      uses: validate.table
      inputs: {{table: rows}}
      with:
        {expect}
    profile: {{uses: profile.table, inputs: {{table: checked}}}}
"
    )
}

fn project(expect: &str) -> Project {
    let project = Project::with_manifest(&manifest(expect));
    project.write("rows.csv", ROWS);
    project
}

/// The file of an output, as the run's document names it.
fn artifact(project: &Project, document: &Value, step: &str, output: &str) -> PathBuf {
    let digest = document["steps"][step]["outputs"][output]["digest"].as_str().unwrap();
    let shown = project.run(&["artifacts", "show", digest, "--json"]).expect(0).json();
    PathBuf::from(shown["path"].as_str().unwrap())
}

#[test]
fn rejected_rows_are_an_output_and_the_others_go_on() {
    let project = project(
        "expect:
          - {column: id, check: unique, on_fail: quarantine}
          - {column: spent, check: non_negative, on_fail: quarantine}",
    );
    let document = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    let rows = |step: &str, output: &str| document["steps"][step]["outputs"][output]["rows"].as_u64();
    assert_eq!((rows("checked", "table"), rows("checked", "quarantine")), (Some(2), Some(3)));
    assert_eq!(document["steps"]["profile"]["state"], "succeeded");
}

#[test]
fn a_check_may_skip_what_reads_its_table_and_nothing_else() {
    let expect = "expect: [{column: id, check: unique, on_fail: skip_downstream}]";
    let project = project(expect);
    let document = project.run(&["run", "pipeline.yaml", "--json"]).json();
    assert_eq!(document["steps"]["checked"]["state"], "succeeded");
    assert_eq!(document["steps"]["profile"]["state"], "skipped", "{document:#}");
    project.write("rows.csv", "id,plan,spent\n1,pro,10\n2,basic,5\n");
    let document = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    assert_eq!(document["steps"]["profile"]["state"], "succeeded");
}

#[test]
fn a_suite_of_great_expectations_is_read_from_its_file_and_enters_the_key() {
    let project = project("suite: file:suite.json");
    let suite = |low: i64| {
        format!(
            r#"{{"name": "orders", "expectations": [
              {{"type": "expect_column_values_to_be_between", "kwargs": {{"column": "spent", "min_value": {low}}}}},
              {{"type": "expect_table_row_count_to_equal", "kwargs": {{"value": 5}}, "severity": "warning"}}], "meta": {{}}}}"#
        )
    };
    project.write("suite.json", suite(-10));
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
    let metrics = |document: &Value| document["steps"]["checked"]["metrics"].clone();
    assert_eq!((&metrics(&ended.json())["checks"], &metrics(&ended.json())["failed"]), (&2.0.into(), &0.0.into()));
    project.write("suite.json", suite(0));
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
    assert_eq!((ended.state("rows"), ended.state("checked")), ("reused".to_owned(), "succeeded".to_owned()));
    assert_eq!(metrics(&ended.json())["failed"], 1.0);
}

#[test]
fn a_check_may_have_the_name_and_arguments_of_great_expectations() {
    let project = project(
        "expect:
          - {check: expect_column_values_to_be_between, column: spent, min_value: -4, max_value: 12}
          - {check: expect_column_values_to_match_regex, column: plan, regex: '^[a-z]+$', mostly: 0.9}",
    );
    let document = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    assert_eq!(document["steps"]["checked"]["metrics"]["failed"], 0.0);
    project.write(
        "pipeline.yaml",
        manifest("expect: [{check: betwen, column: spent, min: 1}, {check: between, column: spent, mn: 1}]"),
    );
    let told = project.run(&["check", "pipeline.yaml"]).expect(2).stderr();
    assert!(told.contains("`betwen` is not a value of `check`") && told.contains("did you mean `between`?"), "{told}");
    assert!(told.contains("unknown key `mn`"), "{told}");
}

#[test]
fn a_suite_becomes_a_block_of_yaml_that_runs() {
    let project = Project::new();
    project.write("rows.csv", ROWS);
    project.write(
        "suite.json",
        r#"{"name": "orders", "expectations": [
          {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "plan", "value_set": ["pro", "basic", "no"], "mostly": 0.8}},
          {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "plan", "regex": "^[a-z]+$", "row_condition": "spent > 0", "condition_parser": "pandas"}},
          {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT * FROM returns"}}]}"#,
    );
    let block = project.run(&["import-suite", "suite.json", "--table", "rows"]).expect(0).stdout();
    insta::assert_snapshot!(block, @r##"
    # From the suite `orders`: 2 of 3 expectations.
    # Not imported: expectation 3 of the suite, `unexpected_rows_expectation`: its query does not read `{batch}`, and no other table of its source is there; write it as `sql` over `table`, and `reference` for a second table.
    checked:
      uses: validate.table
      inputs: {table: rows}
      with:
        expect:
          - {column: plan, check: in_set, values: [pro, basic, "no"], mostly: 0.8}
          - {column: plan, check: regex, pattern: "^[a-z]+$", where: "(spent > 0)"}
    "##);
    project.run(&["import-suite", "suite.json", "--strict"]).expect(2);
    let missing = project.run(&["import-suite", "rows.csv"]).expect(2);
    assert!(missing.stderr().contains("the suite is no JSON"), "{}", missing.stderr());
    let steps: Vec<String> =
        block.lines().filter(|line| !line.starts_with('#')).map(|line| format!("    {line}\n")).collect();
    let head =
        "version: 1\npipeline: demo\nunderstanding:\n  steps:\n    rows: {uses: ingest.csv, with: {path: rows.csv}}\n";
    project.write("pipeline.yaml", format!("{head}{}", steps.concat()));
    let document = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    assert_eq!(document["steps"]["checked"]["metrics"]["failed"], 0.0);
}

#[test]
fn a_profile_becomes_checks_that_hold_for_its_rows() {
    let project = project("expect: []");
    let row = |row: usize| format!("{row},{},{}.5\n", ["pro", "basic"][row % 2], row * 3);
    let rows: Vec<String> = (0..60).map(row).collect();
    project.write("rows.csv", format!("id,plan,spent\n{}", rows.concat()));
    let document = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    let report = artifact(&project, &document, "profile", "report");
    let report = report.to_str().unwrap();
    let block = project.run(&["suggest-checks", report, "--table", "rows"]).expect(0).stdout();
    let of_run = project.run(&["suggest-checks", "latest", "profile", "--table", "rows"]).expect(0).stdout();
    assert_eq!(of_run, block);
    let unknown = project.run(&["suggest-checks", "latest", "rows"]).expect(2);
    assert!(unknown.stderr().contains("has no output `report`"), "{}", unknown.stderr());
    let expect: Vec<&str> = block.lines().skip_while(|line| !line.contains("expect:")).skip(1).map(str::trim).collect();
    assert!(expect.contains(&"- {column: plan, check: in_set, values: [basic, pro]}"), "{block}");
    project.write("pipeline.yaml", manifest(&format!("expect:\n          {}", expect.join("\n          "))));
    let document = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    assert_eq!(document["steps"]["checked"]["metrics"]["success_percent"], 100.0);
    project.run(&["suggest-checks", "pipeline.yaml"]).expect(2);
}

#[test]
fn a_measure_that_is_out_of_line_with_earlier_runs_fails() {
    let project = Project::with_manifest(
        "
version: 1
pipeline: demo
understanding:
  steps:
    rows: {uses: ingest.csv, with: {path: rows.csv}}
    past:
      uses: ingest.sql
      with:
        url: sqlite:.phaseline/phaseline.db
        query: >
          select value from lineage_metrics
          where pipeline = 'demo' and step = 'checked' and metric = 'observed.rows' order by finished_at
    checked:
      uses: validate.table
      inputs: {table: rows, history: past}
      with:
        expect:
          - {check: anomaly, id: rows, measure: row_count, strategy: relative_rate_of_change, lower: 0.5, upper: 2}
",
    );
    let failed = |rows: usize| {
        let rows: Vec<String> = (0..rows).map(|row| format!("{row}\n")).collect();
        project.write("rows.csv", format!("id\n{}", rows.concat()));
        let document = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
        let metrics = &document["steps"]["checked"]["metrics"];
        (metrics["observed.rows"].as_f64().unwrap(), metrics["failed"].as_f64().unwrap())
    };
    assert_eq!(failed(10), (10.0, 0.0), "the first run has nothing to compare with");
    assert_eq!(failed(15), (15.0, 0.0));
    assert_eq!(failed(40), (40.0, 1.0));
    assert_eq!(failed(60), (60.0, 0.0), "compared with the run before");
}
