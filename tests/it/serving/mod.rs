//! The server over real HTTP on loopback, with models that the test can look into.

mod double;

use serde_json::{Value, json};

use double::{Reply, Running, Server};

const ROW: &str = r#"{"tenure": 12, "charge": 70.5, "contract": "One year"}"#;

#[tokio::test]
async fn a_deployed_model_answers_with_its_version_and_a_new_one_takes_over_without_a_restart() {
    let server = Server::start(Running::default().deploy("churn", 1)).await;
    let first = server.post("/endpoints/churn/predict", ROW).await;
    assert_eq!((first.status, first.body["model"]["version"].as_u64()), (200, Some(1)));
    let prediction = &first.body["predictions"][0];
    assert_eq!(prediction["label"], "No");
    assert_eq!(prediction["probabilities"], json!({"No": 0.75, "Yes": 0.25}));
    assert_eq!(prediction["probability"], 0.25);
    assert!(!prediction["prediction_id"].as_str().unwrap().is_empty());

    server.deploy("churn", 2);
    let swapped = server.until("/endpoints/churn/health", |reply| reply.body["model"]["version"] == 2).await;
    assert_eq!(swapped.body["status"], "ready");
    let second = server.post("/endpoints/churn/predict", ROW).await;
    assert_eq!(second.body["model"]["version"], 2);
    server.stop().await;
}

#[tokio::test]
async fn one_endpoint_also_answers_without_its_name_and_two_do_not() {
    let server = Server::start(Running::default().deploy("churn", 1)).await;
    assert_eq!(
        server.post("/predict", &format!("[{ROW}, {ROW}]")).await.body["predictions"].as_array().unwrap().len(),
        2
    );
    assert_eq!(server.get("/health").await.body["endpoint"], "churn");
    assert_eq!(server.get("/metadata").await.body["classes"], json!(["No", "Yes"]));

    server.deploy("upsell", 1);
    let refused = server.until("/health", |reply| reply.status == 404).await;
    let message = refused.body["error"].as_str().unwrap();
    assert!(message.contains("`churn`, `upsell`"), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_by_row_field_and_type() {
    let server = Server::start(Running::default().deploy("churn", 1)).await;
    let check = async |body: &str, mistakes: Value| {
        let reply = server.post("/predict", body).await;
        assert_eq!(reply.status, 422, "{body}");
        let found: Vec<Value> = reply.body["details"]["mistakes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mistake| json!([mistake["row"], mistake["field"], mistake["problem"], mistake["expected"]]))
            .collect();
        assert_eq!(Value::from(found), mistakes, "{body}");
    };
    check(r#"{"tenure": 1, "charge": 2}"#, json!([[0, "contract", "missing", "string"]])).await;
    let extra = ROW.replace('{', r#"{"shoe_size": 44, "#);
    check(&format!("[{ROW}, {extra}]"), json!([[1, "shoe_size", "unknown", null]])).await;
    check(&ROW.replace("12", "\"a year\""), json!([[0, "tenure", "type", "integer"]])).await;

    let health = server.get("/health").await.body;
    assert_eq!((health["requests"].as_u64(), health["refused"].as_u64()), (Some(3), Some(3)));
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_prediction_request_gets_the_status_that_says_so() {
    let server = Server::start(Running::default().deploy("churn", 1)).await;
    assert_eq!(server.post("/endpoints/chum/predict", ROW).await.status, 404);
    assert_eq!(server.get("/nothing/here").await.status, 404);
    assert_eq!(server.get("/predict").await.status, 405);
    assert_eq!(server.post("/predict", "{").await.status, 400);
    assert_eq!(server.post("/predict", "[]").await.status, 422);
    assert_eq!(server.send("/predict", ROW, "text/csv").await.status, 415);
    let large = format!("[{}1]", " ".repeat(17 * 1024 * 1024));
    assert_eq!(server.post("/predict", &large).await.status, 413);
    for path in ["/endpoints/chum/predict", "/predict"] {
        let reply: Reply = server.post(path, "{").await;
        assert!(reply.body["error"].is_string() && reply.body["code"].is_string(), "{:?}", reply.body);
    }
    server.stop().await;
}

#[tokio::test]
async fn an_overloaded_model_refuses_and_says_when_to_come_back() {
    let server = Server::start(Running::default().stuck("churn", 1)).await;
    // The model holds the first request and the queue is filled behind it; the next one is refused.
    let waiting = server.fill_queue("/predict", ROW).await;
    let refused = server.post("/predict", ROW).await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("overloaded")));
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    server.release();
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.unwrap().status);
    }
    let [answered, refused] = [200, 503].map(|status| answers.iter().filter(|answer| **answer == status).count());
    assert!(answered >= 2 && refused >= 1 && answered + refused == answers.len(), "{answers:?}");
    // The one that was sent beside them was refused too.
    assert_eq!(server.get("/health").await.body["refused"], refused + 1);
    server.stop().await;
}

#[tokio::test]
async fn a_version_that_cannot_be_loaded_leaves_the_one_before_it_answering() {
    let server = Server::start(Running::default().deploy("churn", 1)).await;
    server.break_next_load();
    server.deploy("churn", 2);
    let stale = server.until("/health", |reply| reply.body["status"] == "stale").await;
    assert!(stale.body["problem"].as_str().unwrap().contains("version 2 cannot be loaded"), "{:?}", stale.body);
    assert_eq!(server.post("/predict", ROW).await.body["model"]["version"], 1);
    server.stop().await;
}

#[tokio::test]
async fn every_route_but_the_probe_asks_for_the_token() {
    let server = Server::start(Running::default().deploy("churn", 1).token("secret")).await;
    for path in ["/endpoints", "/health", "/metadata", "/endpoints/churn/health", "/endpoints/churn/metadata", "/x"] {
        assert_eq!(server.get(path).await.status, 401, "{path}");
    }
    for path in ["/predict", "/endpoints/churn/predict"] {
        assert_eq!(server.post(path, ROW).await.status, 401, "{path}");
    }
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn answered_requests_are_on_disk_when_the_server_has_stopped() {
    let server = Server::start(Running::default().deploy("churn", 1)).await;
    server.post("/predict", ROW).await;
    server.post("/predict", &format!("[{ROW}, {ROW}]")).await;
    server.post("/predict", "{}").await;
    let state = server.stop().await;
    let files: Vec<_> = std::fs::read_dir(state.path().join("endpoints/churn/requests"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    let table = phaseline::table::TableReader::open(&files[0]).unwrap();
    assert_eq!(table.rows(), 3);
    let columns: Vec<&str> = table.columns().collect();
    assert_eq!(columns[..3], ["tenure", "charge", "contract"]);
}
