//! From rows to a served model with the real steps: what is deployed answers as it was evaluated.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use phaseline::api;
use phaseline::cli::sample::Sample;
use phaseline::ml::bundle::Bundle;
use phaseline::serve::{Deployment, Deployments, Guard, LiveModels, LogSettings, ServeSettings};
use phaseline::step::InputArtifact;
use phaseline::step::testing::{Ran, Workbench};
use serde_json::{Map, Value, json};

/// A bench on which a churn model was trained and evaluated.
struct Trained {
    bench: Workbench,
    split: Ran,
    features: Ran,
    model: Ran,
    report: Ran,
}

fn passed() -> Value {
    json!({"gates": {"criteria": {"phase": "evaluation", "on_fail": "stop", "verdict": "passed"}}, "pipeline": "churn"})
}

fn train() -> Trained {
    let mut bench = Workbench::new();
    bench.record = passed();
    bench.file("customers.csv", Sample::Customers.text(600, 3));
    let ingest = json!({"path": "customers.csv", "null_values": ["", " "], "types": {"TotalCharges": "float64"}});
    let customers = bench.run("ingest.csv", ingest, &[]).unwrap();
    let params = json!({"stratify": "Churn", "valid": 0.15, "test": 0.2});
    let split = bench.run("split.random", params, &[("table", &customers.input("table"))]).unwrap();
    let params = json!({
        "target": {"column": "Churn", "positive": "Yes"},
        "drop": ["customerID"],
        "transforms": [
            {"impute": "median", "columns": ["TotalCharges"]},
            {"derive": "charge_per_month", "as": "TotalCharges / (tenure + 1)"},
            {"one_hot": {}, "columns": "@categorical"},
            {"standardize": {}, "columns": "@numeric"},
        ],
    });
    let inputs = [split.input("train"), split.input("valid"), split.input("test")];
    let inputs = [("fit", &inputs[0]), ("valid", &inputs[1]), ("test", &inputs[2])];
    let features = bench.run("feature.pipeline", params, &inputs).unwrap();
    let (fit, valid, test) = (features.input("fit"), features.input("valid"), features.input("test"));
    let model = bench.run("train.logistic", json!({}), &[("train", &fit), ("valid", &valid)]).unwrap();
    let inputs = [("model", &model.input("model")), ("test", &test)];
    let report = bench.run("evaluate.classifier", json!({"bootstrap": 0}), &inputs).unwrap();
    Trained { bench, split, features, model, report }
}

impl Trained {
    fn deploy(&self, transform: &InputArtifact) -> Result<Ran, phaseline::step::StepError> {
        self.deploy_with(json!({"endpoint": "churn"}), transform)
    }

    fn deploy_with(&self, params: Value, transform: &InputArtifact) -> Result<Ran, phaseline::step::StepError> {
        let (model, report) = (self.model.input("model"), self.report.input("report"));
        let inputs = [("model", &model), ("transform", transform), ("evidence", &report)];
        self.bench.run("deploy.endpoint", params, &inputs)
    }

    /// A contract of the source in which tenure is of `tenure_type` and ends at 200.
    fn contract(&self, tenure_type: &str) -> Value {
        let rows = self.split.table("train");
        let columns: Vec<Value> = rows
            .schema()
            .fields()
            .iter()
            .map(|field| {
                let found = phaseline::step::understanding::contract::type_of(field.data_type()).unwrap().to_string();
                let mut column = json!({"name": field.name(), "type": found, "nullable": true});
                if field.name() == "tenure" {
                    column["type"] = tenure_type.into();
                    if tenure_type == "int64" {
                        column["max"] = 200.into();
                    }
                }
                column
            })
            .collect();
        json!({"contract": "customers", "columns": columns})
    }
}

#[test]
fn a_deployment_is_one_registration_with_a_bundle_that_depends_on_its_parts_alone() {
    let trained = train();
    let transform = trained.features.input("transform");
    let deployed = trained.deploy(&transform).unwrap();
    let [registration] = deployed.outcome.registrations.as_slice() else { panic!("one registration") };
    assert_eq!((registration.endpoint.as_str(), registration.alias.as_str()), ("churn", "champion"));
    assert_eq!(&registration.bundle, deployed.artifact("bundle"));
    assert_eq!(registration.bundle.digest, trained.deploy(&transform).unwrap().artifact("bundle").digest);

    let bundle = Bundle::load(&deployed.path("bundle"), None).unwrap();
    assert_eq!(bundle.record().classes, ["No", "Yes"]);
    assert_eq!(bundle.record().ignored, ["Churn", "customerID"]);
    let (deployed, evaluated) = (bundle.record().metrics["roc_auc"], trained.report.metric("roc_auc").unwrap());
    assert_eq!(deployed.to_bits(), evaluated.to_bits());
}

