//! Every route against every kind of token, method, host and origin; the routes are taken from the router itself.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use phaseline::api::{Limits, Need, Route, openapi, route_table};
use phaseline::store::{NewToken, Rights, Role};

use super::server::{Answer, Served};

/// The codes by which the guard refuses.
const OF_THE_GUARD: [&str; 7] = [
    "token_missing",
    "token_unknown",
    "token_expired",
    "token_revoked",
    "not_allowed",
    "host_refused",
    "origin_refused",
];

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];

#[test]
fn every_route_says_what_it_needs_and_nothing_else_is_in_the_table() {
    let described: BTreeSet<(String, String)> = openapi()
        .paths
        .paths
        .iter()
        .flat_map(|(path, item)| {
            let item = serde_json::to_value(item).unwrap();
            let methods: Vec<String> = item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
            methods.into_iter().filter(|word| METHODS.contains(&word.as_str())).map(|method| (method, path.clone()))
        })
        .collect();
    let table: Vec<(String, String)> =
        route_table().iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    let known: BTreeSet<(String, String)> = table.iter().cloned().collect();
    assert_eq!(known.len(), table.len(), "a route is in the table twice");
    let missing: Vec<_> = described.difference(&known).collect();
    assert!(missing.is_empty(), "these routes say nowhere what they need: {missing:?}");
    let models = ["/endpoints", "/predict", "/health", "/metadata"];
    let gone: Vec<_> = known
        .difference(&described)
        .filter(|(_, path)| !models.iter().any(|model| path == model || path.starts_with("/endpoints/")))
        .collect();
    assert!(gone.is_empty(), "these are in the table and not in the router: {gone:?}");
    let open: Vec<&str> =
        route_table().iter().filter(|route| route.need == Need::Nothing).map(|route| route.path).collect();
    assert_eq!(open, ["/healthz", "/readyz"], "all others need a token");
}

