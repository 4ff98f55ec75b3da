//! Postgres that goes away in the middle of a run.

use std::time::Duration;

use phaseline::engine::{EngineError, RunLog};
use phaseline::id::RunId;

use crate::harness::databases::open;
use crate::harness::history::{Log, claimed, dawn, new_run, small_plan};
use crate::harness::postgres::Cluster;

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_database_that_comes_back_is_used_again_and_one_that_stays_away_loses_nothing() {
    let mut cluster = Cluster::start().await;
    let store = open(&cluster.database("runs").await).await;
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let lease = store.create(run, "alpha:1", HOUR).await.unwrap();
    let mut log = Log::starting(dawn());
    let first = log.events([claimed("alpha:1")]);
    store.append(&lease, 1, &first).await.unwrap();

    cluster.stop();
    let impatient = store.clone().with_patience(Duration::from_millis(100));
    let second = log.events([claimed("alpha:1")]);
    let refused = impatient.append(&lease, 2, &second).await.unwrap_err();
    let EngineError::Database { source, .. } = &refused else { panic!("{refused}") };
    assert!(source.to_string().contains("does not answer; nothing is lost"), "{source}");

    // How long a database takes to recover is its own business.
    let patient = store.clone().with_patience(Duration::from_secs(120));
    let appending = {
        let (lease, second) = (lease.clone(), second.clone());
        tokio::spawn(async move { patient.append(&lease, 2, &second).await })
    };
    cluster.start_again().await;
    appending.await.unwrap().unwrap();
    assert_eq!(store.events(lease.run).await.unwrap(), [first, second].concat());
}
