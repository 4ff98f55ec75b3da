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

#[test]
fn tests_of_hypotheses_say_what_scipy_says() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/oracle/hypothesis.json")).unwrap();
    let bench = Workbench::new();
    let near_by = |ours: &Value, theirs: &Value, relative: f64| {
        let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
        assert!((ours - theirs).abs() <= relative * theirs.abs(), "{ours} and not {theirs}");
    };
    let near = |ours: &Value, theirs: &Value| near_by(ours, theirs, 1e-9);
    for case in fixture["ks"].as_array().unwrap() {
        let values = fixture["columns"][case["column"].as_str().unwrap()].as_array().unwrap();
        let values: ArrayRef = Arc::new(values.iter().map(Value::as_f64).collect::<Float64Array>());
        let table = bench.table(&batch(&[("x", values)]));
        let expect = json!([{"check": "ks_test", "column": "x", "distribution": case["distribution"],
            "parameters": case["parameters"]}]);
        let ran = bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).unwrap();
        let result = &ran.report("report")["results"][0];
        // Far out, a p-value magnifies the last digits of the statistic.
        near_by(&result["result"]["observed_value"], &case["p"], 1e-8);
        near(&result["result"]["details"]["statistic"], &case["statistic"]);
        assert_eq!(result["success"], json!(case["p"].as_f64().unwrap() > 0.05));
    }
    let plans: ArrayRef =
        Arc::new(fixture["plans"].as_array().unwrap().iter().map(Value::as_str).collect::<StringArray>());
    let table = bench.table(&batch(&[("plan", plans)]));
    for case in fixture["chi_square"].as_array().unwrap() {
        let partition = json!({"values": ["basic", "pro", "gold"], "weights": case["weights"]});
        let expect = json!([{"check": "chi_square", "column": "plan", "partition": partition}]);
        let ran = bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).unwrap();
        let result = &ran.report("report")["results"][0];
        near(&result["result"]["observed_value"], &case["p"]);
        near(&result["result"]["details"]["statistic"], &case["statistic"]);
    }
    let unexpected = json!([
        {"check": "chi_square", "column": "plan", "partition": {"values": ["basic", "pro"], "weights": [0.6, 0.4]}},
        {"check": "ks_test", "column": "plan", "distribution": "norm"},
    ]);
    let ran = bench.run("validate.table", json!({"expect": unexpected}), &[("table", &table)]).unwrap();
    assert_eq!(ran.report("report")["results"][0]["result"]["observed_value"], 0.0);
    assert!(ran.log.iter().any(|line| line.contains("`ks_test` does not fit column `plan`")), "{:?}", ran.log);
    let wrong = json!([{"check": "ks_test", "column": "plan", "distribution": "gamma", "parameters": {"b": 2}}]);
    let error = bench.run("validate.table", json!({"expect": wrong}), &[("table", &table)]).err().unwrap();
    assert!(error.to_string().contains("no parameter `b`; it has `a`, `loc`, `scale`"), "{error}");
}

#[test]
fn an_isolation_forest_tells_what_lies_alone_and_the_same_ones_every_time() {
    let bench = Workbench::new();
    let values = (0..400).map(|row| if row == 7 { 500.0 } else { f64::from(row % 40) });
    let column: ArrayRef = Arc::new(values.collect::<Float64Array>());
    let table = bench.table(&batch(&[("x", column)]));
    let run = |more: Value| {
        let mut check = json!({"check": "no_outliers", "column": "x", "method": "isolation_forest"});
        check.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let ran = bench.run("validate.table", json!({"expect": [check]}), &[("table", &table)]).unwrap();
        ran.report("report")["results"][0]["result"].clone()
    };
    let found = run(json!({"contamination": 0.01}));
    let shown = found["partial_unexpected_list"].as_array().unwrap();
    assert!(shown.contains(&json!(500.0)) && found["unexpected_count"].as_u64().unwrap() <= 12, "{found}");
    assert_eq!(found, run(json!({"contamination": 0.01})));
    assert!(run(json!({}))["partial_unexpected_list"].as_array().unwrap().contains(&json!(500.0)));
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
