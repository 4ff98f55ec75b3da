//! A daemon whose Postgres goes away and comes back.

use phaseline::store::StoreUrl;
use reqwest::Method;
use serde_json::json;

use super::{begun, holding, ran_once, submit, until_state};
use crate::harness::daemon::{Daemon, log_of, until};
use crate::harness::postgres::Cluster;
use crate::harness::project::Project;

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
    // What runs goes on, and ends while nobody can be told.
    project.write("go", "");
    until("the end of the step", async || {
        super::ledger(project.path()).iter().any(|line| line[2] == "end").then_some(())
    })
    .await;
    assert!(!daemon.is_gone(), "{}", log_of(&project));

    cluster.start_again().await;
    until("the daemon to be ready", async || {
        (daemon.ask(Method::GET, "/readyz", None).await == (200, json!({"status": "ready"}))).then_some(())
    })
    .await;
    until_state(&daemon, &run, "succeeded").await;
    let again = submit(&daemon, "holding").await;
    until_state(&daemon, &again, "succeeded").await;
    ran_once(&project, &[run, again], &["hold", "after"]);
}
