//! What the checks of our own and the rarer ones say; those of Great Expectations are held to it in `oracle.rs`.

use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use crate::step::testing::{Workbench, batch, bools, floats, ints, texts};

fn table() -> RecordBatch {
    batch(&[
        ("id", ints([1, 2, 3, 4, 5, 6])),
        ("group", texts(["a", "b", "a", "b", "a", "b"])),
        ("n", ints([Some(1), Some(5), Some(2), Some(4), None, Some(4)])),
        ("x", floats([Some(0.5), Some(f64::NAN), Some(f64::INFINITY), Some(-2.0), Some(0.0), None])),
        ("y", floats([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])),
        ("mail", texts([Some("a@b.de"), Some("nobody"), None, Some("x@y.org"), Some(""), Some("ü@b.de")])),
        ("json", texts([Some("{\"a\": 1}"), Some("{\"a\": \"x\"}"), Some("[]"), Some("{"), None, Some("{\"a\": 2}")])),
        ("label", texts([Some("yes"), Some("no"), Some("yes"), Some(" "), None, Some("yes")])),
        ("left", bools([true, false, true, false, true, false])),
        ("empty", floats([None; 6])),
    ])
}

fn reference() -> RecordBatch {
    batch(&[
        ("id", ints([1, 2, 3])),
        ("group", texts(["a", "a", "a"])),
        ("y", floats([1.0, 2.0, 3.0])),
        ("extra", ints([1, 2, 3])),
    ])
}

