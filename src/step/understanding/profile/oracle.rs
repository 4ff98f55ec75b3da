//! Holds the numbers of a profile, and the checks on the same numbers, to pandas, scipy and scikit-learn, from
//! `tools/oracle/statistics.py`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::{Value, json};

use crate::step::InputArtifact;
use crate::step::testing::{Workbench, batch};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../../tests/fixtures/oracle/statistics.json")).unwrap()
}

fn table(bench: &Workbench, fixture: &Value) -> InputArtifact {
    let column = |(name, values): (&String, &Value)| {
        let values = values.as_array().unwrap();
        let array: ArrayRef = match name.as_str() {
            "whole" => Arc::new(values.iter().map(Value::as_i64).collect::<Int64Array>()),
            "colour" | "size" | "target" => Arc::new(values.iter().map(Value::as_str).collect::<StringArray>()),
            _ => Arc::new(values.iter().map(Value::as_f64).collect::<Float64Array>()),
        };
        (name.clone(), array)
    };
    let columns: Vec<(String, ArrayRef)> = fixture["table"].as_object().unwrap().iter().map(column).collect();
    let columns: Vec<(&str, ArrayRef)> = columns.iter().map(|(name, array)| (name.as_str(), array.clone())).collect();
    bench.table(&batch(&columns))
}

fn near(ours: &Value, theirs: &Value) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(ours), Some(theirs)) => {
            (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-15) || (ours - theirs).abs() <= 1e-12
        }
        _ => ours == theirs,
    }
}

#[test]
fn a_profile_says_what_pandas_scipy_and_sklearn_say() {
    let fixture = fixture();
    let bench = Workbench::new();
    let table = table(&bench, &fixture);
    let report =
        bench.run("profile.table", json!({"target": "target"}), &[("table", &table)]).unwrap().report("report");
    let mut wrong = Vec::new();
    let mut compare = |what: String, ours: &Value, theirs: &Value| {
        if !near(ours, theirs) {
            wrong.push(format!("{what}: {ours} and not {theirs}"));
        }
    };
    for (name, theirs) in fixture["described"].as_object().unwrap() {
        let ours = report["columns"].as_array().unwrap().iter().find(|column| column["name"] == *name).unwrap();
        for key in ["mean", "stdev", "skewness", "kurtosis"] {
            compare(format!("{key} of {name}"), &ours["values"][key], &theirs[key]);
        }
        for (place, share) in ["0.05", "0.25", "0.5", "0.75", "0.95"].iter().enumerate() {
            compare(
                format!("quantile {share} of {name}"),
                &ours["values"]["quantiles"][share],
                &theirs["quantiles"][place],
            );
        }
        compare(format!("AUC of {name}"), &ours["target"]["auc"], &theirs["auc"]);
    }
    for key in ["pearson", "cramers_v"] {
        let (ours, theirs) = (&report[key], &fixture[key]);
        assert_eq!(ours["columns"], theirs["columns"]);
        let names = theirs["columns"].as_array().unwrap();
        for (row, left) in names.iter().enumerate() {
            // A column that does not vary goes together with nothing but itself; pandas leaves out even that.
            for (column, right) in names.iter().enumerate().filter(|(column, _)| *column != row) {
                compare(
                    format!("{key} of {left} and {right}"),
                    &ours["values"][row][column],
                    &theirs["values"][row][column],
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn correlation_checks_say_what_pandas_says() {
    let fixture = fixture();
    let bench = Workbench::new();
    let table = table(&bench, &fixture);
    let (mut expect, mut wanted) = (Vec::new(), Vec::new());
    for method in ["pearson", "spearman"] {
        let names = fixture[method]["columns"].as_array().unwrap();
        for (row, left) in names.iter().enumerate() {
            for (column, right) in names.iter().enumerate().skip(row + 1) {
                expect.push(json!({"columns": [left, right], "check": "correlation", "method": method, "min": -1}));
                wanted.push(&fixture[method]["values"][row][column]);
            }
        }
    }
    let report = bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).unwrap().report("report");
    for ((result, wanted), expectation) in report["results"].as_array().unwrap().iter().zip(wanted).zip(&expect) {
        let ours = &result["result"]["observed_value"];
        assert!(near(ours, wanted), "{expectation}: {ours} and not {wanted}");
    }
}
