//! Requests from outside that fire triggers, over HTTP.

use phaseline::store::TickState;
use reqwest::Method;
use ring::hmac;
use serde_json::Value;

use super::{looked_after, ticks};
use crate::harness::daemon::{Daemon, store_of};
use crate::harness::project::Project;

const HOOKED: &str = "version: 1
pipeline: hooked
params: {n: {type: int, default: 1}}
triggers:
  hook: {webhook: token, overlap: allow, set: {n: \"${{ trigger.body.n }}\"}}
  signed: {webhook: {hmac: HOOK_SECRET}, overlap: allow, set: {n: \"${{ trigger.body.n }}\"}}
understanding: {steps: {a: {run: \"true\"}}}
";
const SECRET: &str = "a secret of the test";

async fn post(daemon: &Daemon, trigger: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut request = daemon.request(Method::POST, &format!("/hooks/hooked/{trigger}")).body(body.to_owned());
    request = request.header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
}

fn signature(secret: &str, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    let digits: Vec<String> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={}", digits.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_fires_for_its_token_or_a_signature_that_is_new_and_for_nothing_else() {
    let project = Project::new().env("HOOK_SECRET", SECRET);
    project.write("pipelines/hooked.yaml", HOOKED);
    let daemon = Daemon::start(&project);
    let store = store_of(&project).await;
    for trigger in ["hook", "signed"] {
        looked_after(&store, "hooked", trigger).await;
    }

    let token = project.run(&["triggers", "token", "hooked.hook"]).expect(0).stdout();
    let bearer = format!("Bearer {}", token.trim());
    let headers = [("authorization", bearer.as_str()), ("x-phaseline-delivery", "one")];
    let (status, fired) = post(&daemon, "hook", &headers, "{\"n\": 7}").await;
    assert_eq!((status, &fired["state"]), (202, &"fired".into()), "{fired}");
    let (status, again) = post(&daemon, "hook", &headers, "{\"n\": 7}").await;
    assert_eq!((status, &again["run"], &again["is_new"]), (202, &fired["run"], &false.into()));
    for wrong in [&[][..], &[("authorization", "Bearer phl_none")]] {
        let (status, refused) = post(&daemon, "hook", wrong, "{}").await;
        assert!(status == 401 || status == 404, "{status} {refused}");
    }
    let (status, _) = post(&daemon, "hook", &headers[..1], "{n: 7}").await;
    assert_eq!(status, 422);

    let now = chrono::Utc::now().timestamp();
    let sent = now.to_string();
    let good = signature(SECRET, &sent, "{\"n\": 8}");
    let signed = [("x-phaseline-timestamp", sent.as_str()), ("x-phaseline-signature", good.as_str())];
    let (status, fired) = post(&daemon, "signed", &signed, "{\"n\": 8}").await;
    assert_eq!((status, &fired["state"]), (202, &"fired".into()), "{fired}");
    let (status, replayed) = post(&daemon, "signed", &signed, "{\"n\": 8}").await;
    assert_eq!((status, &replayed["run"], &replayed["is_new"]), (202, &fired["run"], &false.into()));
    let old = (now - 301).to_string();
    let of_old = signature(SECRET, &old, "{\"n\": 8}");
    let of_others = signature("another secret", &sent, "{\"n\": 8}");
    for (timestamp, signature, body) in [
        (&sent, &good, "{\"n\": 9}"),
        (&old, &good, "{\"n\": 8}"),
        (&old, &of_old, "{\"n\": 8}"),
        (&sent, &of_others, "{\"n\": 8}"),
    ] {
        let headers = [("x-phaseline-timestamp", timestamp.as_str()), ("x-phaseline-signature", signature.as_str())];
        let (status, refused) = post(&daemon, "signed", &headers, body).await;
        assert_eq!((status, &refused["error"]["code"]), (404, &"hook_refused".into()), "{refused}");
    }
    for trigger in ["hook", "signed"] {
        let ticks = ticks(&store, "hooked", trigger).await;
        assert_eq!(ticks.iter().map(|tick| tick.state).collect::<Vec<_>>(), [TickState::Fired], "{trigger}");
    }
}
