//! What is asked of a daemon over HTTP and by `phaseline submit`.

use std::collections::BTreeSet;
use std::time::Duration;

use phaseline::store::StoreUrl;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::{begun, holding, until_state};
use crate::harness::daemon::{Daemon, until};
use crate::harness::postgres::Cluster;
use crate::harness::project::{Ended, Project};

const WORK: &str = "version: 1
pipeline: work
params:
  code: {type: int, default: 0}
  most: {type: int, default: 5}
understanding:
  steps:
    measure:
      cache: false
      run: 'echo \"{\\\"metric\\\": {\\\"name\\\": \\\"size\\\", \\\"value\\\": 3}}\" >> \"$PHASELINE_EVENTS\"; exit ${{ params.code }}'
  gates:
    small: {check: steps.measure.metrics.size < params.most, severity: high, on_fail: stop}
";

const ASKING: &str = "version: 1
pipeline: asking
data_engineering:
  steps:
    sign_off: {uses: approval, with: {message: May it go on?}}
";

const LONG: &str = "version: 1
pipeline: long
understanding: {steps: {wait: {run: sleep 600}}}
";

#[tokio::test(flavor = "multi_thread")]
async fn whether_it_lives_and_is_ready_is_told_to_everybody() {
    let daemon = Daemon::start(&Project::new());
    for (path, body) in [("/healthz", json!({"status": "ok"})), ("/readyz", json!({"status": "ready"}))] {
        let answer = daemon.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let text = answer.text().await.unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), body);
    }
    assert_eq!(daemon.request(Method::GET, "/api/v1/runs").send().await.unwrap().status(), 401);
}

/// Asks for a run of `work` fifty times at once with the same key, in turn at each of the daemons. Every answer names the
/// same run, and there is no other.
async fn ask_at_once(daemons: &[Daemon]) {
    let mut asking = JoinSet::new();
    for daemon in daemons.iter().cycle().take(50) {
        let request = daemon.admin(Method::POST, "/api/v1/pipelines/work/runs");
        let request = request.header("idempotency-key", "once").header("content-type", "application/json").body("{}");
        asking.spawn(async move {
            loop {
                let answer = request.try_clone().unwrap().send().await.unwrap();
                let (status, again) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
                let text = answer.text().await.unwrap();
                if again {
                    // Too many at once, or the first is not done: a client that asks again is served.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                assert_eq!(status, 201, "{text}");
                return serde_json::from_str::<serde_json::Value>(&text).unwrap()["run"].as_str().unwrap().to_owned();
            }
        });
    }
    let runs: BTreeSet<String> = asking.join_all().await.into_iter().collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let (_, listed) = daemons[0].ask(Method::GET, "/api/v1/runs", None).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    until_state(&daemons[0], runs.first().unwrap(), "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_used_fifty_times_at_once_makes_one_run_and_each_is_told_of_it() {
    let project = Project::new();
    project.write("pipelines/work.yaml", WORK);
    ask_at_once(&[Daemon::start(&project)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_used_at_two_daemons_at_once_makes_one_run_too() {
    let cluster = Cluster::start().await;
    let StoreUrl::Postgres(url) = cluster.database("keys").await else { panic!("not Postgres") };
    let project = Project::new().env("PHASELINE_DATABASE_URL", &url);
    project.write("pipelines/work.yaml", WORK);
    ask_at_once(&[Daemon::start(&project), Daemon::start(&project)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_and_wait_does_without_a_daemon_that_is_replaced() {
    let project = Project::new();
    project.write("pipelines/holding.yaml", holding(&project, "holding"));
    let daemon = Daemon::start(&project);
    let address = daemon.address().to_owned();
    let waiting = project.start(&["--server", &address, "submit", "holding", "--wait", "--json"]);
    let run = until("the run", async || {
        let (_, listed) = daemon.ask(Method::GET, "/api/v1/runs", None).await;
        listed["items"][0]["run"].as_str().map(str::to_owned)
    })
    .await;
    begun(&project, &run, "hold").await;
    daemon.kill();
    let _next = Daemon::start_with(&project, &["--listen", address.strip_prefix("http://").unwrap()]);
    project.write("go", "");
    let ended = tokio::task::spawn_blocking(move || Ended(waiting.wait_with_output().unwrap())).await.unwrap();
    assert_eq!(ended.expect(0).json()["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_and_wait_exits_as_the_run_has_ended() {
    let project = Project::new();
    project.write("pipelines/work.yaml", WORK);
    project.write("pipelines/asking.yaml", ASKING);
    project.write("pipelines/long.yaml", LONG);
    let daemon = Daemon::start(&project);
    for server in [&[][..], &["--server", daemon.address()]] {
        let submit = |arguments: &[&str]| project.run(&[server, &["submit"], arguments].concat());
        submit(&["work", "--wait"]).expect(0);
        submit(&["work", "--set", "code=7", "--wait"]).expect(1);
        submit(&["wrok", "--wait"]).expect(2);
        submit(&["work", "--set", "code=x", "--wait"]).expect(2);
        submit(&["work", "--set", "most=2", "--wait"]).expect(3);
        submit(&["asking", "--wait"]).expect(4);

        let mut waiting = project.start(
            &[server, &["submit", "long", "--wait", "--idempotency-key", server.last().unwrap_or(&"here")]].concat(),
        );
        let run = until("the run to begin", async || {
            let (_, listed) = daemon.ask(Method::GET, "/api/v1/runs?pipeline=long&state=running", None).await;
            listed["items"][0]["run"].as_str().map(str::to_owned)
        })
        .await;
        project.run(&[server, &["cancel", &run, "--reason", "enough"]].concat()).expect(0);
        let code = tokio::task::spawn_blocking(move || waiting.wait().unwrap().code()).await.unwrap();
        assert_eq!(code, Some(130));
    }
}
