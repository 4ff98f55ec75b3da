//! The promises of the kind, on small tables and logged requests.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use serde_json::{Value, json};

use crate::step::testing::{Ran, Workbench, batch, floats, ints, texts};
use crate::step::{Dependency, StepRegistry};
use crate::table::TableWriter;

fn rows(shift: i64, plan: &'static str) -> RecordBatch {
    batch(&[
        ("tenure", ints((0..60).map(|row| row % 30 + shift))),
        ("plan", texts((0..60).map(|row| if row % 3 == 0 { plan } else { "basic" }))),
        ("charge", floats((0..60).map(|row| f64::from(row) / 7.0))),
    ])
}

fn compare(params: Value, reference: &RecordBatch, current: &RecordBatch) -> Ran {
    let bench = Workbench::new();
    let (reference, current) = (bench.table(reference), bench.table(current));
    bench.run("monitor.drift", params, &[("reference", &reference), ("current", &current)]).unwrap()
}

fn log_requests(bench: &Workbench, name: &str, at: i64, rows: &RecordBatch) {
    let folder = bench.folder().join("state/endpoints/churn/requests");
    std::fs::create_dir_all(&folder).unwrap();
    let moments = TimestampMicrosecondArray::from(vec![at; rows.num_rows()]).with_timezone("UTC");
    let moments: ArrayRef = Arc::new(moments);
    let columns = rows.schema_ref().fields().iter().map(|field| field.name().clone()).zip(rows.columns().to_vec());
    let logged = RecordBatch::try_from_iter(columns.chain([("_at".to_owned(), moments)])).unwrap();
    let mut writer = TableWriter::create(&folder.join(name), &logged.schema()).unwrap();
    writer.write(&logged).unwrap();
    writer.close().unwrap();
}

#[test]
fn equal_tables_have_not_drifted_and_moved_columns_have() {
    let ran = compare(json!({}), &rows(0, "plus"), &rows(0, "plus"));
    assert_eq!(ran.metric("share_drifted"), Some(0.0));
    let ran = compare(json!({}), &rows(0, "plus"), &rows(12, "gold"));
    assert_eq!(ran.metric("drifted_columns"), Some(2.0));
    assert_eq!(ran.metric("columns"), Some(3.0));
    assert_eq!(ran.metric("dataset_drift"), Some(1.0));
    assert!(ran.metric("psi_max").unwrap() > 0.1);
    let report = ran.report("report");
    assert_eq!(report["columns"][2]["column"], "tenure");
    assert_eq!(report["columns"][2]["method"], "ks");
    assert_eq!(report["columns"][2]["drifted"], true);
    let page = std::fs::read_to_string(ran.path("html")).unwrap();
    assert!(page.contains("2 of 3 columns have drifted"));
}

#[test]
fn the_raw_columns_of_a_feature_table_are_compared_with_logged_requests() {
    let bench = Workbench::new();
    let fit = batch(&[
        ("tenure", ints((0..60).map(|row| row % 30))),
        ("plan", texts((0..60).map(|row| if row % 3 == 0 { "plus" } else { "basic" }))),
        ("charge", floats((0..60).map(|row| f64::from(row) / 7.0))),
        ("churn", texts((0..60).map(|row| if row % 4 == 0 { "Yes" } else { "No" }))),
    ]);
    let features = json!({"target": {"column": "churn"}, "transforms": [{"one_hot": {}}, {"standardize": {}}]});
    let features = bench.run("feature.pipeline", features, &[("fit", &bench.table(&fit))]).unwrap();
    let now = chrono::Utc::now().timestamp_micros();
    log_requests(&bench, "a.parquet", now - 1_000_000, &rows(12, "plus"));
    // Requests from before the window do not count, nor do files that are still being written.
    log_requests(&bench, "b.parquet", now - 30 * 86_400 * 1_000_000, &rows(0, "gold"));
    bench.file("state/endpoints/churn/requests/.c.partial", "half");
    bench.file("state/endpoints/churn/requests/d.parquet", "broken");
    let params = json!({"endpoint": "churn", "window": "7d"});
    let ran = bench.run("monitor.drift", params, &[("reference", &features.input("fit"))]).unwrap();
    assert_eq!(ran.metric("rows_current"), Some(60.0));
    assert_eq!(ran.metric("columns"), Some(3.0));
    assert_eq!(ran.metric("drifted_columns"), Some(1.0));
    assert!(ran.log.iter().any(|line| line.contains("d.parquet") && line.contains("left out")), "{:?}", ran.log);
}

