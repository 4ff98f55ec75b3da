//! Promises of schema contracts, through the program.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array};
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use phaseline::table::TableWriter;
use serde_json::Value;

use crate::harness::project::Project;

const ROWS: &str = "id,plan,spent\n1,pro,2.5\n2,basic,3.5\n3,pro,4.5\n";

const MANIFEST: &str = "
version: 1
pipeline: demo
understanding:
  steps:
    rows:
      uses: ingest.csv
      with: {path: rows.csv, contract: \"file:contracts/rows.yaml\"}
";

fn project() -> Project {
    let project = Project::with_manifest(MANIFEST);
    project.write("rows.csv", ROWS);
    project.write(
        "contracts/rows.yaml",
        "contract: rows\ncolumns:\n  - {name: id, type: int64, unique: true}\n  - {name: plan, type: text}\n  \
         - {name: spent, type: float64, min: 0}\n",
    );
    project
}

#[test]
fn the_text_of_a_contract_is_part_of_the_key_and_what_breaks_it_fails_the_run() {
    let project = project();
    let state = |document: &Value| document["steps"]["rows"]["state"].as_str().unwrap().to_owned();
    let run = |code| project.run(&["run", "pipeline.yaml", "--json"]).expect(code).json();
    assert_eq!(state(&run(0)), "succeeded");
    assert_eq!(state(&run(0)), "reused");
    let contract = "contract: rows\nversion: 2\ncolumns:\n  - {name: id, type: text}\n  \
                    - {name: plan, type: text, allowed: [basic]}\n  - {name: spent, type: float64}\n";
    project.write("contracts/rows.yaml", contract);
    let failed = run(1);
    let error = &failed["steps"]["rows"]["error"];
    assert_eq!(error["code"], "contract_violated");
    assert!(error["message"].as_str().unwrap().contains("column `plan`: in_set"), "{error}");
    let warned = MANIFEST.replace("rows.yaml\"}", "rows.yaml\", on_violation: warn}");
    project.write("pipeline.yaml", &warned);
    let ran = project.run(&["run", "pipeline.yaml"]).expect(0).stdout();
    assert!(ran.contains("warning: rows: contract `rows` version 2: column `plan`: in_set"), "{ran}");
    project.write("contracts/rows.yaml", "contract: rows\ncolumns: []\n");
    let checked = project.run(&["check", "pipeline.yaml"]).expect(2);
    assert!(checked.stderr().contains("a contract has at least one column"), "{}", checked.stderr());
}

#[test]
fn a_contract_is_inferred_from_a_file_or_a_run_and_compared_with_others() {
    let project = project();
    let many: Vec<String> = (0..60).map(|row| format!("{row},{},{row}.5\n", ["pro", "basic"][row % 2])).collect();
    project.write("rows.csv", format!("id,plan,spent\n{}", many.concat()));
    let inferred = project.run(&["infer-schema", "rows.csv", "--ranges"]).expect(0).stdout();
    let columns: Vec<&str> = inferred.lines().filter(|line| line.starts_with("  - ")).collect();
    assert_eq!(
        columns,
        [
            "  - {name: id, type: int64, unique: true, min: 0, max: 59}",
            "  - {name: plan, type: text, allowed: [basic, pro]}",
            "  - {name: spent, type: float64, min: 0.5, max: 59.5}",
        ]
    );
    project.write("contracts/rows.yaml", &inferred);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let of_run = project.run(&["infer-schema", "latest", "rows", "--json"]).expect(0).json();
    assert_eq!(of_run["columns"][1]["allowed"], serde_json::json!(["basic", "pro"]));
    let kept = project.run(&["infer-schema", "latest", "rows", "--check", "contracts/rows.yaml"]).expect(0).stdout();
    assert!(kept.contains("60 rows of step `rows` of run latest keep contract `rows` version 1"), "{kept}");
    project.write("rows.csv", "id;plan;new\n60;pro;x\n");
    let args = ["infer-schema", "rows.csv", "--with", "delimiter=;", "--check", "contracts/rows.yaml", "--json"];
    let differs = project.run(&args).expect(1).json();
    let kinds: Vec<&str> =
        differs["differences"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["missing", "new", "values"], "{differs}");
    let missing = project.run(&["infer-schema", "latest", "rws"]).expect(2);
    assert!(missing.stderr().contains("has no step `rws`"), "{}", missing.stderr());
    project.run(&["infer-schema", "rows.docx"]).expect(2);
}

#[test]
fn types_may_be_written_in_the_words_that_people_know() {
    let project = project();
    let with_types = |types: &str| {
        let with = format!("path: rows.csv, types: {types}");
        project.write("pipeline.yaml", MANIFEST.replace("path: rows.csv", &with));
    };
    with_types("{id: int, plan: string, spent: \"decimal(9, 2)\"}, encoding: utf8");
    project.run(&["check", "pipeline.yaml"]).expect(0);
    let ran = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    assert_eq!(ran["steps"]["rows"]["state"], "succeeded");
    let inferred = project.run(&["infer-schema", "latest", "rows"]).expect(0).stdout();
    assert!(inferred.contains("{name: spent, type: float64}"), "the contract says so: {inferred}");
    with_types("{}, encoding: utf9");
    assert!(project.run(&["check", "pipeline.yaml"]).expect(2).stderr().contains("did you mean `utf-8`?"));
    with_types("{id: flot64}");
    let told = project.run(&["check", "pipeline.yaml"]).expect(2).stderr();
    assert!(
        told.contains("`types.id`: `flot64` is none of int64,") && told.contains("did you mean `float64`?"),
        "{told}"
    );
}

#[test]
fn decimals_are_inferred_and_compared_to_the_last_digit() {
    let project = Project::with_manifest(&MANIFEST.replace("rows.yaml\"}", "rows.yaml\", on_violation: quarantine}"));
    project.write("rows.csv", "id,paid\n1,12345678901234567.10\n2,0.05\n");
    let contract = "contract: rows\ncolumns:\n  - {name: id, type: int}\n  - {name: paid, type: \"decimal(19, 2)\"}\n";
    project.write("contracts/rows.yaml", contract);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let inferred = project.run(&["infer-schema", "latest", "rows"]).expect(0).stdout();
    assert!(inferred.contains("{name: paid, type: \"decimal(19,2)\"}"), "{inferred}");
    let check =
        |code| project.run(&["infer-schema", "rows.csv", "--check", "contracts/rows.yaml"]).expect(code).stdout();
    check(0);
    project.write("rows.csv", "id,paid\n1,12345678901234567.105\n");
    let told = check(1);
    assert!(
        told.contains("column `paid`: 1 value is no decimal(19,2), such as `12345678901234567.105` in row 1"),
        "{told}"
    );
}

/// A table with a decimal of that many digits, in a format that knows its types.
fn put_typed(project: &Project, name: &str, digits: u8) {
    let paid = Decimal128Array::from(vec![1234, -5]).with_precision_and_scale(digits, 2).unwrap();
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(Int64Array::from(vec![1, 2]))), ("paid", Arc::new(paid))];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let path = project.write(name, "");
    if name.ends_with(".parquet") {
        let mut writer = TableWriter::create(&path, &rows.schema()).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    } else {
        let mut writer = FileWriter::try_new(File::create(path).unwrap(), &rows.schema()).unwrap();
        writer.write(&rows).unwrap();
        writer.finish().unwrap();
    }
}

