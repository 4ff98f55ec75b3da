//! What is read through the API.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use phaseline::artifact::ArtifactKind;
use phaseline::engine::{Happening, Outcome, RunLog};
use phaseline::id::{AttemptId, RunId};
use phaseline::step::Metric;
use phaseline::table::TableWriter;
use phaseline::worker::AttemptFolder;
use reqwest::Method;
use serde_json::json;

use super::server::Server;
use crate::harness::history::{Log, claimed, dawn, key, new_run, outcome, small_plan, started, succeeded};

const HOUR: Duration = Duration::from_hours(1);

/// A run that has ended, whose step `load` made a table of three rows and a report, and wrote a log.
pub(super) async fn a_run(server: &Server) -> (RunId, AttemptId) {
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
        ("name", Arc::new(StringArray::from(vec![Some("ada"), None, Some("bob")]))),
    ])
    .unwrap();
    let staged = server.artifacts.stage(ArtifactKind::Table).unwrap();
    let mut writer = TableWriter::create(staged.path(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let table = server.artifacts.commit(staged, Some(3)).unwrap();
    let report = server.artifacts.put(ArtifactKind::Report, b"{\"rows\": 3}").unwrap();
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let lease = server.store.create(run, "alpha:1", HOUR).await.unwrap();
    let attempt = AttemptId::generate();
    let mut result = outcome(&[("table", &table), ("report", &report)]);
    result.metrics = vec![Metric::new("rows", 3.0)];
    let events = vec![
        claimed("alpha:1"),
        started("load", attempt, Some(key("load")), vec![]),
        succeeded("load", attempt, result),
        Happening::RunFinished { outcome: Outcome::Succeeded },
    ];
    server.store.append(&lease, 1, &Log::starting(dawn()).events(events)).await.unwrap();
    let log = AttemptFolder::new(server.state_folder(), lease.run, attempt).log();
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(log, "read 3 rows\nüber\n").unwrap();
    (lease.run, attempt)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_read_whole_and_in_parts() {
    let server = Server::start().await;
    let (run, attempt) = a_run(&server).await;
    a_run(&server).await;
    let page = server.get("/api/v1/runs?limit=1&pipeline=churn&state=succeeded").await;
    let cursor = page["next"].as_str().unwrap();
    let next = server.get(&format!("/api/v1/runs?limit=1&pipeline=churn&state=succeeded&cursor={cursor}")).await;
    assert_eq!((next["items"][0]["run"].as_str(), next["next"].as_str()), (Some(&*run.to_string()), None));
    let answer = server.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!((&answer["state"], &answer["progress"]["succeeded"]), (&json!("succeeded"), &json!(1)));
    assert_eq!((&answer["steps"], &answer["first_steps"][0]["step"]), (&json!(1), &json!("load")));
    assert_eq!((&answer["params"]["epochs"], &answer["gates"][0]["gate"]), (&json!("40"), &json!("contract")));
    let step = server.get(&format!("/api/v1/runs/{run}/steps/load")).await;
    assert_eq!(step["metrics"][0]["value"], 3.0);
    assert_eq!(server.get(&format!("/api/v1/runs/{run}/steps")).await["items"][0]["step"], "load");
    let attempts = server.get(&format!("/api/v1/runs/{run}/steps/load/attempts")).await;
    assert_eq!(attempts["items"][0]["attempt_id"], attempt.to_string());
    assert_eq!(server.get("/api/v1/metrics?metric=rows").await["items"].as_array().unwrap().len(), 2);
    assert_eq!(server.get("/api/v1/approvals").await, json!({"items": [], "next": null}));

    let other = RunId::generate();
    for path in ["", "/steps", "/gates", "/attempts", "/steps/load", "/steps/load/logs", "/events"] {
        assert_eq!(server.refused(404, &format!("/api/v1/runs/{other}{path}")).await["code"], "no_such_run", "{path}");
    }
    assert_eq!(server.refused(404, &format!("/api/v1/runs/{run}/steps/other")).await["code"], "no_such_step");
    assert_eq!(server.refused(400, "/api/v1/runs/latest").await["code"], "bad_path");
    assert_eq!(server.refused(400, "/api/v1/runs?stat=failed").await["code"], "bad_query");
    assert_eq!(server.refused(400, "/api/v1/runs?limit=0").await["code"], "bad_limit");
    assert_eq!(server.refused(400, "/api/v1/runs?limit=501").await["code"], "bad_limit");
    assert_eq!(server.refused(422, "/api/v1/runs?cursor=12zz").await["code"], "bad_cursor");
    let refused = server.refused(422, &format!("/api/v1/audit?cursor={cursor}")).await;
    assert_eq!(refused["message"], "the cursor does not belong to this list");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_shown_by_columns_rows_and_statistics_and_can_be_downloaded() {
    let server = Server::start().await;
    let (run, _) = a_run(&server).await;
    let tables = server.get(&format!("/api/v1/artifacts?run={run}&kind=table")).await;
    let digest = tables["items"][0]["digest"].as_str().unwrap();
    let base = format!("/api/v1/artifacts/{digest}");
    assert_eq!(server.get(&base).await, tables["items"][0]);
    let schema = server.get(&format!("{base}/schema")).await;
    assert_eq!(schema["items"][0], json!({"name": "id", "type": "Int64", "nullable": false}));
    let head = server.get(&format!("{base}/head?rows=2")).await;
    assert_eq!(head, json!({"columns": ["id", "name"], "rows": [[1, "ada"], [2, null]], "total": 3}));
    let statistics = server.get(&format!("{base}/statistics")).await;
    assert_eq!(statistics["items"][1]["nulls"], 1);
    assert_eq!((&statistics["items"][0]["mean"], &statistics["items"][1]["max"]), (&json!(2.0), &json!("bob")));
    assert_eq!(server.refused(400, &format!("{base}/head?rows=0")).await["code"], "bad_limit");
    let reports = server.get("/api/v1/artifacts?kind=report").await;
    let report = reports["items"][0]["digest"].as_str().unwrap();
    assert_eq!(server.refused(409, &format!("/api/v1/artifacts/{report}/schema")).await["code"], "not_a_table");

    let path = format!("/api/v1/artifacts/{report}/download");
    let whole = server.request(Method::GET, &path).send().await.unwrap();
    assert!(whole.headers()["content-disposition"].to_str().unwrap().starts_with("attachment; filename="));
    assert_eq!(whole.bytes().await.unwrap(), "{\"rows\": 3}");
    let part = server.request(Method::GET, &path).header("range", "bytes=2-5").send().await.unwrap();
    assert_eq!((part.status().as_u16(), &part.headers()["content-range"]), (206, &"bytes 2-5/11".parse().unwrap()));
    assert_eq!(part.bytes().await.unwrap(), "rows");
    let outside = server.request(Method::GET, &path).header("range", "bytes=11-").send().await.unwrap();
    assert_eq!((outside.status().as_u16(), &outside.headers()["content-range"]), (416, &"bytes */11".parse().unwrap()));
    assert_eq!(server.refused(409, &format!("{path}?file=../../state.db")).await["code"], "one_file");
    assert_eq!(server.refused(404, "/api/v1/artifacts/0000").await["code"], "not_found");
    let down = server.get(&format!("/api/v1/lineage/{digest}?direction=down")).await;
    assert_eq!(down["root"], digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_downloaded_file_by_file_and_by_listed_names_only() {
    let server = Server::start().await;
    let staged = server.artifacts.stage(ArtifactKind::Model).unwrap();
    std::fs::create_dir(staged.path().join("weights")).unwrap();
    std::fs::write(staged.path().join("weights/a.bin"), "abc").unwrap();
    let model = server.artifacts.commit(staged, None).unwrap();
    let run = new_run(RunId::generate(), small_plan(&["train"]), dawn());
    let lease = server.store.create(run, "alpha:1", HOUR).await.unwrap();
    let attempt = AttemptId::generate();
    let events =
        vec![started("train", attempt, None, vec![]), succeeded("train", attempt, outcome(&[("model", &model)]))];
    server.store.append(&lease, 1, &Log::starting(dawn()).events(events)).await.unwrap();
    let base = format!("/api/v1/artifacts/{}", model.digest);
    assert_eq!(server.get(&format!("{base}/files")).await["items"], json!([{"file": "weights/a.bin", "bytes": 3}]));
    assert_eq!(server.refused(409, &format!("{base}/download")).await["code"], "several_files");
    for odd in ["weights", "weights/../weights/a.bin", "/etc/passwd", "..%2f..%2fphaseline.db"] {
        assert_eq!(server.refused(404, &format!("{base}/download?file={odd}")).await["code"], "no_such_file", "{odd}");
    }
    let file = server.request(Method::GET, &format!("{base}/download?file=weights/a.bin")).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap(), "abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_in_parts_that_cut_no_character() {
    let server = Server::start().await;
    let (run, attempt) = a_run(&server).await;
    let base = format!("/api/v1/runs/{run}/steps/load/logs");
    let whole = server.get(&base).await;
    assert_eq!((&whole["text"], &whole["is_end"]), (&json!("read 3 rows\nüber\n"), &json!(true)));
    let part = server.get(&format!("{base}?offset=10&limit=4&attempt={attempt}")).await;
    assert_eq!((&part["text"], &part["next"], &part["is_end"]), (&json!("s\nü"), &json!(14), &json!(false)));
    let cut = server.get(&format!("{base}?offset=9&limit=4")).await;
    assert_eq!((&cut["text"], &cut["next"]), (&json!("ws\n"), &json!(12)));
    let text = server.request(Method::GET, &format!("{base}?format=text&offset=12")).send().await.unwrap();
    assert_eq!(text.headers()["x-next-offset"], "18");
    assert_eq!(text.text().await.unwrap(), "über\n");
    let none = server.refused(404, &format!("{base}?attempt={}", AttemptId::generate())).await;
    assert_eq!(none["code"], "no_such_attempt");
    std::fs::remove_file(AttemptFolder::new(server.state_folder(), run, attempt).log()).unwrap();
    assert_eq!(server.refused(409, &base).await["code"], "log_elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_of_the_api() {
    let server = Server::start().await;
    let description = server.get("/api/v1/openapi.json").await;
    for route in phaseline::api::route_table() {
        if !route.path.starts_with("/api/") {
            continue;
        }
        let operation = &description["paths"][route.path][route.method.to_lowercase()];
        assert!(operation["responses"].is_object(), "{} {}", route.method, route.path);
        assert!(operation["security"].is_array(), "{} {}", route.method, route.path);
    }
    let text = description.to_string();
    for (at, _) in text.match_indices("\"#/components/schemas/") {
        let name: String = text[at + 22..].chars().take_while(|char| *char != '"').collect();
        assert!(description["components"]["schemas"][&name].is_object(), "{name} is used and not described");
    }
}
