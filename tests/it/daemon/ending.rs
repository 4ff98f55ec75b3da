//! The end of a daemon: what it leaves to the next one, and what a second signal ends.

use std::path::Path;

use phaseline::engine::RunLog;
use phaseline::store::StoreUrl;
use reqwest::Method;
use rustix::process::Signal;

use super::{begun, holding, ran_once, shown, submit, until_state};
use crate::harness::daemon::{Daemon, log_of, store_of, until};
use crate::harness::databases::write;
use crate::harness::project::Project;

fn lives(process: &str) -> bool {
    Path::new("/proc").join(process).exists()
}

/// A daemon with a run whose first step waits until the file `go` is there.
struct Begun {
    project: Project,
    daemon: Daemon,
    run: String,
    /// The process of the step.
    worker: String,
}

/// Starts a daemon that gives its workers `linger` when it ends, and a run of the manifest as `change` leaves it.
async fn begin(linger: &str, change: impl FnOnce(String) -> String) -> Begun {
    let project = Project::new();
    project.write("pipelines/holding.yaml", change(holding(&project, "holding")));
    let daemon = Daemon::start_with(&project, &["--linger", linger]);
    let run = submit(&daemon, "holding").await;
    let worker = begun(&project, &run, "hold").await;
    Begun { project, daemon, run, worker }
}

/// Waits until a daemon that was asked to end says that it is not ready any more.
async fn drains(daemon: &Daemon) {
    until("the daemon to drain", async || {
        let (status, answer) = daemon.ask(Method::GET, "/readyz", None).await;
        (status == 503 && answer["error"]["code"] == "draining").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_asked_to_end_leaves_its_workers_to_the_next_one_and_begins_nothing() {
    let Begun { project, mut daemon, run, worker } = begin("3s", |manifest| manifest).await;
    daemon.signal(Signal::TERM);
    drains(&daemon).await;
    let late = submit(&daemon, "holding").await;
    daemon.ends().await;
    assert!(lives(&worker), "its worker was ended: {}", log_of(&project));
    assert!(log_of(&project).contains("1 runs are left to the next daemon"), "{}", log_of(&project));

    let next = Daemon::start(&project);
    let attempts = format!("/api/v1/runs/{run}/steps/hold/attempts");
    until("the next one to drive the run", async || {
        shown(&next, &run).await["lease"]["owner"].as_str().map(str::to_owned)
    })
    .await;
    assert!(lives(&worker), "the worker that was adopted is gone");
    project.write("go", "");
    let ended = until_state(&next, &run, "succeeded").await;
    assert_eq!(ended["progress"]["succeeded"], 2, "{ended}");
    let (_, attempts) = next.ask(Method::GET, &attempts, None).await;
    assert_eq!(attempts["items"].as_array().unwrap().len(), 1, "{attempts}");
    until_state(&next, &late, "succeeded").await;
    ran_once(&project, &[run, late], &["hold", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_while_no_daemon_is_there_counts_when_the_next_one_comes() {
    let Begun { project, mut daemon, run, worker } = begin("10ms", |manifest| manifest).await;
    daemon.signal(Signal::TERM);
    daemon.ends().await;
    project.write("go", "");
    until("the end of the worker", async || (!lives(&worker)).then_some(())).await;
    let next = Daemon::start(&project);
    until_state(&next, &run, "succeeded").await;
    ran_once(&project, &[run], &["hold", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_adopted_after_the_clock_was_set_ahead_does_not_time_out() {
    let with_timeout = |manifest: String| manifest.replace("hold:\n", "hold:\n      timeout: {run: 1h, total: 2h}\n");
    let Begun { project, mut daemon, run, worker } = begin("10ms", with_timeout).await;
    daemon.signal(Signal::TERM);
    daemon.ends().await;
    // What the log tells was two days ago, by the clock as it is now.
    let url = StoreUrl::in_state_folder(&project.path().join(".phaseline"));
    write(&url, "update events set at = strftime('%Y-%m-%dT%H:%M:%f000Z', at, '-2 days')").await;
    let next = Daemon::start(&project);
    until("the next one to drive the run", async || {
        shown(&next, &run).await["lease"]["owner"].as_str().map(str::to_owned)
    })
    .await;
    project.write("go", "");
    until_state(&next, &run, "succeeded").await;
    assert!(log_of(&project).contains("the clock was set by 172"), "{}", log_of(&project));
    assert!(!lives(&worker));
    ran_once(&project, &[run], &["hold", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_what_runs_and_cancels_its_run() {
    let Begun { project, mut daemon, run, worker } = begin("30s", |manifest| manifest).await;
    daemon.signal(Signal::TERM);
    drains(&daemon).await;
    daemon.signal(Signal::TERM);
    daemon.ends().await;
    assert!(!lives(&worker), "its worker lives on: {}", log_of(&project));
    let store = store_of(&project).await;
    let summary = store.run_summary(run.parse().unwrap()).await.unwrap();
    assert_eq!(summary.state, "cancelled", "{}", log_of(&project));
    assert!(store.run(run.parse().unwrap()).await.is_ok());
}