#[test]
fn decimals_are_inferred_of_every_format_that_has_them() {
    let project = project();
    let contract = "contract: rows\ncolumns:\n  - {name: paid, type: \"decimal(9, 2)\"}\nevolution: add_columns\n";
    project.write("contracts/rows.yaml", contract);
    for ending in ["parquet", "arrow"] {
        put_typed(&project, &format!("one.{ending}"), 9);
        put_typed(&project, &format!("many/a.{ending}"), 9);
        put_typed(&project, &format!("many/b.{ending}"), 9);
        for (path, with) in [("one", "columns=[id, paid]"), ("one", "columns=[paid]"), ("many/*", "columns=[]")] {
            let path = format!("{path}.{ending}");
            let inferred = project.run(&["infer-schema", &path, "--with", with]).expect(0).stdout();
            assert!(inferred.contains("{name: paid, type: \"decimal(9,2)\"}"), "{path} {with}: {inferred}");
            project.run(&["infer-schema", &path, "--check", "contracts/rows.yaml", "--with", with]).expect(0);
        }
        // Decimals of several types have one in common: the double, as where no contract calls them decimals.
        put_typed(&project, &format!("many/c.{ending}"), 12);
        let inferred = project.run(&["infer-schema", &format!("many/*.{ending}")]).expect(0).stdout();
        assert!(inferred.contains("{name: paid, type: float64}"), "{inferred}");
    }
}
