//! `compare: [with, without]`: what a step is worth is what models lose without it.

use std::fmt::Write;

use serde_json::Value;

use crate::harness::project::Project;

/// Two kinds of customers whose numbers lie apart, but for some whose balance is a slip of the pen.
fn customers() -> String {
    let mut text = "id,age,balance,churn\n".to_owned();
    for id in 0_u32..240 {
        let churns = (id * 7) % 10 < 4;
        let age = 30 + (id * 13) % 25 + if churns { 9 } else { 0 };
        let balance = if id % 40 == 3 { 900_000 } else { 100 + (id * 17) % 90 + if churns { 0 } else { 60 } };
        writeln!(text, "{id},{age},{balance},{}", if churns { "yes" } else { "no" }).unwrap();
    }
    text
}

/// A pipeline with these keys at the outlier step and these transforms.
fn manifest(at_step: &str, transforms: &str) -> String {
    format!(
        r#"
version: 1
pipeline: worth
understanding:
  steps:
    customers: {{uses: ingest.csv, with: {{path: customers.csv}}}}
data_engineering:
  steps:
    split: {{uses: split.random, inputs: {{table: customers}}, with: {{valid: 0.3, test: 0.2, stratify: churn}}}}
    cleaned:
      uses: outliers.iqr
      {at_step}
      inputs: {{fit: split.train, valid: split.valid}}
      with: {{columns: [balance]}}
    features:
      uses: feature.pipeline
      inputs: {{fit: cleaned.fit, valid: cleaned.valid}}
      with: {{target: {{column: churn, positive: "yes"}}, drop: [id], transforms: [{transforms}]}}
model_engineering:
  steps:
    model: {{uses: train.logistic, inputs: {{train: features.fit, valid: features.valid}}}}
  gates:
    known: {{check: "{gate}", severity: low}}
"#,
        gate = if transforms.contains("compare") {
            "steps.compare_winsorize.metrics.valid.roc_auc_gain <= 1"
        } else {
            "steps.model.metrics.valid.roc_auc <= 1"
        },
    )
}

fn run(manifest: &str, project: &Project) -> Value {
    project.write("pipeline.yaml", manifest);
    project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json()
}

#[test]
fn a_model_without_a_step_is_the_one_of_a_manifest_that_does_not_have_it() {
    let project = Project::new();
    project.write("customers.csv", customers());
    let transforms = "{winsorize: iqr, compare: [with, without]}, {standardize: {}}";
    let compared = run(&manifest("compare: [with, without]", transforms), &project);
    let digest = |document: &Value, step: &str| {
        let digest = document["steps"][step]["outputs"]["model"]["digest"].as_str();
        digest.unwrap_or_else(|| panic!("{step} has no model: {document:#}")).to_owned()
    };
    let all = run(&manifest("", "{winsorize: iqr}, {standardize: {}}"), &project);
    assert_eq!(digest(&compared, "model"), digest(&all, "model"));
    let unclipped = run(&manifest("", "{standardize: {}}"), &project);
    assert_eq!(digest(&compared, "model_without_winsorize"), digest(&unclipped, "model"));
    let uncleaned = manifest("", "{winsorize: iqr}, {standardize: {}}")
        .replace("cleaned.", "split.")
        .replace("split.fit", "split.train");
    let uncleaned = run(&uncleaned, &project);
    assert_eq!(digest(&compared, "model_without_cleaned"), digest(&uncleaned, "model"));
    assert_ne!(digest(&compared, "model"), digest(&compared, "model_without_cleaned"));
}

#[test]
fn the_gain_is_the_difference_of_the_measures_on_validation_rows() {
    let project = Project::new();
    project.write("customers.csv", customers());
    let document = run(&manifest("", "{winsorize: iqr, compare: [with, without]}, {standardize: {}}"), &project);
    let metric = |step: &str, name: &str| {
        document["steps"][step]["metrics"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{step} has no {name}: {document:#}"))
    };
    for (name, sign) in [("valid.roc_auc", 1.0), ("valid.log_loss", -1.0)] {
        let (with, without) = (metric("model", name), metric("model_without_winsorize", name));
        let told = |side: &str| metric("compare_winsorize", &format!("{name}_{side}")).to_bits();
        assert_eq!((told("with"), told("without")), (with.to_bits(), without.to_bits()));
        let gain = metric("compare_winsorize", &format!("{name}_gain"));
        assert!((gain - sign * (with - without)).abs() < 1e-12, "{name}: {gain}");
    }
}
