//! The churn pipeline, from rows to answers: the same bytes everywhere, lineage back to the source, a served model.

use std::io::{BufRead, BufReader};

use phaseline::cli::sample::Sample;
use phaseline::store::StoreUrl;
use serde_json::{Map, Value, json};

use super::{assert_between, assert_passed, digests, in_state, run};
use crate::harness::postgres::Cluster;
use crate::harness::project::Project;

/// Enough rows to reach the criteria, few enough for several runs.
const ROWS: usize = 2000;

fn project() -> Project {
    let project = Project::new();
    project.write("customers.csv", Sample::Customers.text(ROWS, 7));
    project
}

fn churn(project: &Project, arguments: &[&str]) -> Value {
    let data = format!("data={}", project.path().join("customers.csv").display());
    run(project, "churn.yaml", &[&["--set", &data, "--set", "epochs=8"], arguments].concat())
}

#[test]
fn churn_reaches_its_criteria_on_the_rows_that_ship() {
    let document = run(&Project::new(), "churn.yaml", &[]);
    assert_passed(&document);
    assert_between(&document, "report", "roc_auc", 0.82..0.92);
    assert_between(&document, "report", "recall", 0.6..0.95);
    assert_between(&document, "report", "brier", 0.05..0.2);
}

#[test]
fn churn_gives_the_same_bytes_again_elsewhere_and_on_postgres() {
    let project = project();
    let first = churn(&project, &[]);
    assert_passed(&first);

    let second = churn(&project, &[]);
    assert_eq!(in_state(&second, "succeeded"), ["publish", "drift"], "only what acts on the world runs again");
    assert_eq!(digests(&second), digests(&first));

    let mut pure = in_state(&second, "reused");
    assert_eq!(pure.len(), 9);
    pure.sort_unstable();
    let refresh: Vec<&str> = pure.iter().flat_map(|step| ["--refresh", step]).collect();
    let refreshed = churn(&project, &refresh);
    assert_eq!(in_state(&refreshed, "reused"), [""; 0]);
    assert_eq!(digests(&refreshed), digests(&first));

    // A new state folder and a database elsewhere have nothing to reuse; one core gives what all cores give.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = runtime.block_on(Cluster::start());
    let StoreUrl::Postgres(url) = runtime.block_on(cluster.database("runs")) else { panic!("a Postgres URL") };
    let on_postgres = churn(&project, &["--state", "elsewhere", "--database-url", &url, "--cores", "1"]);
    assert_eq!(in_state(&on_postgres, "reused"), [""; 0]);
    assert_eq!(digests(&on_postgres), digests(&first));
    let lineage = ["lineage", "churn", "--state", "elsewhere", "--database-url", &url];
    assert!(project.run(&lineage).expect(0).stdout().contains("customers.table"));
}

#[test]
fn the_deployed_model_knows_its_source_answers_requests_and_is_watched() {
    let project = project();
    assert_passed(&churn(&project, &[]));

    let lineage = project.run(&["lineage", "churn", "--json"]).expect(0).json();
    let artifacts = lineage["artifacts"].as_array().unwrap();
    let source = artifacts.iter().find(|found| found["uses"] == "ingest.csv").unwrap();
    assert_eq!((&source["step"], &source["rows"]), (&"customers".into(), &ROWS.into()));
    let held_out =
        |artifacts: &[Value]| artifacts.iter().any(|found| found["step"] == "split" && found["output"] == "test");
    assert!(held_out(artifacts), "the bundle holds the evaluation, which was made from test rows");
    let model = artifacts.iter().find(|found| found["kind"] == "model" && found["step"] != "publish").unwrap();
    let of_model = project.run(&["lineage", model["digest"].as_str().unwrap(), "--json"]).expect(0).json();
    assert!(!held_out(of_model["artifacts"].as_array().unwrap()), "the model has never seen them");

    let answer = ask(&project, &json!({"rows": [first_customer()]}));
    let prediction = &answer["predictions"][0];
    assert!(["Yes", "No"].contains(&prediction["label"].as_str().unwrap()), "{answer}");
    assert!((0.0..=1.0).contains(&prediction["probability"].as_f64().unwrap()), "{answer}");

    // The next run compares what was asked with what the model has learned from.
    let watched = churn(&project, &[]);
    assert_eq!(watched["steps"]["drift"]["metrics"]["rows_current"], 1.0, "{:#}", watched["steps"]["drift"]);
}

/// The first customer, as a client would send it.
fn first_customer() -> Value {
    let text = Sample::Customers.text(1, 7);
    let (header, row) = text.split_once('\n').unwrap();
    let fields = header.split(',').zip(row.trim().split(','));
    let fields = fields.filter(|(name, _)| *name != "Churn").map(|(name, text)| {
        let value = text.parse().map_or_else(|_| Value::from(text), |number: f64| json!(number));
        (name.to_owned(), value)
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Serves what is deployed for one request.
fn ask(project: &Project, body: &Value) -> Value {
    let mut server = project.start(&["serve", "--listen", "127.0.0.1:0"]);
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = first.strip_prefix("listening on ").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.block_on(async {
        let client = reqwest::Client::new();
        // It answers once the deployed model is loaded.
        let health = client.get(format!("{url}/healthz")).send().await.unwrap();
        assert!(health.status().is_success());
        let request = client.post(format!("{url}/endpoints/churn/predict")).header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap().text().await.unwrap()
    });
    let process = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