/// Runs all checks in one step; each says whether it succeeds and one key of its result.
fn check(cases: &[(Value, bool, &str, Value)]) {
    let bench = Workbench::new();
    let (table, reference) = (bench.table(&table()), bench.table(&reference()));
    let expect: Vec<&Value> = cases.iter().map(|(expectation, ..)| expectation).collect();
    let inputs = [("table", &table), ("reference", &reference)];
    let report = bench.run("validate.table", json!({"expect": expect}), &inputs).unwrap().report("report");
    let mut wrong = Vec::new();
    for ((expectation, success, key, value), found) in cases.iter().zip(report["results"].as_array().unwrap()) {
        let observed = &found["result"][*key];
        let is_near = |(one, other): (f64, f64)| (one - other).abs() < 1e-9;
        let agrees = observed == value || observed.as_f64().zip(value.as_f64()).is_some_and(is_near);
        if found["success"] != json!(success) || !agrees {
            let raised = &found["exception_info"]["exception_message"];
            wrong.push(format!("{expectation}: success {}, {key} {observed}, {raised}", found["success"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_shape_of_the_table_is_checked() {
    check(&[
        (
            json!({"check": "no_extra_columns", "allow": ["id", "group", "n", "x", "y", "mail", "json", "label", "left"]}),
            false,
            "observed_value",
            json!(["empty"]),
        ),
        (
            json!({"check": "no_extra_columns"}),
            false,
            "observed_value",
            json!(["n", "x", "mail", "json", "label", "left", "empty"]),
        ),
        (json!({"check": "column_exists", "column": "n", "index": 2}), true, "observed_value", Value::Null),
        (json!({"check": "column_exists", "column": "n", "index": 3}), false, "observed_value", Value::Null),
        (json!({"check": "row_count_vs"}), false, "observed_value", json!({"self": 6, "other": 3})),
        (
            json!({"check": "row_count_vs", "min_ratio": 1.5, "max_ratio": 2}),
            true,
            "observed_value",
            json!({"self": 6, "other": 3}),
        ),
        (
            json!({"columns": ["group", "id"], "check": "columns_match", "ordered": true, "exact": false}),
            false,
            "observed_value",
            json!(["id", "group", "n", "x", "y", "mail", "json", "label", "left", "empty"]),
        ),
    ]);
}

#[test]
fn what_is_missing_or_no_number_is_checked() {
    check(&[
        (json!({"column": "x", "check": "no_nan"}), false, "partial_unexpected_list", json!(["NaN"])),
        (json!({"column": "x", "check": "no_inf"}), false, "partial_unexpected_list", json!(["inf"])),
        (json!({"column": "n", "check": "no_nan"}), true, "missing_count", json!(1)),
        (json!({"columns": ["n", "x"], "check": "not_null"}), false, "unexpected_count", json!(3)),
        (json!({"column": "empty", "check": "is_null"}), true, "unexpected_count", json!(0)),
        (json!({"column": "label", "check": "label_present", "mostly": 0.6}), true, "unexpected_count", json!(2)),
        (json!({"column": "n", "check": "null_rate", "max": 0.1}), false, "observed_value", json!(1.0 / 6.0)),
        (json!({"column": "n", "check": "completeness", "min": 0.8}), true, "observed_value", json!(5.0 / 6.0)),
        (json!({"column": "x", "check": "max", "max": 10}), false, "observed_value", json!("inf")),
        (json!({"column": "x", "check": "mean", "min": 0}), true, "observed_value", json!("inf")),
        (json!({"column": "x", "check": "stdev", "min": 0}), false, "observed_value", Value::Null),
    ]);
}

#[test]
fn how_often_values_occur_is_checked() {
    check(&[
        (json!({"column": "n", "check": "primary_key"}), false, "partial_unexpected_list", json!([4, null, 4])),
        (json!({"columns": ["group", "id"], "check": "primary_key"}), true, "unexpected_count", json!(0)),
        (json!({"column": "n", "check": "uniqueness", "min": 0.5}), true, "observed_value", json!(0.6)),
        (json!({"check": "no_duplicate_rows"}), true, "observed_value", json!(0.0)),
        (
            json!({"check": "no_duplicate_rows", "columns": ["group"], "max_ratio": 0.5}),
            false,
            "observed_value",
            json!(4.0 / 6.0),
        ),
        (json!({"column": "n", "check": "unique", "columns": null}), false, "unexpected_count", json!(2)),
        (json!({"columns": ["n", "id"], "check": "unique_in_row"}), false, "unexpected_count", json!(2)),
        (
            json!({"column": "group", "check": "entropy", "min": 0.69, "max": 0.7}),
            true,
            "observed_value",
            json!(2f64.ln()),
        ),
        (
            json!({"column": "label", "check": "class_balance", "min_ratio": 0.5}),
            false,
            "observed_value",
            json!(1.0 / 3.0),
        ),
    ]);
}

#[test]
fn texts_are_checked() {
    check(&[
        (
            json!({"column": "mail", "check": "format", "kind": "email"}),
            false,
            "partial_unexpected_list",
            json!(["nobody", ""]),
        ),
        (json!({"column": "json", "check": "format", "kind": "json"}), false, "partial_unexpected_list", json!(["{"])),
        (
            json!({"column": "json", "check": "json_schema", "schema": {"properties": {"a": {"type": "number"}}}}),
            false,
            "partial_unexpected_list",
            json!(["{\"a\": \"x\"}", "{"]),
        ),
        (
            json!({"column": "mail", "check": "length_equals", "equals": 6, "mostly": 0.4}),
            true,
            "unexpected_count",
            json!(2),
        ),
        (json!({"column": "mail", "check": "like", "pattern": "%@%.de"}), false, "unexpected_count", json!(3)),
        (
            json!({"column": "mail", "check": "not_like", "patterns": ["%.de", "%.org"]}),
            false,
            "unexpected_count",
            json!(3),
        ),
        (
            json!({"column": "mail", "check": "regex_any", "patterns": ["@", "^$"]}),
            false,
            "partial_unexpected_list",
            json!(["nobody"]),
        ),
        (
            json!({"column": "mail", "check": "regex_all", "patterns": ["@", "de$"]}),
            false,
            "unexpected_count",
            json!(3),
        ),
        (json!({"column": "empty", "check": "mean", "min": 0}), false, "observed_value", Value::Null),
    ]);
}

#[test]
fn order_is_checked_within_groups() {
    check(&[
        (json!({"column": "n", "check": "increasing"}), false, "partial_unexpected_list", json!([2])),
        (
            json!({"column": "n", "check": "increasing", "group_by": "group"}),
            false,
            "partial_unexpected_list",
            json!([4]),
        ),
        (
            json!({"column": "n", "check": "decreasing", "group_by": ["group"], "strict": true}),
            false,
            "partial_unexpected_list",
            json!([2, 4]),
        ),
        (json!({"column": "y", "check": "increasing", "strict": true}), true, "unexpected_count", json!(0)),
    ]);
}

#[test]
fn numbers_and_pairs_are_checked() {
    check(&[
        (json!({"column": "x", "check": "positive"}), false, "partial_unexpected_list", json!([-2.0, 0.0])),
        (json!({"column": "x", "check": "non_negative"}), false, "partial_unexpected_list", json!([-2.0])),
        (json!({"column": "y", "check": "no_outliers"}), false, "partial_unexpected_list", json!([32.0])),
        (json!({"column": "y", "check": "no_outliers", "multiplier": 3}), true, "unexpected_count", json!(0)),
        (
            json!({"column": "y", "check": "no_outliers", "multiplier": 1, "method": "std"}),
            false,
            "partial_unexpected_list",
            json!([32.0]),
        ),
        (json!({"column": "y", "check": "variance", "min": 140, "max": 143}), true, "observed_value", json!(140.7)),
        (
            json!({"column": "y", "check": "kurtosis", "min": 1.4}),
            true,
            "observed_value",
            json!(1.874_953_590_257_666_4),
        ),
        (
            json!({"columns": ["id", "y"], "check": "correlation", "min": 0.9}),
            true,
            "observed_value",
            json!(0.905_763_856_236_992),
        ),
        (
            json!({"columns": ["id", "y"], "check": "correlation", "method": "spearman", "min": 1}),
            true,
            "observed_value",
            json!(1.0),
        ),
        (
            json!({"columns": ["group", "left"], "check": "correlation", "method": "cramers_v", "max": 0.9}),
            false,
            "observed_value",
            json!(1.0),
        ),
        (
            json!({"columns": ["id", "n"], "check": "sum_equals", "total": 5, "tolerance": 2}),
            false,
            "unexpected_count",
            json!(4),
        ),
        (
            json!({"columns": ["id", "n"], "check": "pair_in_set", "pairs": [[1, 1], [2, 5], [5, null]], "mostly": 0.5}),
            true,
            "unexpected_count",
            json!(3),
        ),
        (
            json!({"check": "no_leakage", "target": "left", "columns": ["group"]}),
            false,
            "details",
            json!({"leaks": ["group"], "auc": {"group": 1.0}}),
        ),
        (
            json!({"check": "no_leakage", "target": "left", "columns": ["id", "y"]}),
            true,
            "observed_value",
            json!(2.0 / 3.0),
        ),
    ]);
}

#[test]
fn the_table_is_held_against_a_reference() {
    check(&[
        (json!({"column": "id", "check": "foreign_key"}), false, "partial_unexpected_list", json!([4, 5, 6])),
        (
            json!({"check": "drift", "columns": ["y"], "threshold": 0.5, "method": "psi"}),
            false,
            "observed_value",
            json!(1.0),
        ),
        (json!({"check": "drift", "columns": ["id", "y"], "method": "ks"}), true, "observed_value", json!(0.0)),
        (
            json!({"check": "train_serve_skew", "columns": ["group"], "threshold": 0.4}),
            false,
            "observed_value",
            json!(0.5),
        ),
        (
            json!({"check": "train_serve_skew", "columns": ["group"], "metric": "js", "threshold": 0.4}),
            true,
            "observed_value",
            json!(0.311_278_124_459_132_84),
        ),
    ]);
    let bench = Workbench::new();
    let table = bench.table(&table());
    for name in ["row_count_vs", "drift", "no_extra_columns"] {
        let ran = bench.run("validate.table", json!({"expect": [{"check": name}]}), &[("table", &table)]).unwrap();
        assert_eq!(
            ran.log,
            [format!("warning: {name} could not be checked: `{name}` needs a table at the input `reference`")]
        );
    }
}

#[test]
fn what_keeps_all_rows_says_what_it_needs() {
    let mut bench = Workbench::new();
    bench.memory_bytes = Some(1 << 20);
    let table = bench.table(&batch(&[("a", ints((0..200_000).map(Some))), ("b", floats((0..200_000).map(f64::from)))]));
    let expect = json!([
        {"column": "a", "check": "unique"},
        {"columns": ["a", "b"], "check": "correlation", "method": "spearman", "min": 0},
        {"columns": ["a", "b"], "check": "correlation", "min": 0},
    ]);
    let ran = bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).unwrap();
    insta::assert_snapshot!(ran.log.join("\n"), @r"
    warning: unique_a could not be checked: `unique` needs 1 MiB for 200000 rows, and `resources.memory` allows 1 MiB
    warning: correlation_a_b could not be checked: `correlation` needs 7 MiB for 200000 rows, and `resources.memory` allows 1 MiB
    ");
}

#[test]
fn a_measure_is_held_against_earlier_runs() {
    let bench = Workbench::new();
    let table = bench.table(&table());
    let history = bench.table(&batch(&[("value", floats([5.0, 7.0, 6.0, 6.0])), ("bytes", ints([60, 62, 61, 63]))]));
    let anomaly = |more: Value| {
        let mut check = json!({"check": "anomaly", "measure": "row_count"});
        check.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        check
    };
    let expect = json!([
        anomaly(json!({"strategy": "batch_normal"})),
        anomaly(json!({"strategy": "absolute_change", "lower": -1, "upper": 1})),
        anomaly(json!({"strategy": "relative_rate_of_change", "lower": 0.5, "upper": 2, "history_column": "bytes"})),
        anomaly(json!({"strategy": "online_normal", "window": 1})),
        anomaly(json!({"strategy": "simple_threshold", "upper": 5})),
        anomaly(json!({"strategy": "batch_normal", "measure": "mean", "column": "y"})),
        anomaly(json!({"strategy": "batch_normal", "measure": "row_count", "where": "y > 8"})),
        anomaly(json!({"strategy": "batch_normal", "measure": "unique", "column": "y"})),
    ]);
    let ran =
        bench.run("validate.table", json!({"expect": expect}), &[("table", &table), ("history", &history)]).unwrap();
    let report = ran.report("report");
    let verdicts: Vec<(bool, bool)> = report["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| (result["success"].as_bool().unwrap(), result["vacuous"].as_bool().unwrap()))
        .collect();
    let (good, bad, unknown) = ((true, false), (false, false), (true, true));
    assert_eq!(verdicts, [good, good, bad, unknown, bad, bad, bad, bad], "{}", ran.log.join("\n"));
    assert_eq!(ran.metric("observed.anomaly"), Some(6.0));
    assert_eq!(ran.metric("observed.anomaly_y"), Some(10.5));
    assert_eq!(report["results"][0]["result"]["details"]["earlier_values"], 4);
    assert!(
        ran.log
            .iter()
            .any(|line| line == "warning: anomaly_y_2 could not be checked: `unique` measures no single number")
    );
    let alone = json!({"expect": [anomaly(json!({"strategy": "batch_normal"}))]});
    let ran = bench.run("validate.table", alone, &[("table", &table)]).unwrap();
    assert_eq!(
        ran.log,
        ["warning: anomaly could not be checked: `anomaly` needs a table of earlier values at the input `history`"]
    );
    let seasons = json!({"expect": [anomaly(json!({"strategy": "holt_winters"}))]});
    let error = bench.run("validate.table", seasons, &[("table", &table)]).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("`holt_winters` needs `season`"), "{error}");
}
