//! A daemon as people use it: the program itself, asked over HTTP and by signals, with its files and its database.

mod asked;
mod ending;
mod kills;
mod kills_of_gc;
mod manifests;
mod outage;
mod sharing;
mod trouble;

use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::daemon::{Daemon, until};
use crate::harness::project::Project;

/// Submits a run of a pipeline; gives its id.
async fn submit(daemon: &Daemon, pipeline: &str) -> String {
    let path = format!("/api/v1/pipelines/{pipeline}/runs");
    let (status, answer) = daemon.ask(Method::POST, &path, Some(&json!({}))).await;
    assert_eq!(status, 201, "{answer}");
    answer["run"].as_str().unwrap().to_owned()
}

/// What a daemon tells about a run.
async fn shown(daemon: &Daemon, run: &str) -> Value {
    let (status, answer) = daemon.ask(Method::GET, &format!("/api/v1/runs/{run}"), None).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Waits until a run is in that state.
async fn until_state(daemon: &Daemon, run: &str, state: &str) -> Value {
    until(&format!("{run} to be {state}"), async || {
        let run = shown(daemon, run).await;
        (run["state"] == state).then_some(run)
    })
    .await
}

/// A pipeline of a step `hold`, which waits for the file `go` in the project's folder, and `after`, which follows it. Both
/// tell a ledger when they begin and end, and in which process.
fn holding(project: &Project, pipeline: &str) -> String {
    let folder = project.path().display();
    let step = |name: &str, work: &str| {
        format!(
            "    {name}:\n      cache: false\n      run: 'echo \"$PHASELINE_RUN {name} begin $$\" >> {folder}/ledger; {work}; \
             echo \"$PHASELINE_RUN {name} end $$\" >> {folder}/ledger'\n"
        )
    };
    let hold = step("hold", &format!("while [ ! -e {folder}/go ]; do sleep 0.05; done"));
    let after = step("after", "true").replace("after:\n", "after:\n      needs: [hold]\n");
    format!("version: 1\npipeline: {pipeline}\ndata_engineering:\n  steps:\n{hold}{after}")
}

/// The lines that steps wrote, as words: run, step, `begin` or `end`, process.
fn ledger(project: &Path) -> Vec<[String; 4]> {
    let text = fs::read_to_string(project.join("ledger")).unwrap_or_default();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into();
    text.lines().map(|line| words(line).unwrap_or_else(|line| panic!("a torn line: {line:?}"))).collect()
}

/// Waits until a step of a run has begun; gives its process.
async fn begun(project: &Project, run: &str, step: &str) -> String {
    until(&format!("{step} of {run} to begin"), async || {
        let lines = ledger(project.path());
        let begin = lines.into_iter().find(|[of, name, what, _]| of == run && name == step && what == "begin");
        begin.map(|[.., process]| process)
    })
    .await
}

/// Each step of `runs` has begun once and ended once, in the same process.
#[track_caller]
fn ran_once(project: &Project, runs: &[String], steps: &[&str]) {
    let lines = ledger(project.path());
    for run in runs {
        for step in steps {
            let told: Vec<_> = lines.iter().filter(|line| line[0] == *run && line[1] == *step).collect();
            let what: Vec<&str> = told.iter().map(|line| line[2].as_str()).collect();
            assert_eq!(what, ["begin", "end"], "{step} of {run}: {lines:?}");
            assert_eq!(told[0][3], told[1][3], "another process has ended {step} of {run}");
        }
    }
    assert_eq!(lines.len(), runs.len() * steps.len() * 2, "{lines:?}");
}
