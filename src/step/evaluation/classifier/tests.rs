use serde_json::json;

use crate::step::InputArtifact;
use crate::step::model_engineering::testing::{Sample, metric};
use crate::step::testing::Workbench;
use crate::table::roles::Task;

fn model(bench: &Workbench) -> InputArtifact {
    let train = bench.table(&Sample::binary(120, 1));
    bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().input("model")
}

#[test]
fn a_classifier_is_measured_with_intervals_slices_and_a_card() {
    let mut bench = Workbench::new();
    bench.record = json!({"pipeline": "churn", "criteria": {"ml": {"roc_auc": {"min": 0.8}}}});
    let model = model(&bench);
    let test = bench.table(&Sample::binary(90, 2));
    let params = json!({"slices": ["group"], "bootstrap": 50, "min_slice_rows": 5});
    let ran = bench.run("evaluate.classifier", params, &[("model", &model), ("test", &test)]).unwrap();
    let auc = ran.outcome.metrics.iter().find(|metric| metric.name == "roc_auc").unwrap().clone();
    assert!(auc.value.unwrap() > 0.9 && auc.low.unwrap() <= auc.value.unwrap());
    assert!(metric(&ran, "recall_ratio_group").unwrap() <= 1.0);
    assert!(ran.outcome.metrics.iter().any(|metric| metric.slice.as_deref() == Some("group=a")));
    let report = ran.report("report");
    assert_eq!(report["thresholds"].as_array().unwrap().len(), 99);
    assert_eq!(report["importance"]["features"][0]["feature"], "x0");
    let card = std::fs::read_to_string(ran.path("card_md")).unwrap();
    assert!(card.contains("| ml | roc_auc | at least 0.8 |") && card.contains("| yes |"), "{card}");
    let page = std::fs::read_to_string(ran.path("card_html")).unwrap();
    assert!(page.contains("ROC curve") && page.contains("<polyline"));
    assert_eq!(ran.table("predictions").num_rows(), 90);
}

#[test]
fn many_classes_are_measured_by_class() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::multiclass(150, 1));
    let test = bench.table(&Sample::multiclass(60, 2));
    let model = bench.run("train.logistic", json!({}), &[("train", &train)]).unwrap().input("model");
    let ran =
        bench.run("evaluate.classifier", json!({"bootstrap": 20}), &[("model", &model), ("test", &test)]).unwrap();
    assert!(metric(&ran, "roc_auc_ovr").unwrap() > 0.9);
    assert_eq!(ran.report("report")["by_class"].as_array().unwrap().len(), 3);
}

#[test]
fn a_threshold_can_be_chosen_on_rows_that_are_not_the_test() {
    let bench = Workbench::new();
    let model = model(&bench);
    let test = bench.table(&Sample::binary(60, 2));
    let valid = bench.table(&Sample::binary(60, 3));
    let params = json!({"threshold": {"maximise": "f1"}, "bootstrap": 0, "importance": 0});
    let inputs = [("model", &model), ("test", &test), ("valid", &valid)];
    let rule = |inputs: &[(&str, &InputArtifact)]| {
        let ran = bench.run("evaluate.classifier", params.clone(), inputs).unwrap();
        ran.report("report")["threshold"]["rule"].as_str().unwrap().to_owned()
    };
    assert_eq!(rule(&inputs), "maximises f1 on the rows of `valid`");
    assert!(rule(&inputs[..2]).contains("flatters"));
}

#[test]
fn test_rows_of_one_class_leave_undefined_what_is_undefined() {
    let bench = Workbench::new();
    let model = model(&bench);
    let task = Task::Binary { classes: ["No".to_owned(), "Yes".to_owned()] };
    let test = bench.table(&Sample::table(30, 2, &task, |_| 1.0));
    let ran =
        bench.run("evaluate.classifier", json!({"bootstrap": 10}), &[("model", &model), ("test", &test)]).unwrap();
    assert_eq!(metric(&ran, "roc_auc"), None);
    assert!(metric(&ran, "recall").is_some());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bench = Workbench::new();
    let model = model(&bench);
    let test = bench.table(&Sample::binary(40, 2));
    let digests = || {
        let ran =
            bench.run("evaluate.classifier", json!({"bootstrap": 20}), &[("model", &model), ("test", &test)]).unwrap();
        ["report", "card_md", "card_html", "predictions"].map(|output| ran.artifact(output).digest)
    };
    assert_eq!(digests(), digests());
}

#[test]
fn mistakes_name_the_place_and_the_remedy() {
    let bench = Workbench::new();
    let model = model(&bench);
    let wrong = |params, test: &InputArtifact| {
        let error = bench.run("evaluate.classifier", params, &[("model", &model), ("test", test)]).err().unwrap();
        format!("{}: {} ({})", error.code(), error, error.remedy().unwrap_or_default())
    };
    let test = bench.table(&Sample::binary(20, 2));
    insta::assert_snapshot!(wrong(json!({"slices": ["Group"]}), &test), @"slice_column_missing: slice column `Group` is not kept in the test table (it keeps: group)");
    insta::assert_snapshot!(wrong(json!({"threshold": 2}), &test), @"params: threshold: 2 is not a probability from 0 to 1 ()");
    let other = bench.table(&Sample::multiclass(20, 2));
    insta::assert_snapshot!(wrong(json!({}), &other), @"other_target: input `test` has another target than the model was trained on (take it from the same `feature.pipeline` step as the table that the model was trained on)");
}
