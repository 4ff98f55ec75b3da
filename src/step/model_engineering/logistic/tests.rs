use serde_json::json;

use super::super::testing::{Sample, metric};
use crate::ml::model::TrainedModel;
use crate::step::testing::Workbench;

#[test]
fn a_signal_is_found_and_measured() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(120, 1));
    let valid = bench.table(&Sample::binary(60, 2));
    let ran = bench.run("train.logistic", json!({}), &[("train", &train), ("valid", &valid)]).unwrap();
    assert!(metric(&ran, "valid.roc_auc").unwrap() > 0.95);
    assert!(metric(&ran, "train.log_loss").unwrap() < 0.4);
    let model = TrainedModel::load(&ran.path("model")).unwrap();
    assert_eq!(model.description().metrics["valid.roc_auc"], metric(&ran, "valid.roc_auc"));
    assert_eq!(model.predict(&Sample::binary(5, 3)).unwrap().rows(), 5);
    assert_eq!(ran.report("report")["training"]["converged"], true);
}

#[test]
fn many_classes_are_learnt_too() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::multiclass(150, 1));
    let ran = bench.run("train.logistic", json!({"c": 10}), &[("train", &train)]).unwrap();
    assert!(metric(&ran, "train.roc_auc_ovr").unwrap() > 0.9);
}

#[test]
fn equal_tables_give_equal_bytes() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(60, 1));
    let digest = || bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().artifact("model").digest;
    assert_eq!(digest(), digest());
}

#[test]
fn a_heavier_class_is_predicted_more_often() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(100, 1));
    let rate = |params| {
        let ran = bench.run("train.logistic", params, &[("train", &train)]).unwrap();
        metric(&ran, "train.selection_rate").unwrap()
    };
    assert!(rate(json!({"class_weight": {"Yes": 20.0}})) > rate(json!({"class_weight": "balanced"})));
}

#[test]
fn mistakes_name_the_place_and_the_remedy() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(30, 1));
    let wrong = |params, input: &crate::step::InputArtifact| {
        let error = bench.run("train.logistic", params, &[("train", input)]).err().unwrap();
        format!("{}: {} ({})", error.code(), error, error.remedy().unwrap_or_default())
    };
    insta::assert_snapshot!(wrong(json!({"class_weight": {"Maybe": 2.0}}), &train), @"unknown_class: `class_weight` names `Maybe`, which is no class of the target (the classes are: No, Yes)");
    insta::assert_snapshot!(wrong(json!({"c": 0}), &train), @"params: c: 0 is not a number above zero ()");
    let number = bench.table(&Sample::regression(30, 1));
    insta::assert_snapshot!(wrong(json!({}), &number), @"wrong_task: the target `y` is a number (use `train.linear` or `train.mlp` for a number)");
    let task = crate::table::roles::Task::Binary { classes: ["No".to_owned(), "Yes".to_owned()] };
    let one_class = bench.table(&Sample::table(30, 1, &task, |_| 1.0));
    insta::assert_snapshot!(wrong(json!({}), &one_class), @"one_class: input `train`: all 30 rows have the same target, `Yes` (look at the split and the filters before this step, or stratify the split by the target)");
}

#[test]
fn a_cancelled_run_stops_the_fit() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(30, 1));
    bench.cancel();
    let error = bench.run("train.logistic", json!({}), &[("train", &train)]).err().unwrap();
    assert_eq!(error.code(), "cancelled");
}
