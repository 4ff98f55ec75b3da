//! Holds the checks to what Great Expectations itself said, from `tools/oracle/validation.py` and `gx_random.py`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::{Value, json};

use super::gx::conformance::{agrees, table};
use super::gx::read_suite;
use crate::step::testing::{Workbench, batch};

#[test]
fn every_check_says_what_great_expectations_says() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/oracle/validation.json")).unwrap();
    let bench = Workbench::new();
    let table = table(&bench, &fixture["table"]);
    let cases = fixture["cases"].as_array().unwrap();
    let expect: Vec<&Value> = cases.iter().map(|case| &case["expectation"]).collect();
    let ran = bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).unwrap();
    let report = ran.report("report");
    let mut wrong = Vec::new();
    for (case, ours) in cases.iter().zip(report["results"].as_array().unwrap()) {
        let mut differences = Vec::new();
        if ours["success"] != case["success"] || ours["exception_info"]["raised_exception"] != case["raised"] {
            differences.push(format!("success {} and not {}", ours["success"], case["success"]));
        }
        for (key, theirs) in case["result"].as_object().unwrap() {
            // Great Expectations counts no missing values for checks that look at missing values; we say what there is.
            if !agrees(&ours["result"][key], theirs) {
                differences.push(format!("{key}: {} and not {theirs}", ours["result"][key]));
            }
        }
        if !differences.is_empty() {
            wrong.push(format!("{}: {}", case["expectation"], differences.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// A column of the random tables: its type is known by its name, since JSON has no infinities.
fn typed(name: &str, values: &Value) -> ArrayRef {
    let values = values.as_array().unwrap();
    let number = |value: &Value| match value.as_str() {
        Some(text) => Some(text.parse::<f64>().unwrap()),
        None => value.as_f64(),
    };
    match name {
        "n" => Arc::new(values.iter().map(Value::as_i64).collect::<Int64Array>()),
        "t" | "u" | "key" => Arc::new(values.iter().map(Value::as_str).collect::<StringArray>()),
        _ => Arc::new(values.iter().map(number).collect::<Float64Array>()),
    }
}

#[test]
fn random_suites_say_what_great_expectations_says() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/oracle/gx_random.json")).unwrap();
    let mut wrong = Vec::new();
    let mut total = 0;
    for (place, entry) in fixture["tables"].as_array().unwrap().iter().enumerate() {
        let columns: Vec<(&str, ArrayRef)> = entry["columns"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, values)| (name.as_str(), typed(name, values)))
            .collect();
        let bench = Workbench::new();
        let table = bench.table(&batch(&columns));
        let cases = entry["cases"].as_array().unwrap();
        let suite = read_suite(&json!({"expectations": cases}).to_string()).unwrap();
        assert_eq!(suite.unsupported, []);
        let ran = bench.run("validate.table", json!({"expect": suite.expectations}), &[("table", &table)]).unwrap();
        let report = ran.report("report");
        for (case, ours) in cases.iter().zip(report["results"].as_array().unwrap()) {
            total += 1;
            let keys = case["result"].as_object().unwrap();
            let mut differs: Vec<String> = keys
                .iter()
                .filter(|(key, theirs)| !agrees(&ours["result"][key.as_str()], theirs))
                .map(|(key, theirs)| format!("{key} {} and not {theirs}", ours["result"][key.as_str()]))
                .collect();
            if ours["success"] != case["success"] || ours["exception_info"]["raised_exception"] != case["raised"] {
                differs.push(format!("success {} {}", ours["success"], ours["exception_info"]["exception_message"]));
            }
            if !differs.is_empty() {
                wrong.push(format!("table {place}, {} {}: {}", case["type"], case["kwargs"], differs.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {total} differ:\n{}", wrong.len(), wrong.join("\n"));
}
