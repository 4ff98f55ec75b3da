//! Holds the checks to what Great Expectations itself said, from `tools/oracle/validation.py`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::{Value, json};

use crate::step::testing::{Workbench, batch};

fn column(values: &Value) -> ArrayRef {
    let values = values.as_array().unwrap();
    if values.iter().any(Value::is_string) {
        Arc::new(values.iter().map(Value::as_str).collect::<StringArray>())
    } else if values.iter().all(Value::is_i64) {
        Arc::new(values.iter().map(Value::as_i64).collect::<Int64Array>())
    } else {
        Arc::new(values.iter().map(Value::as_f64).collect::<Float64Array>())
    }
}

fn agrees(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agrees(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(key, ours)| theirs.get(key).is_some_and(|theirs| agrees(ours, theirs)))
        }
        _ => match (ours.as_f64(), theirs.as_f64()) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-9 * (1.0 + theirs.abs()),
            _ => ours == theirs,
        },
    }
}

#[test]
fn every_check_says_what_great_expectations_says() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/oracle/validation.json")).unwrap();
    let columns: Vec<(&str, ArrayRef)> =
        fixture["table"].as_object().unwrap().iter().map(|(name, values)| (name.as_str(), column(values))).collect();
    let bench = Workbench::new();
    let table = bench.table(&batch(&columns));
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