#[test]
fn without_requests_the_share_is_undefined_and_the_log_says_why() {
    let bench = Workbench::new();
    let reference = bench.table(&rows(0, "plus"));
    let ran = bench.run("monitor.drift", json!({"endpoint": "churn"}), &[("reference", &reference)]).unwrap();
    assert_eq!(ran.metric("share_drifted"), None);
    assert!(ran.outcome.metrics.iter().any(|metric| metric.name == "share_drifted"));
    insta::assert_snapshot!(ran.log[0], @"endpoint `churn` has logged no requests in the last 7d, so there is nothing to compare yet");
    assert!(ran.has("report") && ran.has("html"));
}

#[test]
fn methods_can_be_chosen() {
    let params = json!({"columns": ["tenure", "plan"], "method": "ks", "methods": {"tenure": "psi"}, "thresholds": {"tenure": 100.0}});
    let ran = compare(params, &rows(0, "plus"), &rows(12, "plus"));
    let report = ran.report("report");
    assert_eq!(report["columns"].as_array().unwrap().len(), 2);
    // Text has no KS test, so `plan` falls back to the usual choice.
    assert_eq!(report["columns"][0]["method"], "z");
    assert_eq!(report["columns"][1]["method"], "psi");
    assert_eq!(report["columns"][1]["drifted"], false);
}

#[test]
fn a_column_that_has_lost_its_values_has_drifted() {
    let mut columns = rows(0, "plus").columns().to_vec();
    columns[2] = floats(vec![None; 60]);
    let current = RecordBatch::try_new(rows(0, "plus").schema(), columns).unwrap();
    let ran = compare(json!({}), &rows(0, "plus"), &current);
    assert_eq!(ran.report("report")["columns"][0]["note"], "the current rows have no values");
    assert_eq!(ran.metric("drifted_columns"), Some(1.0));
}

#[test]
fn mistakes_are_named() {
    let bench = Workbench::new();
    let table = bench.table(&rows(0, "plus"));
    let inputs = [("reference", &table), ("current", &table)];
    let refusal = |params: Value| bench.run("monitor.drift", params, &inputs).err().unwrap().to_string();
    insta::assert_snapshot!(refusal(json!({"columns": ["tenur"]})), @"the reference has no column `tenur` to compare");
    insta::assert_snapshot!(refusal(json!({"window": "soon"})), @"window: `soon` is no length of time such as `12h`, `7d` or `4w`");
    insta::assert_snapshot!(refusal(json!({"methods": {"plan": "ks"}})), @"method `ks` compares numbers, but column `plan` holds text");
}

#[test]
fn a_window_of_requests_is_never_cached() {
    let registry = StepRegistry::builtin();
    let kind = registry.kind("monitor.drift").unwrap();
    let step = kind.build(json!({"endpoint": "churn"})).unwrap();
    assert!(matches!(step.dependencies().as_slice(), [Dependency::Unknown(_)]));
    assert!(step.ports().input("current").is_none());
    assert!(kind.build(json!({})).unwrap().dependencies().is_empty());
}

#[test]
fn rows_that_break_the_contract_of_the_source_are_counted_and_listed() {
    let contract = "contract: customers\nversion: 2\ncolumns:\n  - {name: id, type: text}\n  \
        - {name: tenure, type: int64, max: 30}\n  - {name: plan, type: text, allowed: [basic, plus]}\n  \
        - {name: charge, type: text}\n";
    let ran = compare(json!({"contract": contract}), &rows(0, "plus"), &rows(12, "gold"));
    // Eleven tenures of each thirty are above, a third of the plans is another, and a type is another.
    assert_eq!(ran.metric("contract_violations"), Some(3.0));
    let report = ran.report("report");
    let violations = report["contract"]["violations"].as_array().unwrap();
    let broken: Vec<String> =
        violations.iter().map(|it| format!("{} {}", it["column"].as_str().unwrap(), it["rows"])).collect();
    assert_eq!(broken, ["charge 60", "plan 20", "tenure 22"]);
    assert_eq!(report["contract"]["not_there"], json!(["id"]));
    assert!(ran.metric("contract_rows").unwrap() >= 22.0);
    let kept = compare(json!({"contract": contract}), &rows(0, "plus"), &rows(0, "plus"));
    assert_eq!(kept.metric("contract_violations"), Some(1.0), "{:?}", kept.log);
}
