//! What is changed through the API, and who may.

use phaseline::engine::RunLog;
use phaseline::id::RunId;
use phaseline::store::Role;
use reqwest::Method;
use serde_json::json;

use super::server::Server;
use crate::harness::databases::write;
use crate::harness::history::{dawn, new_run, small_plan};

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_gets_its_size_and_only_from_an_admin() {
    let server = Server::start().await;
    assert_eq!(server.get("/api/v1/pools/gpu").await["slots"], 1);
    let put = async |body| server.send(Method::PUT, "/api/v1/pools/gpu", &body).await.status();
    assert_eq!(put(json!({"slots": 4})).await, 200);
    let pool = server.get("/api/v1/pools/gpu").await;
    assert_eq!((&pool["slots"], &pool["used"], &pool["holders"]), (&json!(4), &json!(0), &json!([])));
    assert!(pool["set_by"].as_str().unwrap().starts_with("a admin"), "{pool}");
    assert_eq!(put(json!({"slots": 10_001})).await, 422);
    assert_eq!(put(json!({"slots": -1})).await, 422);
    assert_eq!(put(json!({"slots": 1, "slot": 2})).await, 422);
    assert_eq!(server.as_role(Role::Operator, Method::PUT, "/api/v1/pools/gpu").await, 403);
    for path in ["/api/v1/tokens", "/api/v1/audit"] {
        assert_eq!(server.as_role(Role::Operator, Method::GET, path).await, 403, "{path}");
        assert_eq!(server.as_role(Role::Admin, Method::GET, path).await, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_by_a_request_that_stands_in_the_database() {
    let server = Server::start().await;
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let id = run.id;
    server.store.submit(run).await.unwrap();
    let path = format!("/api/v1/runs/{id}/cancel");
    assert_eq!(server.as_role(Role::Viewer, Method::POST, &path).await, 403);
    let asked = server.post(202, &path, &json!({"reason": "not needed"})).await;
    assert!(asked["request"].is_string(), "{asked}");
    let none = format!("/api/v1/runs/{}/cancel", RunId::generate());
    assert_eq!(server.post(404, &none, &json!({})).await["error"]["code"], "no_such_run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_needs_a_reason_and_something_that_waits_for_it() {
    let server = Server::start().await;
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let id = run.id;
    server.store.submit(run).await.unwrap();
    let gate = |word: &str| format!("/api/v1/runs/{id}/gates/contract/{word}");
    assert_eq!(server.post(422, &gate("approve"), &json!({"reason": " "})).await["error"]["code"], "reason_missing");
    assert_eq!(server.post(422, &gate("approve"), &json!({})).await["error"]["code"], "bad_body");
    let long = json!({"reason": "x".repeat(2001)});
    assert_eq!(server.post(422, &gate("waive"), &long).await["error"]["code"], "reason_too_long");
    assert_eq!(server.post(422, &format!("/api/v1/runs/{id}/cancel"), &long).await["error"]["code"], "reason_too_long");
    assert_eq!(server.post(422, &format!("/api/v1/runs/{id}/pause"), &long).await["error"]["code"], "reason_too_long");
    let early = server.post(409, &gate("approve"), &json!({"reason": "it is fine"})).await;
    assert_eq!(early["error"]["code"], "not_waiting");
    let asked = server.post(202, &gate("waive"), &json!({"reason": "known outlier"})).await;
    assert!(asked["request"].is_string(), "{asked}");
    let step = format!("/api/v1/runs/{id}/steps/other/approve");
    assert_eq!(server.post(404, &step, &json!({"reason": "fine"})).await["error"]["code"], "no_such_gate");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_only_shown_unless_told_and_what_makes_no_sense_is_refused() {
    let server = Server::start().await;
    let shown = server.post(200, "/api/v1/gc", &json!({})).await;
    assert_eq!((&shown["applied"], &shown["freed"], &shown["keep"]), (&json!(false), &json!(null), &json!([])));
    let freed = server.post(200, "/api/v1/gc", &json!({"apply": true})).await;
    assert_eq!((&freed["applied"], &freed["freed"]["artifacts"]), (&json!(true), &json!(0)));
    for (body, code) in [
        (json!({"older_than": "soon"}), "bad_time"),
        (json!({"max_size": "-1B"}), "bad_size"),
        (json!({"keep_last": -1}), "bad_body"),
        (json!({"aply": true}), "bad_body"),
    ] {
        assert_eq!(server.post(422, "/api/v1/gc", &body).await["error"]["code"], code, "{body}");
    }
    let pin = json!({"digest": "ffffffff", "reason": "kept"});
    assert_eq!(server.post(404, "/api/v1/pins", &pin).await["error"]["code"], "not_found");
    let bare = json!({"digest": "ffffffff", "reason": ""});
    assert_eq!(server.post(422, "/api/v1/pins", &bare).await["error"]["code"], "reason_missing");
    assert_eq!(server.as_role(Role::Operator, Method::DELETE, "/api/v1/pins/ffffffff").await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_whole_however_long_and_kept_for_its_key_if_it_is_short() {
    let server = Server::start().await;
    let artifacts = |count: u32| {
        format!(
            "insert into artifacts (digest, kind, bytes, created_at, run_id, step, attempt_id)
            with recursive numbers (number) as (select 1 union all select number + 1 from numbers where number < {count})
            select printf('%064x', number), 'table', 1, '2026-01-01T00:00:00.000000Z', 'run', 'step', 'attempt'
            from numbers where printf('%064x', number) not in (select digest from artifacts)"
        )
    };
    let ask = async |key: &str| {
        let request = server.request(Method::POST, "/api/v1/gc").header("idempotency-key", key);
        let answer = request.header("content-type", "application/json").body("{}").send().await.unwrap();
        let is_repeated = answer.headers().contains_key("idempotency-repeated");
        let document = super::server::document(200, key, answer).await;
        (document["free"].as_array().unwrap().len(), is_repeated)
    };
    write(server.store.url(), &artifacts(1)).await;
    assert_eq!([ask("short").await, ask("short").await], [(1, false), (1, true)]);
    write(server.store.url(), &artifacts(8000)).await;
    assert_eq!([ask("long").await, ask("long").await], [(8000, false), (8000, false)]);
    assert_eq!(ask("short").await, (1, true));
}