#[test]
fn an_open_gate_and_a_transform_of_another_model_keep_a_model_in() {
    let mut trained = train();
    let transform = trained.features.input("transform");
    trained.bench.record["gates"]["criteria"]["verdict"] = "failed".into();
    assert_eq!(trained.deploy(&transform).err().unwrap().code(), "gate_not_passed");
    trained.bench.record = json!({"gates": {}});
    assert_eq!(trained.deploy(&transform).err().unwrap().code(), "no_gates");

    trained.bench.record = passed();
    let params = json!({"target": {"column": "Churn"}, "transforms": [{"select": ["tenure"]}]});
    let other = trained.bench.run("feature.pipeline", params, &[("fit", &trained.split.input("train"))]).unwrap();
    let refused = trained.deploy(&other.input("transform")).err().unwrap();
    assert_eq!(refused.code(), "model_transform_mismatch", "{refused}");
}

#[test]
fn a_contract_travels_with_the_model_that_it_fits() {
    let trained = train();
    let transform = trained.features.input("transform");
    let deploy = |tenure: &str| {
        trained.deploy_with(json!({"endpoint": "churn", "contract": trained.contract(tenure)}), &transform)
    };
    let bundle = Bundle::load(&deploy("int64").unwrap().path("bundle"), None).unwrap();
    assert_eq!(bundle.record().contract.as_ref().unwrap()["contract"], "customers");
    let refused = deploy("text").err().unwrap();
    assert_eq!(refused.code(), "contract_mismatch");
    assert!(refused.to_string().contains("takes column `tenure` as int64; the contract says text"), "{refused}");
}

struct Fixed(Mutex<Vec<Deployment>>);

#[async_trait]
impl Deployments for Fixed {
    async fn current(&self) -> Result<Vec<Deployment>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// The rows of a table as a client would send them.
fn as_json(rows: &RecordBatch) -> Vec<Value> {
    let schema = rows.schema();
    let of_row = |row: usize| {
        let fields = schema.fields().iter().enumerate().map(|(place, field)| {
            let column = rows.column(place);
            let value = if column.is_null(row) {
                Value::Null
            } else if let Some(values) = column.as_primitive_opt::<Int64Type>() {
                json!(values.value(row))
            } else if let Some(values) = column.as_primitive_opt::<Float64Type>() {
                json!(values.value(row))
            } else {
                json!(column.as_string::<i32>().value(row))
            };
            (field.name().clone(), value)
        });
        Value::Object(fields.collect::<Map<_, _>>())
    };
    (0..rows.num_rows()).map(of_row).collect()
}

#[tokio::test]
async fn a_request_is_answered_with_the_probability_that_the_evaluation_saw() {
    let trained = tokio::task::spawn_blocking(train).await.unwrap();
    let params = json!({"endpoint": "churn", "contract": trained.contract("int64")});
    let deployed = trained.deploy_with(params, &trained.features.input("transform")).unwrap();
    let deployment = Deployment {
        endpoint: "churn".parse().unwrap(),
        alias: "champion".to_owned(),
        version: 1,
        bundle: deployed.artifact("bundle").clone(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = ServeSettings {
        state_folder: trained.bench.folder().join("state"),
        poll: Duration::from_hours(1),
        log: LogSettings::default(),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let models = Arc::new(trained.bench.store().clone());
    let server = tokio::spawn(async move {
        let deployments = Arc::new(Fixed(Mutex::new(vec![deployment])));
        let live = LiveModels::start(settings, deployments, models).await.unwrap();
        let router = live.router(Guard::loopback(None));
        let stop = async { stopped.await.unwrap() };
        api::serve(listener, router, &api::Limits::of_models(), None, stop).await.unwrap();
        live.stop().await;
    });

    let raw = trained.split.table("test");
    let body = json!({"rows": as_json(&raw)}).to_string();
    let request = reqwest::Client::new().post(format!("{url}/predict")).header("content-type", "application/json");
    let mut broken = as_json(&raw)[0].clone();
    broken["tenure"] = 201.into();
    let refused = request.try_clone().unwrap().body(broken.to_string()).send().await.unwrap();
    assert!(refused.status().is_client_error(), "{}", refused.status());
    let refused = refused.text().await.unwrap();
    assert!(refused.contains("field `tenure` is the number 201; the contract wants between {max: 200}"), "{refused}");
    let answer = request.body(body).send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let predictions = answer["predictions"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let evaluated = trained.report.table("predictions");
    let expected = phaseline::step::testing::column(&evaluated, "probability.Yes").as_primitive::<Float64Type>();
    assert_eq!(predictions.len(), expected.len());
    for (row, prediction) in predictions.iter().enumerate() {
        assert_eq!(prediction["probability"].as_f64().unwrap().to_bits(), expected.value(row).to_bits(), "row {row}");
    }
    stop.send(()).unwrap();
    server.await.unwrap();

    // The server has written what it was asked, and the monitor step finds it there.
    let drift = tokio::task::spawn_blocking(move || {
        let reference = trained.split.input("train");
        let params = json!({"endpoint": "churn", "window": "7d"});
        trained.bench.run("monitor.drift", params, &[("reference", &reference)]).unwrap()
    });
    let drift = drift.await.unwrap();
    assert!(drift.metric("share_drifted").unwrap() < 0.3, "{:?}", drift.outcome.metrics);
}
