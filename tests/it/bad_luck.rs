//! Processes that die in the middle: nothing is lost, and what was done is not done again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::project::{Ended, Project};

/// A training that lasts long enough to be hit.
const TRAINING: &str = r#"
version: 1
pipeline: learning
understanding:
  steps:
    customers: {uses: ingest.csv, with: {path: data.csv}}
data_engineering:
  steps:
    split: {uses: split.random, inputs: {table: customers}, with: {valid: 0.2, seed: 7}}
    features:
      uses: feature.pipeline
      inputs: {fit: split.train, valid: split.valid}
      with: {target: {column: left, positive: "Yes"}, transforms: [{standardize: {}, columns: "@numeric"}]}
model_engineering:
  steps:
    net:
      uses: train.mlp
      inputs: {train: features.fit, valid: features.valid}
      with: {hidden: [8], epochs: 400, batch_size: 16, early_stopping: false, seed: 7}
      retry: {attempts: 2, initial: 10ms}
"#;

fn learning() -> Project {
    let project = Project::with_manifest(TRAINING);
    let row = |number: usize| format!("{},{}.5,{}\n", number % 70, number * 7 % 50, ["Yes", "No"][number % 3 / 2]);
    project.write("data.csv", "tenure,charges,left\n".to_owned() + &(0..300).map(row).collect::<String>());
    project
}

/// Files below `folder` whose name ends with `ending`.
fn find(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .flat_map(|path| if path.is_dir() { find(&path, ending) } else { vec![path] })
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

/// The one process that this one has started and that has not ended.
fn only_child(parent: u32) -> Option<String> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let mut children = children.split_whitespace();
    children.next().filter(|_| children.next().is_none()).map(str::to_owned)
}

#[test]
fn a_worker_that_is_killed_in_training_goes_on_from_its_checkpoint_and_makes_the_same_model() {
    let model = |ended: &Ended| ended.json()["steps"]["net"]["outputs"]["model"]["digest"].clone();
    let project = learning();
    let engine = project.start(&["run", "pipeline.yaml", "--json"]);
    let worker = project.until("a checkpoint", |path| {
        let has_checkpoint = !find(&path.join(".phaseline/runs"), "/training.json").is_empty();
        has_checkpoint.then(|| only_child(engine.id())).flatten()
    });
    assert!(Command::new("kill").args(["-9", &worker]).status().unwrap().success());
    let ended = Ended(engine.wait_with_output().unwrap()).expect(0);
    assert_eq!(ended.json()["steps"]["net"]["attempts"], 2);
    let log = project.run(&["logs", "latest", "net"]).expect(0).stdout();
    assert!(log.contains("of an earlier attempt"), "{log}");
    let undisturbed = project.run(&["run", "pipeline.yaml", "--refresh", "net", "--json"]).expect(0);
    assert_eq!(model(&ended), model(&undisturbed));
}
