//! Kills at the points that no run passes: where the API answers, people are told, something is asked, a backfill goes
//! on, and a run is put aside.

use std::collections::BTreeSet;
use std::fs;

use phaseline::store::StoreUrl;
use reqwest::Method;
use serde_json::Value;

use super::{shown, submit, until_state};
use crate::harness::daemon::{Daemon, arm, has_fired, log_of, store_of, until};
use crate::harness::databases::write;
use crate::harness::project::Project;

fn daily(project: &Project) -> String {
    let told = project.path().join("told");
    format!(
        "version: 1
pipeline: daily
params:
  day: {{type: int, default: 1}}
notify:
  - {{on: succeeded, command: [sh, -c, 'echo $PHASELINE_RUN >> {}']}}
understanding: {{steps: {{only: {{run: 'echo ${{{{ params.day }}}}', cache: false}}}}}}
",
        told.display()
    )
}

fn project() -> Project {
    let project = Project::new();
    project.write("pipelines/daily.yaml", daily(&project));
    project
}

async fn runs(daemon: &Daemon) -> Vec<Value> {
    let (_, listed) = daemon.ask(Method::GET, "/api/v1/runs", None).await;
    listed["items"].as_array().unwrap().clone()
}

async fn killed(daemon: &mut Daemon, project: &Project) {
    daemon.ends().await;
    assert!(has_fired(project), "the daemon ended by itself: {}", log_of(project));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_with_a_key_that_is_killed_before_its_answer_is_kept_makes_one_run() {
    let project = project();
    let mut daemon = Daemon::start_armed(&project, "api.before_answer_kept:1:kill");
    let ask = |daemon: &Daemon| {
        let request = daemon.admin(Method::POST, "/api/v1/pipelines/daily/runs");
        request.header("idempotency-key", "nightly").header("content-type", "application/json").body("{}")
    };
    assert!(ask(&daemon).send().await.is_err(), "there was an answer");
    killed(&mut daemon, &project).await;
    let next = Daemon::start(&project);
    let before = runs(&next).await;
    assert_eq!(before.len(), 1, "{before:?}");
    let answer = ask(&next).send().await.unwrap();
    let status = answer.status().as_u16();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((status, &answer["run"]), (200, &before[0]["run"]), "{answer}");
    assert_eq!(runs(&next).await.len(), 1);
    until_state(&next, answer["run"].as_str().unwrap(), "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_told_at_least_once_although_the_daemon_is_killed_while_it_notifies() {
    let project = project();
    let told = || fs::read_to_string(project.path().join("told")).unwrap_or_default();
    // The first commit of a daemon says where it begins to read.
    for (fault, expected) in [("notify.before_commit:2:kill", 1), ("notify.before_mark:1:kill", 2)] {
        let mut daemon = Daemon::start_armed(&project, fault);
        let run = submit(&daemon, "daily").await;
        killed(&mut daemon, &project).await;
        // A try that nobody ended counts as abandoned after half a minute.
        let url = StoreUrl::in_state_folder(&project.path().join(".phaseline"));
        write(&url, "update deliveries set due_ms = 0 where state = 'waiting'").await;
        let next = Daemon::start(&project);
        until_state(&next, &run, "succeeded").await;
        let store = store_of(&project).await;
        until("the notification to be delivered", async || {
            let delivered = store.deliveries("delivered", 10).await.unwrap();
            delivered.iter().any(|delivery| delivery.run == run).then_some(())
        })
        .await;
        let times = told().lines().filter(|line| **line == run).count();
        assert_eq!(times, expected, "{fault}: {}", told());
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_not_committed_asks_nothing_and_can_be_asked_again() {
    let project = project();
    let run = project.run(&["submit", "pipelines/daily.yaml"]).expect(0).stdout().trim().to_owned();
    let mut command = project.command(&["cancel", &run]);
    arm(&mut command, &project, "ask.before_commit:1:kill");
    assert!(!command.output().unwrap().status.success() && has_fired(&project));
    let store = store_of(&project).await;
    assert_eq!(store.requests_of(run.parse().unwrap()).await.unwrap(), []);
    project.run(&["cancel", &run]).expect(0);
    let daemon = Daemon::start(&project);
    until_state(&daemon, &run, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_whose_daemon_is_killed_goes_on_with_the_next_one_and_makes_each_run_once() {
    for fault in ["backfill.before_commit:2:kill", "backfill.after_commit:2:kill"] {
        let project = project();
        let mut daemon = Daemon::start_armed(&project, fault);
        let range = ["backfill", "daily", "--param", "day", "--range", "1..5", "--parallel", "2", "--mode", "all"];
        project.run(&range).expect(0);
        killed(&mut daemon, &project).await;
        let next = Daemon::start(&project);
        until("the end of the backfill", async || {
            let (_, listed) = next.ask(Method::GET, "/api/v1/backfills", None).await;
            (listed["items"][0]["state"] == "done").then_some(())
        })
        .await;
        let runs = runs(&next).await;
        let mut days = BTreeSet::new();
        for run in &runs {
            let run = shown(&next, run["run"].as_str().unwrap()).await;
            assert_eq!(run["state"], "succeeded", "{run}");
            days.insert(run["params"]["day"].as_str().unwrap().to_owned());
        }
        assert_eq!((runs.len(), days.len()), (5, 5), "{fault}: {days:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_makes_no_sense_is_put_aside_by_the_next_daemon_if_the_first_is_killed_over_it() {
    let project = project();
    let run = project.run(&["submit", "pipelines/daily.yaml"]).expect(0).stdout().trim().to_owned();
    let url = StoreUrl::in_state_folder(&project.path().join(".phaseline"));
    write(&url, &format!("update run_definitions set plan = '[]' where run_id = '{run}'")).await;
    let mut daemon = Daemon::start_armed(&project, "quarantine.before_commit:1:kill");
    killed(&mut daemon, &project).await;
    let next = Daemon::start(&project);
    until("the run to be put aside", async || {
        shown(&next, &run).await["parked"].as_str().filter(|why| why.starts_with("quarantined: ")).map(drop)
    })
    .await;
    let good = submit(&next, "daily").await;
    until_state(&next, &good, "succeeded").await;
}
