use serde_json::{Value, json};

use crate::ml::model::TrainedModel;
use crate::step::InputArtifact;
use crate::step::model_engineering::testing::{Sample, metric};
use crate::step::testing::Workbench;

/// Params that train quickly.
fn small(more: &Value) -> Value {
    let mut params = json!({"hidden": [12], "epochs": 12, "batch_size": 16, "learning_rate": 0.02, "device": "cpu"});
    if let (Value::Object(params), Value::Object(more)) = (&mut params, more) {
        params.extend(more.clone());
    }
    params
}

#[test]
fn two_classes_are_learnt_and_the_model_answers() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(160, 1));
    let valid = bench.table(&Sample::binary(80, 2));
    let ran = bench.run("train.mlp", small(&json!({})), &[("train", &train), ("valid", &valid)]).unwrap();
    assert!(metric(&ran, "valid.roc_auc").unwrap() > 0.9);
    let model = TrainedModel::load(&ran.path("model")).unwrap();
    assert_eq!(model.predict(&Sample::binary(7, 3)).unwrap().rows(), 7);
    let training = &ran.report("report")["training"];
    assert_eq!((&training["monitor"], &training["device"]), (&json!("roc_auc"), &json!("cpu")));
    assert!(ran.log.iter().any(|line| line.starts_with("epoch 1: loss")), "{:?}", ran.log);
}

#[test]
fn many_classes_and_numbers_are_learnt_too() {
    let bench = Workbench::new();
    let run = |train: &InputArtifact, valid: &InputArtifact| {
        bench.run("train.mlp", small(&json!({"batch_norm": true})), &[("train", train), ("valid", valid)]).unwrap()
    };
    let classes = run(&bench.table(&Sample::multiclass(160, 1)), &bench.table(&Sample::multiclass(60, 2)));
    assert!(metric(&classes, "valid.roc_auc_ovr").unwrap() > 0.85);
    let numbers = run(&bench.table(&Sample::regression(160, 1)), &bench.table(&Sample::regression(60, 2)));
    assert!(metric(&numbers, "valid.r2").unwrap() > 0.8);
}

#[test]
fn equal_tables_and_seeds_give_equal_bytes() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(60, 1));
    let digest = |seed: u64| {
        let params = small(&json!({"epochs": 2, "seed": seed}));
        bench.run("train.mlp", params, &[("train", &train)]).unwrap().artifact("model").digest
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn a_finished_training_leaves_no_checkpoint() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(60, 1));
    bench.run("train.mlp", small(&json!({"epochs": 2})), &[("train", &train)]).unwrap();
    assert_eq!(std::fs::read_dir(bench.folder().join("checkpoint")).unwrap().count(), 0);
}

#[test]
fn mistakes_name_the_place_and_the_remedy() {
    let bench = Workbench::new();
    let train = bench.table(&Sample::binary(40, 1));
    let wrong = |params: Value| {
        let error = bench.run("train.mlp", params, &[("train", &train)]).err().unwrap();
        format!("{}: {} ({})", error.code(), error, error.remedy().unwrap_or_default())
    };
    insta::assert_snapshot!(wrong(json!({"hidden": [], "dropout": 1.0})), @"params: hidden: there must be at least one hidden layer; dropout: 1 is not from 0 to below 1 ()");
    insta::assert_snapshot!(wrong(json!({"early_stopping": {"metric": "rmse"}})), @"unknown_metric: `early_stopping.metric` is `rmse`, which is not measured for this target (take one of: roc_auc, average_precision, log_loss, accuracy, balanced_accuracy, f1, mcc, brier)");
}
