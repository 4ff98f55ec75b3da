//! Requests that a served model must refuse or bear: told by field and row, never answered by a guess.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::harness::project::Project;

const PIPELINE: &str = r#"
version: 1
pipeline: leaving
understanding:
  steps:
    customers: {uses: ingest.csv, with: {path: data.csv}}
data_engineering:
  steps:
    split: {uses: split.random, inputs: {table: customers}, with: {valid: 0.2, test: 0.2, seed: 7}}
    features:
      uses: feature.pipeline
      inputs: {fit: split.train, valid: split.valid, test: split.test}
      with:
        target: {column: left, positive: "Yes"}
        transforms: [{one_hot: {}, columns: "@categorical"}, {standardize: {}, columns: "@numeric"}]
model_engineering:
  steps:
    model: {uses: train.logistic, inputs: {train: features.fit, valid: features.valid}}
evaluation:
  steps:
    report: {uses: evaluate.classifier, inputs: {model: model, test: features.test}, with: {bootstrap: 10}}
  gates:
    measured: {check: steps.report.metrics.roc_auc >= 0.0}
deployment:
  steps:
    publish:
      uses: deploy.endpoint
      inputs: {model: model, transform: features.transform, evidence: report}
      with: {endpoint: leaving}
"#;

fn deployed() -> Project {
    let project = Project::with_manifest(PIPELINE);
    let row = |number: usize| {
        let (plan, left) = (["gold", "blue"][number % 2], ["Yes", "No"][number % 3 / 2]);
        format!("{},{plan},{number}.5,{left}\n", number % 70)
    };
    project.write("data.csv", "tenure,plan,charges,left\n".to_owned() + &(0..200).map(row).collect::<String>());
    project.run(&["run", "pipeline.yaml"]).expect(0);
    project
}

/// What the real server answers to each of these bodies.
fn answers(project: &Project, bodies: &[Value]) -> Vec<(u16, Value)> {
    let mut server = project.start(&["serve", "--listen", "127.0.0.1:0"]);
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = format!("{}/predict", first.strip_prefix("listening on ").unwrap());
    let answers = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = reqwest::Client::new();
        let mut answers = Vec::new();
        for body in bodies {
            let request = client.post(&url).header("content-type", "application/json").body(body.to_string());
            let answer = request.send().await.unwrap();
            answers.push((answer.status().as_u16(), answer.text().await.unwrap().parse().unwrap()));
        }
        answers
    });
    server.kill().unwrap();
    server.wait().unwrap();
    answers
}

#[test]
fn wrong_fields_are_named_with_their_row_and_an_unseen_category_is_borne() {
    let project = deployed();
    let good = json!({"tenure": 3, "plan": "gold", "charges": 4.5});
    let with = |field: &str, value: Value| {
        let mut row = good.clone();
        row[field] = value;
        row
    };
    let missing = json!({"rows": [good, {"plan": "gold", "charges": 4.5}]});
    let bodies = [
        json!({"rows": [good]}),
        json!({"rows": [with("plan", json!("platinum"))]}),
        missing,
        json!({"rows": [with("tenur", json!(3))]}),
        json!({"rows": [with("tenure", json!("three"))]}),
        json!({"rows": []}),
    ];
    let answers = answers(&project, &bodies);
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 422, 422, 422, 422]);
    assert!(answers[1].1["predictions"][0]["probability"].is_f64(), "{}", answers[1].1);
    let told: Vec<&str> = answers[2..].iter().map(|(_, body)| body["error"].as_str().unwrap()).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    row 1: field `tenure` is missing; expected integer
    row 0: field `tenur` is not among the columns of the model
    row 0: field `tenure` is the string "three"; expected integer
    there are no rows
    "#);
}