/// A path on which every part has a value that reads as what it stands for.
fn path(route: &Route) -> String {
    let parts = route.path.split('/').map(|part| match part {
        "{run}" => "run_00000000000000000000000001938000".to_owned(),
        "{attempt}" => "att_00000000000000000000000001938000".to_owned(),
        "{digest}" => "0".repeat(64),
        "{version}" | "{position}" | "{number}" => "1".to_owned(),
        part if part.starts_with('{') => "churn".to_owned(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Who may use a route: none, viewer, operator, admin, a token for another thing, a token for this one.
struct Shown {
    what: &'static str,
    token: Option<String>,
    allowed: fn(Need) -> bool,
}

async fn tokens(server: &Served) -> Vec<Shown> {
    let bad = |_: Need| false;
    let expired = NewToken {
        name: "old".to_owned(),
        rights: Rights::Role(Role::Admin),
        created_by: "test".to_owned(),
        expires_at: Some(Utc::now() - TimeDelta::seconds(1)),
    };
    let expired = server.store.create_token(expired).await.unwrap().1.reveal().to_owned();
    let revoked = server.role(Role::Admin).await;
    let id = server.store.token_of(&revoked).await.unwrap().unwrap().id;
    server.store.revoke_token(&id).await.unwrap();
    let scope = async |scope: &str| Some(server.token(Rights::Scope(scope.parse().unwrap())).await);
    vec![
        Shown { what: "none", token: None, allowed: bad },
        Shown { what: "no token", token: Some("phl_short".to_owned()), allowed: bad },
        Shown { what: "unknown", token: Some(format!("phl_{}", "0".repeat(64))), allowed: bad },
        Shown { what: "expired", token: Some(expired), allowed: bad },
        Shown { what: "revoked", token: Some(revoked), allowed: bad },
        Shown { what: "another endpoint", token: scope("predict:other").await, allowed: bad },
        Shown { what: "another trigger", token: scope("webhook:churn.other").await, allowed: bad },
        Shown { what: "this endpoint", token: scope("predict:churn").await, allowed: |need| need == Need::Predict },
        Shown {
            what: "this trigger",
            token: scope("webhook:churn.churn").await,
            allowed: |need| need == Need::Webhook,
        },
        Shown {
            what: "viewer",
            token: Some(server.role(Role::Viewer).await),
            allowed: |need| need == Need::Role(Role::Viewer),
        },
        Shown {
            what: "operator",
            token: Some(server.role(Role::Operator).await),
            allowed: |need| need != Need::Role(Role::Admin),
        },
        Shown { what: "admin", token: Some(server.role(Role::Admin).await), allowed: |_| true },
    ]
}

fn is_let_in(answer: &Answer) -> bool {
    !OF_THE_GUARD.contains(&answer.code().as_str())
}

async fn ask(server: &Served, method: &str, path: &str, token: Option<&str>, more: &[(&str, &str)]) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers: Vec<(&str, &str)> = more.to_vec();
    if let Some(bearer) = &bearer {
        headers.push(("authorization", bearer));
    }
    server.send(method, path, &headers, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_whom_its_role_allows_and_nobody_else() {
    let server = Served::start(Limits::default()).await;
    let tokens = tokens(&server).await;
    for route in route_table() {
        let path = path(&route);
        for shown in &tokens {
            let answer = ask(&server, route.method, &path, shown.token.as_deref(), &[]).await;
            let what = format!("{} {path} with {}: {} {}", route.method, shown.what, answer.status, answer.body);
            let is_allowed = route.need == Need::Nothing || (shown.allowed)(route.need);
            assert_eq!(is_let_in(&answer), is_allowed, "{what}");
            assert_ne!(answer.status, 500, "{what}");
            if !is_allowed {
                assert!(matches!(answer.status, 401 | 403), "{what}");
            }
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_hosts_origins_and_content_types_are_refused_on_every_route() {
    let server = Served::start(Limits::default()).await;
    let admin = server.role(Role::Admin).await;
    let table = route_table();
    let paths: BTreeSet<&str> = table.iter().map(|route| route.path).collect();
    for template in paths {
        let known: Vec<&Route> = table.iter().filter(|route| route.path == template).collect();
        let path = path(known[0]);
        for method in METHODS {
            let is_known =
                known.iter().any(|route| route.method == method || route.method == "GET" && method == "HEAD");
            if !is_known {
                let answer = ask(&server, method, &path, Some(&admin), &[]).await;
                assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
                let answer = ask(&server, method, &path, None, &[]).await;
                assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
            }
        }
    }
    for route in &table {
        let (method, path) = (route.method, path(route));
        for (foreign, code) in [
            (("host", "evil.example"), "host_refused"),
            (("host", "127.0.0.1.evil.example"), "host_refused"),
            (("origin", "https://evil.example"), "origin_refused"),
            (("origin", "null"), "origin_refused"),
            (("sec-fetch-site", "cross-site"), "origin_refused"),
        ] {
            let answer = ask(&server, method, &path, Some(&admin), &[foreign]).await;
            assert_eq!((answer.status, answer.code().as_str()), (403, code), "{method} {path} {foreign:?}");
        }
        if method != "GET" {
            let bearer = format!("Bearer {admin}");
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
                let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
                let answer = server.send(method, &path, &headers, "{}").await;
                assert_eq!(answer.status, 415, "{method} {path} {kind}: {}", answer.body);
            }
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_token_does_not_learn_which_paths_there_are() {
    let server = Served::start(Limits::default()).await;
    for path in ["/", "/api/v1/runs", "/api/v1/nothing", "/nothing"] {
        let answer = ask(&server, "GET", path, None, &[]).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "token_missing"), "{path}");
    }
    let viewer = server.role(Role::Viewer).await;
    let answer = ask(&server, "GET", "/api/v1/nothing", Some(&viewer), &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "no_such_path"));
    server.stop().await;
}
