//! What a failed check leads to, and checks under other names.

use serde_json::{Value, json};

use crate::step::testing::{Ran, Workbench, batch, ints, show, texts};

fn run(with: Value) -> Result<Ran, crate::step::StepError> {
    let bench = Workbench::new();
    let table = bench.table(&batch(&[
        ("id", ints([1, 2, 2, 3, 4, 500])),
        ("plan", texts([Some("pro"), Some("pro"), Some("basic"), None, Some("gold"), Some("pro")])),
    ]));
    bench.run("validate.table", with, &[("table", &table)])
}

#[test]
fn rejected_rows_are_put_aside_with_the_names_of_the_checks() {
    let with = json!({"expect": [
        {"column": "id", "check": "unique", "on_fail": "quarantine"},
        {"column": "plan", "check": "in_set", "values": ["pro", "basic"], "on_fail": "quarantine", "id": "plans"},
        {"column": "id", "check": "no_outliers", "on_fail": "quarantine", "id": "far"},
        {"column": "id", "check": "increasing", "strict": true, "on_fail": "quarantine"},
        {"column": "id", "check": "between", "max": 3},
    ]});
    let ran = run(with).unwrap();
    insta::assert_snapshot!(show(&ran.table("quarantine")), @r"
    id:Int64 plan:Utf8 rejected_by:Utf8
    2 pro unique_id
    2 basic unique_id, increasing_id
    4 gold plans
    500 pro far
    ");
    insta::assert_snapshot!(show(&ran.table("table")), @r"
    id:Int64 plan:Utf8
    1 pro
    3 ~
    ");
    let metrics = ["failed", "warnings", "quarantined", "rows"].map(|name| ran.metric(name).unwrap());
    assert_eq!(format!("{metrics:?}"), "[1.0, 0.0, 4.0, 6.0]", "only what puts nothing aside counts as failed");
    assert_eq!(ran.report("report")["meta"]["quarantined"], 4);
    assert_eq!(ran.table("failures").num_rows(), 2 + 1 + 1 + 1 + 2);
}

#[test]
fn nothing_is_put_aside_where_nothing_fails() {
    let with = json!({"expect": [
        {"column": "id", "check": "non_negative", "on_fail": "quarantine"},
        {"column": "id", "check": "no_outliers", "multiplier": 1000, "on_fail": "quarantine"},
    ]});
    let ran = run(with).unwrap();
    assert!(!ran.has("quarantine") && ran.has("table"));
    assert_eq!(ran.metric("quarantined"), Some(0.0));
}

#[test]
fn each_check_says_what_its_failure_leads_to() {
    let with = |on_fail: &str| json!({"expect": [{"column": "id", "check": "unique", "on_fail": on_fail}]});
    let warned = run(with("warn")).unwrap();
    assert_eq!((warned.metric("failed"), warned.metric("warnings")), (Some(0.0), Some(1.0)));
    let skipping = run(with("skip_downstream")).unwrap();
    assert!(!skipping.has("table") && skipping.has("report"));
    assert_eq!(skipping.metric("failed"), Some(1.0));
    assert!(skipping.log.iter().any(|line| line.contains("the steps that read it are skipped: unique_id failed")));
    let failed = run(with("fail")).map(|_| ()).unwrap_err();
    assert_eq!(failed.code(), "checks_failed");
    let error = run(json!({"expect": [{"check": "row_count", "min": 9, "on_fail": "quarantine"}]})).map(|_| ());
    assert!(error.unwrap_err().to_string().contains("`row_count` looks at no single rows"));
}

#[test]
fn a_check_that_cannot_be_carried_out_counts_although_it_would_put_rows_aside() {
    let ran = run(json!({"expect": [{"column": "ID", "check": "unique", "on_fail": "quarantine"}]})).unwrap();
    assert_eq!((ran.metric("failed"), ran.has("table"), ran.has("quarantine")), (Some(1.0), true, false));
}

#[test]
fn a_check_may_have_the_name_of_great_expectations() {
    let with = json!({"expect": [
        {"check": "expect_column_values_to_be_between", "column": "id", "min_value": 1, "max_value": 9, "severity": "info"},
        {"check": "expect_column_values_to_be_in_set", "column": "plan", "value_set": ["pro"], "mostly": 0.6, "where": "id < 9"},
    ]});
    let report = run(with).unwrap().report("report");
    let results = report["results"].as_array().unwrap();
    let names: Vec<&Value> = results.iter().map(|result| &result["gx_type"]).collect();
    assert_eq!(names, ["expect_column_values_to_be_between", "expect_column_values_to_be_in_set"]);
    assert_eq!((&results[0]["severity"], &results[0]["success"]), (&json!("info"), &json!(false)));
    assert_eq!(results[1]["result"]["element_count"], 5);
    let error = run(json!({"expect": [{"check": "expect_magic", "column": "id"}]})).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no check of ours says this"), "{error}");
}

#[test]
fn a_suite_is_read_and_what_cannot_be_said_is_named() {
    let suite = |kwargs: Value| {
        json!({"name": "s", "expectations": [
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "plan"}, "severity": "warning"},
            {"type": "expect_column_mean_to_be_between", "kwargs": kwargs},
        ], "suite_parameters": {"low": 0}})
        .to_string()
    };
    let own = json!([{"check": "row_count", "min": 1}]);
    let filled = suite(json!({"column": "id", "min_value": {"$PARAMETER": "low"}}));
    let ran = run(json!({"expect": own, "suite": filled})).unwrap();
    let metrics = ["checks", "failed", "warnings"].map(|name| ran.metric(name).unwrap());
    assert_eq!(format!("{metrics:?}"), "[3.0, 0.0, 1.0]");
    let unknown = suite(json!({"column": "id", "min_value": {"$PARAMETER": "high"}}));
    let error = run(json!({"suite": unknown})).map(|_| ()).unwrap_err().to_string();
    let expected = "suite: expectation 2 of the suite, `expect_column_mean_to_be_between`: the suite parameter `high` has no value";
    assert!(error.contains(expected), "{error}");
    let error = run(json!({"suite": "[]"})).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("the suite has no list `expectations`"), "{error}");
}

#[test]
fn the_report_has_the_keys_of_great_expectations() {
    let report =
        run(json!({"expect": [{"column": "id", "check": "unique"}, {"column": "no", "check": "mean", "min": 1}]}));
    let report = report.unwrap().report("report");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&report), "success statistics meta results");
    assert_eq!(
        keys(&report["results"][0]),
        "success expectation_config result meta exception_info check_id severity gx_type vacuous"
    );
    assert_eq!(
        keys(&report["results"][0]["result"]),
        "element_count unexpected_count unexpected_percent partial_unexpected_list missing_count missing_percent \
         unexpected_percent_total unexpected_percent_nonmissing partial_unexpected_counts partial_unexpected_index_list"
    );
    assert_eq!(
        report["results"][1]["exception_info"],
        json!({"raised_exception": true, "exception_traceback": null, "exception_message": "there is no column `no`; did you mean `id`?"})
    );
}
