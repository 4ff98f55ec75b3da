use serde_json::json;

use crate::step::model_engineering::testing::{Sample, metric};
use crate::step::testing::Workbench;

#[test]
fn errors_are_measured_with_intervals_and_by_slice() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::regression(80, 1));
    let test = bench.table(&Sample::regression(60, 2));
    let model = bench.run("train.linear", json!({}), &[("train", &train)]).unwrap().input("model");
    let params = json!({"slices": ["group"], "bootstrap": 40, "min_slice_rows": 5});
    let ran = bench.run("evaluate.regressor", params, &[("model", &model), ("test", &test)]).unwrap();
    let rmse = ran.outcome.metrics.iter().find(|metric| metric.name == "rmse").unwrap().clone();
    assert!(rmse.low.unwrap() < rmse.value.unwrap() && rmse.value.unwrap() < rmse.high.unwrap());
    assert!(metric(&ran, "mae_ratio_group").unwrap() <= 1.0);
    assert_eq!(ran.table("predictions").num_rows(), 60);
    let report = ran.report("report");
    assert_eq!(report["importance"]["features"][0]["feature"], "x0");
    assert!(std::fs::read_to_string(ran.path("card_html")).unwrap().contains("Predicted and true values"));
}

#[test]
fn a_classifier_is_sent_to_the_right_kind() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(40, 1));
    let model = bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().input("model");
    let error = bench.run("evaluate.regressor", json!({}), &[("model", &model), ("test", &train)]).err().unwrap();
    assert_eq!((error.code(), error.remedy()), ("wrong_task", Some("use `evaluate.classifier`")));
}
