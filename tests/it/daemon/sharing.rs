//! Several daemons on one Postgres.

use std::collections::BTreeSet;

use phaseline::store::StoreUrl;
use sqlx::{Connection, PgConnection};

use super::{ran_once, shown, submit, until_state};
use crate::harness::daemon::{Daemon, until};
use crate::harness::postgres::Cluster;
use crate::harness::project::Project;

/// Two steps that take a moment and tell a ledger.
fn brief(project: &Project) -> String {
    let step = |name: &str, needs: &str| {
        let ledger = project.path().join("ledger");
        let tell = |what: &str| format!("echo \"$PHASELINE_RUN {name} {what} $$\" >> {}", ledger.display());
        let (begin, end) = (tell("begin"), tell("end"));
        format!("    {name}:\n      cache: false\n{needs}      run: '{begin}; sleep 0.2; {end}'\n")
    };
    let steps = step("first", "") + &step("second", "      needs: [first]\n");
    format!("version: 1\npipeline: brief\ndata_engineering:\n  steps:\n{steps}")
}

/// Who drives runs that have not ended.
async fn owners(url: &str) -> BTreeSet<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = "select distinct lease_owner from runs where finished_at is null and lease_owner is not null";
    sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_share_runs_and_the_death_of_one_loses_and_doubles_none() {
    let cluster = Cluster::start().await;
    let StoreUrl::Postgres(url) = cluster.database("shared").await else { panic!("not Postgres") };
    let project = Project::new().env("PHASELINE_DATABASE_URL", &url);
    project.write("pipelines/brief.yaml", brief(&project));
    let one = Daemon::start_with(&project, &["--runs", "12"]);
    let other = Daemon::start_with(&project, &["--runs", "12"]);
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(submit(&one, "brief").await);
    }
    until("both to drive runs", async || (owners(&url).await.len() == 2).then_some(())).await;
    one.kill();
    for run in &runs {
        until_state(&other, run, "succeeded").await;
    }
    ran_once(&project, &runs, &["first", "second"]);
    for run in &runs {
        let told = shown(&other, run).await;
        assert_eq!(told["progress"]["succeeded"], 2, "{told}");
    }
}
