//! What the API remembers: keys of requests, tags of answers, the audit log, and what it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use phaseline::api::Limits;
use phaseline::engine::RunLog;
use phaseline::id::RunId;
use phaseline::store::queries::PageRequest;
use phaseline::store::{Act, KeptAnswer, KeyedRequest, KeyedTurn, Role, StoreUrl};
use phaseline::telemetry::metrics;
use serde_json::{Value, json};

use super::server::{Answer, Served};
use crate::harness::databases::{on_both_databases, open, promises};
use crate::harness::history::{dawn, new_run, small_plan};

async fn cancel(server: &Served, run: RunId, token: &str, key: &str, reason: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", key)];
    let body = json!({"reason": reason}).to_string();
    server.send("POST", &format!("/api/v1/runs/{run}/cancel"), &headers, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_repetitions_at_once_have_one_effect_and_one_answer() {
    let server = Arc::new(Served::start(Limits::default()).await);
    let operator = server.role(Role::Operator).await;
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let id = run.id;
    server.store.submit(run).await.unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (server, operator) = (Arc::clone(&server), operator.clone());
        asking.spawn(async move {
            loop {
                let answer = cancel(&server, id, &operator, "once", "enough").await;
                // Whoever waited too long for the first one to end is asked to come back.
                if answer.status != 409 || answer.code() != "in_progress" {
                    return (answer.status, answer.body);
                }
            }
        });
    }
    let answers: BTreeSet<(u16, String)> = asking.join_all().await.into_iter().collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers.first().unwrap().0, 202, "{answers:?}");
    assert_eq!(server.store.requests(&[id]).await.unwrap().len(), 1, "one request stands in the database");

    let other = cancel(&server, id, &operator, "once", "something else").await;
    assert_eq!((other.status, other.code().as_str()), (409, "other_body"));
    let somebody = server.role(Role::Operator).await;
    let theirs = cancel(&server, id, &somebody, "once", "something else").await;
    assert_eq!(theirs.status, 202, "keys of different tokens have nothing to do with each other");
    let bad = cancel(&server, id, &operator, "with space", "enough").await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "bad_idempotency_key"));
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_not_changed_is_told_by_its_tag() {
    let server = Served::start(Limits::default()).await;
    let viewer = server.role(Role::Viewer).await;
    let bearer = format!("Bearer {viewer}");
    let first = server.ask("GET", "/api/v1/runs", &viewer).await;
    let tag = first.header("etag").expect("a tag").to_owned();
    let again = async |tag: &str| {
        let headers = [("authorization", bearer.as_str()), ("if-none-match", tag)];
        server.send("GET", "/api/v1/runs", &headers, "").await
    };
    let unchanged = again(&tag).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(unchanged.header("etag"), Some(tag.as_str()));
    server.store.submit(new_run(RunId::generate(), small_plan(&["load"]), dawn())).await.unwrap();
    assert_eq!(again(&tag).await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_and_what_was_refused_stands_in_the_audit_log() {
    let server = Served::start(Limits::default()).await;
    let (viewer, operator) = (server.role(Role::Viewer).await, server.role(Role::Operator).await);
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let id = run.id;
    server.store.submit(run).await.unwrap();
    assert_eq!(cancel(&server, id, &operator, "a", "enough").await.status, 202);
    assert_eq!(cancel(&server, RunId::generate(), &operator, "b", "enough").await.status, 404);
    assert_eq!(cancel(&server, id, &viewer, "c", "enough").await.status, 403);
    assert_eq!(server.ask("GET", "/api/v1/runs", &viewer).await.status, 200);
    let page = server.store.audit_page(None, &PageRequest { after: None, limit: 10 }).await.unwrap();
    let rows: Vec<String> = page
        .items
        .iter()
        .map(|row| format!("{} {} {}", row.role.as_deref().unwrap(), row.action, row.outcome))
        .collect();
    assert_eq!(
        rows,
        [
            "viewer POST /api/v1/runs/{run}/cancel 403 not_allowed",
            "operator POST /api/v1/runs/{run}/cancel 404 no_such_run",
            "operator POST /api/v1/runs/{run}/cancel 202",
        ],
        "newest first, and nothing that only asks"
    );
    let done = page.items.last().unwrap();
    assert_eq!((done.object.as_deref(), done.remote.as_deref()), (Some(id.to_string().as_str()), Some("127.0.0.1")));
    assert!(done.who.starts_with("test (tok_"), "{}", done.who);
    server.stop().await;
}

/// The names and types of a text for Prometheus, after checking its form as `promtool check metrics` does.
fn check_metrics(text: &str) -> BTreeMap<String, String> {
    let mut types = BTreeMap::new();
    let mut helped = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.trim().is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name), "{name} has no help");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
        } else {
            assert!(!line.starts_with('#') && !line.is_empty(), "`{line}`");
            let name = line.split(['{', ' ']).next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| {
                    name.strip_suffix(suffix).filter(|base| types.get(*base).is_some_and(|kind| kind == "histogram"))
                })
                .unwrap_or(name);
            assert!(types.contains_key(family), "{line} has no type");
            let value = line.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    for (name, kind) in &types {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{name}");
        assert!(name.starts_with("phaseline_") || name.starts_with("process_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        for unit in ["milliseconds", "_ms", "minutes", "kilobytes", "megabytes", "percent"] {
            assert!(!name.contains(unit), "{name} is not in a base unit");
        }
        for suffix in ["_bucket", "_sum", "_count"] {
            assert!(!name.ends_with(suffix), "{name} ends like a part of a histogram");
        }
    }
    types
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_keep_the_rules_of_prometheus_and_have_bounded_labels() {
    let server = Served::start(Limits::default()).await;
    let viewer = server.role(Role::Viewer).await;
    server.store.submit(new_run(RunId::generate(), small_plan(&["load"]), dawn())).await.unwrap();
    server.store.set_pool("gpu", 2, "test", Utc::now()).await.unwrap();
    for number in 0..5 {
        server.ask("GET", &format!("/api/v1/pipelines/made_up_{number}"), &viewer).await;
        server.ask("GET", &format!("/nothing/{number}"), &viewer).await;
    }
    // What nothing has happened of yet is not listed.
    metrics::run_ended("succeeded");
    metrics::attempt_started("train.mlp");
    metrics::attempt_ended("train.mlp", "lost", None);
    metrics::attempt_ended("train.mlp", "succeeded", Some(1.5));
    metrics::queue_waited("train.mlp", Duration::from_millis(20));
    metrics::step_reused("train.mlp");
    metrics::database_error("away");
    let answer = server.ask("GET", "/metrics", &viewer).await;
    assert_eq!(answer.status, 200);
    let types = check_metrics(&answer.body);
    for name in [
        "phaseline_http_requests_total",
        "phaseline_http_request_duration_seconds",
        "phaseline_runs",
        "phaseline_runs_ended_total",
        "phaseline_attempts_ended_total",
        "phaseline_attempt_duration_seconds",
        "phaseline_queue_wait_seconds",
        "phaseline_database_errors_total",
        "phaseline_database_up",
        "phaseline_build_info",
        "phaseline_slots_limit",
        "phaseline_leases",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(types.contains_key(name), "{name} is missing in\n{}", answer.body);
    }
    assert!(answer.body.contains("phaseline_runs{state=\"waiting\"} 1"), "{}", answer.body);
    assert!(answer.body.contains("route=\"/api/v1/pipelines/{pipeline}\",status=\"404\"} 5"), "{}", answer.body);
    assert!(!answer.body.contains("made_up") && !answer.body.contains("/nothing"), "{}", answer.body);
    server.stop().await;
}

fn keyed(key: &str, body: &str) -> KeyedRequest {
    let [key, who, route, body_digest] = [key, "tok_1", "POST /x", body].map(str::to_owned);
    KeyedRequest { key, who, route, body_digest }
}

async fn a_key_has_one_turn_that_is_given_on_after_a_crash(url: StoreUrl) {
    let store = open(&url).await;
    let (hold, now) = (Duration::from_hours(1), Utc::now());
    let request = keyed("a", "1");
    assert_eq!(store.begin_keyed(&request, hold, now).await.unwrap(), KeyedTurn::Yours);
    assert_eq!(store.begin_keyed(&request, hold, now).await.unwrap(), KeyedTurn::Busy);
    assert_eq!(store.begin_keyed(&keyed("a", "2"), hold, now).await.unwrap(), KeyedTurn::OtherBody);
    store.abandon_keyed(&request).await.unwrap();
    assert_eq!(store.begin_keyed(&request, hold, now).await.unwrap(), KeyedTurn::Yours, "given back");
    let answer = KeptAnswer { status: 202, body: "{}".to_owned() };
    store.end_keyed(&request, &answer).await.unwrap();
    assert_eq!(store.begin_keyed(&request, hold, now).await.unwrap(), KeyedTurn::Answered(answer));
    let later = now + TimeDelta::days(2);
    assert_eq!(store.begin_keyed(&request, hold, later).await.unwrap(), KeyedTurn::Yours, "kept for a day");
    // Whoever held this one has died: its time is over.
    let crashed = keyed("b", "1");
    assert_eq!(store.begin_keyed(&crashed, Duration::ZERO, now).await.unwrap(), KeyedTurn::Yours);
    assert_eq!(store.begin_keyed(&crashed, hold, now).await.unwrap(), KeyedTurn::Yours);
    assert_eq!(store.begin_keyed(&crashed, hold, now).await.unwrap(), KeyedTurn::Busy, "and one takes it over");
    store.close().await;
}

async fn an_audit_row_is_there_before_its_outcome(url: StoreUrl) {
    let store = open(&url).await;
    let act = Act { who: "ada".to_owned(), action: "runs cancel".to_owned(), ..Act::default() };
    let position = store.audit_begun(&act).await.unwrap();
    let outcomes = async || -> Vec<String> {
        let page = store.audit_page(None, &PageRequest { after: None, limit: 10 }).await.unwrap();
        page.items.into_iter().map(|row| row.outcome).collect()
    };
    assert_eq!(outcomes().await, ["begun"]);
    store.audit_ended(position, "done", None).await.unwrap();
    store.audit_ended(position, "changed later", None).await.unwrap();
    assert_eq!(outcomes().await, ["done"], "an outcome is told once");
    assert_eq!(store.trim_audit(Duration::from_hours(1), Utc::now()).await.unwrap(), 0);
    assert_eq!(store.trim_audit(Duration::ZERO, Utc::now() + TimeDelta::seconds(1)).await.unwrap(), 1);
    store.close().await;
}

async fn a_token_is_known_by_its_secret_only_and_refused_once_revoked(url: StoreUrl) {
    use phaseline::store::{NewToken, Rights, Standing};
    let store = open(&url).await;
    let expires_at = Some(Utc::now() + TimeDelta::days(1));
    let new = NewToken {
        name: "ci".to_owned(),
        rights: Rights::Scope("webhook:churn.arrived".parse().unwrap()),
        created_by: "ada".to_owned(),
        expires_at,
    };
    let (made, secret) = store.create_token(new).await.unwrap();
    let found = store.token_of(secret.reveal()).await.unwrap().unwrap();
    assert_eq!(found, made);
    assert_eq!(found.standing(Utc::now()), Standing::Good);
    assert_eq!(found.standing(Utc::now() + TimeDelta::days(2)), Standing::Expired);
    assert_eq!(store.token_of(&secret.reveal().to_uppercase()).await.unwrap(), None);
    let used = Utc::now();
    store.token_used(&made.id, used).await.unwrap();
    store.token_used(&made.id, used + TimeDelta::seconds(30)).await.unwrap();
    let first = store.tokens().await.unwrap()[0].used_at.clone();
    store.token_used(&made.id, used + TimeDelta::seconds(90)).await.unwrap();
    let second = store.tokens().await.unwrap()[0].used_at.clone();
    assert!(first < second, "{first:?} {second:?}");
    assert_eq!(store.revoke_token(&made.id).await.unwrap().standing(Utc::now()), Standing::Revoked);
    assert!(store.revoke_token("tok_none").await.unwrap_err().to_string().contains("there is no token"));
    store.close().await;
}

#[test]
fn keys_audit_rows_and_tokens_keep_their_promises_on_both_databases() {
    on_both_databases(promises![
        a_key_has_one_turn_that_is_given_on_after_a_crash,
        an_audit_row_is_there_before_its_outcome,
        a_token_is_known_by_its_secret_only_and_refused_once_revoked,
    ]);
}

#[test]
fn a_token_is_made_listed_and_revoked_on_the_command_line_and_its_secret_is_kept_nowhere() {
    let project = crate::harness::project::Project::new();
    let made = project.run(&["token", "create", "--role", "operator", "--name", "ci", "--expires", "30d"]).expect(0);
    let secret = made.stdout().trim().to_owned();
    assert!(phaseline::store::is_token(&secret), "{secret}");
    let listed = project.run(&["token", "list", "--json"]).expect(0).json();
    assert_eq!((&listed[0]["name"], &listed[0]["rights"]), (&json!("ci"), &json!("operator")));
    let id = listed[0]["id"].as_str().unwrap();
    project.run(&["token", "revoke", id]).expect(0);
    assert!(project.run(&["token", "list"]).expect(0).stdout().contains("revoked"));
    for (wrong, told) in [
        (&["token", "create"][..], "--role"),
        (&["token", "create", "--role", "root"], "viewer, operator or admin"),
        (&["token", "create", "--scope", "predict:../x"], "predict:ENDPOINT"),
        (&["token", "create", "--role", "viewer", "--expires", "soon"], "30d"),
        (&["token", "revoke", "tok_none"], "token list"),
    ] {
        let refused = project.run(wrong).expect(2);
        assert!(refused.stderr().contains(told), "{}", refused.stderr());
    }
    let rows: Value = project.run(&["audit", "--json", "--since", "1h"]).expect(0).json();
    let did: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(did, ["token revoke", "token revoke", "token create"]);
    assert_eq!((&rows[0]["outcome"], &rows[1]["outcome"]), (&json!("failed"), &json!("done")));
    for entry in std::fs::read_dir(project.path().join(".phaseline")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{} has the secret", path.display());
        }
    }
}
