//! Data that is missing, broken or not what a pipeline was built for: each mistake is told with its place and remedy.

use serde_json::Value;

use crate::harness::project::{Ended, Project};

const PIPELINE: &str = r#"
version: 1
pipeline: leaving
params:
  data: {type: path, default: data.csv}
understanding:
  steps:
    customers: {uses: ingest.csv, with: {path: "${{ params.data }}"}}
    checked:
      uses: validate.table
      inputs: {table: customers}
      with: {expect: [{column: tenure, check: between, min: 0, max: 120}]}
  gates:
    contract: {check: steps.checked.metrics.failed == 0}
data_engineering:
  steps:
    split: {uses: split.random, inputs: {table: checked}, with: {valid: 0.2, test: 0.2, seed: 7}}
    features:
      uses: feature.pipeline
      inputs: {fit: split.train, valid: split.valid, test: split.test}
      with:
        target: {column: left, positive: "Yes"}
        transforms: [{impute: median, columns: [charges]}, {one_hot: {}, columns: "@categorical"}]
"#;

const HEADER: &str = "tenure,plan,charges,left\n";

/// A hundred customers, each a line made of its number.
fn customers(line: impl Fn(usize) -> String) -> String {
    HEADER.to_owned() + &(0..100).map(|number| line(number) + "\n").collect::<String>()
}

fn usual(number: usize) -> String {
    format!("{},{},{}.5,{}", number % 70, ["gold", "blue"][number % 2], number, ["Yes", "No"][number % 3 / 2])
}

/// The pipeline run on that data.
fn run(data: impl AsRef<[u8]>) -> Ended {
    let project = Project::with_manifest(PIPELINE);
    project.write("data.csv", data);
    project.run(&["run", "pipeline.yaml", "--json"])
}

/// Code, message and help of the error of a step, in one line.
#[track_caller]
fn told(ended: Ended, step: &str) -> String {
    let document = ended.expect(1).json();
    assert_eq!(document["outcome"], "failed");
    assert!(document["steps"].as_object().unwrap().len() == 4, "every step is listed");
    let error = &document["steps"][step]["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    format!("{}: {} ({})", text("code"), text("message"), text("help"))
}

#[test]
fn the_usual_data_runs() {
    run(customers(usual)).expect(0);
}

#[test]
fn a_missing_file_is_named_and_a_folder_is_no_file() {
    let project = Project::with_manifest(PIPELINE);
    insta::assert_snapshot!(told(project.run(&["run", "pipeline.yaml", "--json"]), "customers"), @"file_missing: the file `data.csv` does not exist (in a manifest, relative paths start from its folder; after `--set`, from where you are)");
    std::fs::create_dir(project.path().join("data.csv")).unwrap();
    insta::assert_snapshot!(told(project.run(&["run", "pipeline.yaml", "--json"]), "customers"), @"file_is_folder: `data.csv` is a folder and not a file (name its files with a pattern such as `folder/*.csv`)");
}

#[test]
fn a_link_that_leads_nowhere_is_a_missing_file() {
    let project = Project::with_manifest(PIPELINE);
    std::os::unix::fs::symlink("/nowhere/data.csv", project.path().join("data.csv")).unwrap();
    assert!(told(project.run(&["run", "pipeline.yaml", "--json"]), "customers").starts_with("file_missing"));
}

#[test]
fn a_ragged_line_is_named_by_its_number() {
    let short = customers(|number| if number == 41 { "1,2".to_owned() } else { usual(number) });
    insta::assert_snapshot!(told(run(short), "customers"), @"csv_ragged: `data.csv`: line 43 has 2 fields where 4 are expected (repair the line; a text that contains the delimiter must be quoted, and `delimiter` must be right)");
}

#[test]
fn latin_1_is_told_from_utf_8_by_line_field_and_byte() {
    let mut data = customers(usual).into_bytes();
    data.extend_from_slice(b"3,Z\xfcrich,4.5,No\n");
    insta::assert_snapshot!(told(run(data), "customers"), @"csv_encoding: `data.csv`: line 102, field 2 is not valid UTF-8: byte 0xfc (set `encoding: latin1` or `encoding: windows-1252`, or convert the file to UTF-8)");
}

#[test]
fn an_empty_file_is_refused() {
    insta::assert_snapshot!(told(run(""), "customers"), @"csv_empty: `data.csv` is empty: it has neither a header nor rows (check that whatever wrote it ended well)");
}

#[test]
fn a_column_that_vanishes_stops_at_the_gate_and_the_run_can_be_made_good() {
    let project = Project::with_manifest(PIPELINE);
    project.write("data.csv", customers(usual));
    project.write("other.csv", customers(usual).replace("tenure", "months"));
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let ended = project.run(&["run", "pipeline.yaml", "--set", "data=other.csv", "--json"]).expect(3);
    assert_eq!(ended.json()["gates"]["contract"]["verdict"], "failed");
    assert_eq!((ended.state("checked"), ended.state("features")), ("succeeded".to_owned(), "skipped".to_owned()));
    let log = project.run(&["logs", "latest", "checked"]).expect(0).stdout();
    assert!(log.contains("there is no column `tenure`"), "{log}");
    // What was known of the good data is still known.
    let again = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    let is_reused = |step: &Value| step["state"] == "reused";
    assert!(again["steps"].as_object().unwrap().values().all(is_reused));
}

#[test]
fn a_column_without_values_is_named_by_what_wanted_to_learn_from_it() {
    let data = customers(|number| format!("{},gold,,{}", number % 70, ["Yes", "No"][number % 2]));
    let project =
        Project::with_manifest(&PIPELINE.replace("params.data }}\"}", "params.data }}\", types: {charges: float64}}"));
    project.write("data.csv", data);
    let ended = project.run(&["run", "pipeline.yaml", "--json"]);
    insta::assert_snapshot!(told(ended, "features"), @"all_null: column `charges` has no value in the fit table, so `impute` has nothing to learn (put `charges` under `drop`, or `impute` it with `strategy: constant` before)");
}

#[test]
fn a_target_with_one_class_is_refused_before_training() {
    insta::assert_snapshot!(told(run(customers(|number| usual(number).replace("Yes", "No"))), "features"), @"one_class: the target `left` has one class only, `No`, in the fit table (a model needs examples of both; look at the filter before the split, or stratify the split)");
}

#[test]
fn a_relative_path_after_set_starts_from_where_the_user_is() {
    let project = Project::new();
    project.write("pipelines/pipeline.yaml", PIPELINE);
    project.write("pipelines/data.csv", customers(usual));
    project.write("mine.csv", customers(usual));
    let run = |setting: &str| project.run(&["run", "pipelines/pipeline.yaml", "--set", setting, "--json"]);
    assert_eq!(run("data=mine.csv").expect(0).state("features"), "succeeded");
    // The manifest's default under its other name is the same param, so its result is reused.
    project.run(&["run", "pipelines/pipeline.yaml"]).expect(0);
    assert_eq!(run("data=pipelines/data.csv").expect(0).state("customers"), "reused");
    run("data=pipelines/mine.csv").expect(1);
}
