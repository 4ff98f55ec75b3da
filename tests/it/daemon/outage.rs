//! A daemon whose Postgres goes away and comes back.

use phaseline::store::StoreUrl;
use reqwest::Method;
use serde_json::json;

use super::{begun, holding, ran_once, submit, until_state};
use crate::harness::daemon::{Daemon, log_of, until};
use crate::harness::postgres::Cluster;
use crate::harness::project::Project;

/// Waits until a daemon notices that its database does not answer.
async fn is_red(daemon: &Daemon) {
    until("the daemon to notice", async || {
        let (status, answer) = daemon.ask(Method::GET, "/readyz", None).await;
        (status == 503 && answer["error"]["code"] == "database_away").then_some(())
    })
    .await;
    assert_eq!(daemon.ask(Method::GET, "/healthz", None).await.0, 200);
    for (method, path) in [(Method::GET, "/api/v1/runs"), (Method::POST, "/api/v1/pipelines/holding/runs")] {
        let request = daemon.admin(method, path).header("content-type", "application/json").body("{}");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 503, "{path}");
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("database_away"), "{path}: {text}");
    }
}

async fn is_ready(daemon: &Daemon) {
    until("the daemon to be ready", async || {
        (daemon.ask(Method::GET, "/readyz", None).await == (200, json!({"status": "ready"}))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_is_noticed_like_one_that_is_gone() {
    let cluster = Cluster::start().await;
    let StoreUrl::Postgres(url) = cluster.database("hangs").await else { panic!("not Postgres") };
    let project = Project::new().env("PHASELINE_DATABASE_URL", &url);
    project.write("pipelines/holding.yaml", holding(&project, "holding"));
    let daemon = Daemon::start(&project);
    let run = submit(&daemon, "holding").await;
    begun(&project, &run, "hold").await;
    cluster.freeze();
    is_red(&daemon).await;
    project.write("go", "");
    cluster.thaw();
    is_ready(&daemon).await;
    until_state(&daemon, &run, "succeeded").await;
    ran_once(&project, &[run], &["hold", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_a_daemon_says_so_and_goes_on_by_itself_when_it_is_back() {
    let mut cluster = Cluster::start().await;
    let StoreUrl::Postgres(url) = cluster.database("away").await else { panic!("not Postgres") };
    let project = Project::new().env("PHASELINE_DATABASE_URL", &url);
    project.write("pipelines/holding.yaml", holding(&project, "holding"));
    let mut daemon = Daemon::start(&project);
    let run = submit(&daemon, "holding").await;
    begun(&project, &run, "hold").await;

    cluster.stop();
    is_red(&daemon).await;
    // What runs goes on, and ends while nobody can be told.
    project.write("go", "");
    until("the end of the step", async || {
        super::ledger(project.path()).iter().any(|line| line[2] == "end").then_some(())
    })
    .await;
    assert!(!daemon.is_gone(), "{}", log_of(&project));

    cluster.start_again().await;
    is_ready(&daemon).await;
    until_state(&daemon, &run, "succeeded").await;
    let again = submit(&daemon, "holding").await;
    until_state(&daemon, &again, "succeeded").await;
    ran_once(&project, &[run, again], &["hold", "after"]);
}
