//! Files of manifests that are broken, doubled, deleted and put back while a daemon looks at their folder.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use super::{begun, holding, submit, until_state};
use crate::harness::daemon::{Daemon, log_of, until};
use crate::harness::project::Project;

fn saying(pipeline: &str, word: &str) -> String {
    format!("version: 1\npipeline: {pipeline}\ndata_engineering:\n  steps:\n    say:\n      run: 'echo {word}'\n")
}

async fn pipeline(daemon: &Daemon, name: &str) -> Value {
    daemon.ask(Method::GET, &format!("/api/v1/pipelines/{name}"), None).await.1
}

async fn problems(daemon: &Daemon) -> Vec<Value> {
    let (status, page) = daemon.ask(Method::GET, "/api/v1/manifest-problems", None).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

/// What the only step of a new run of a pipeline says.
async fn said(project: &Project, daemon: &Daemon, name: &str) -> String {
    let run = submit(daemon, name).await;
    until_state(daemon, &run, "succeeded").await;
    project.run(&["logs", &run, "say"]).expect(0).stdout().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_keeps_the_last_good_version_and_says_so_everywhere_until_it_is_mended() {
    let project = Project::new();
    project.write("pipelines/word.yaml", saying("word", "one"));
    let daemon = Daemon::start(&project);
    project.write("pipelines/word.yaml", saying("word", "two").replace("run:", "rum:"));
    let report =
        until("the report", async || pipeline(&daemon, "word").await["broken"].as_str().map(str::to_owned)).await;
    assert!(report.contains("word.yaml") && report.contains("rum"), "{report}");
    let kept = pipeline(&daemon, "word").await;
    assert!(kept["manifest"].as_str().unwrap().contains("echo one"), "{kept}");
    assert_eq!(said(&project, &daemon, "word").await, "one");
    for arguments in [&["pipelines"][..], &["--server", daemon.address(), "pipelines"]] {
        let listed = project.run(arguments).expect(0).stdout();
        assert!(listed.contains("its newest manifest is refused"), "{listed}");
        assert!(listed.contains("keeps its last good version") && listed.contains(report.trim_end()), "{listed}");
    }
    let log = log_of(&project);
    assert!(log.contains("its file is broken now; the last good version stays") && log.contains("rum"), "{log}");

    project.write("pipelines/word.yaml", saying("word", "three"));
    until("the mended version", async || pipeline(&daemon, "word").await["broken"].is_null().then_some(())).await;
    assert_eq!(said(&project, &daemon, "word").await, "three");
    let listed = project.run(&["pipelines"]).expect(0).stdout();
    assert!(listed.contains("good") && !listed.contains("refused"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_files_with_one_name_the_first_stays_and_the_second_is_told_of_until_it_is_alone() {
    let project = Project::new();
    project.write("pipelines/zebra.yaml", saying("word", "zebra"));
    let daemon = Daemon::start(&project);
    let second = project.write("pipelines/ape.yaml", saying("word", "ape"));
    let hopeless = project.write("pipelines/hopeless.yaml", "version: 1\npipeline: [");
    let found = until("two problems", async || Some(problems(&daemon).await).filter(|found| found.len() == 2)).await;
    let facts: Vec<_> = found.iter().map(|it| (&it["manifest_path"], &it["kind"], &it["pipeline"])).collect();
    let (ape, other) = (json!(second.to_string_lossy()), json!(hopeless.to_string_lossy()));
    assert_eq!(facts, [(&ape, &json!("duplicate"), &json!("word")), (&other, &json!("broken"), &Value::Null)]);
    let report = found[0]["report"].as_str().unwrap();
    assert!(report.contains("zebra.yaml") && report.contains("another name"), "{report}");
    assert_eq!(said(&project, &daemon, "word").await, "zebra");
    for arguments in [&["pipelines"][..], &["--server", daemon.address(), "pipelines"]] {
        let told = project.run(arguments).expect(0).stderr();
        assert!(told.contains("no pipeline is loaded from") && told.contains(report), "{told}");
        assert!(told.contains("hopeless.yaml"), "{told}");
    }
    assert!(log_of(&project).contains(report));

    fs::remove_file(project.path().join("pipelines/zebra.yaml")).unwrap();
    fs::remove_file(&hopeless).unwrap();
    until("no problem", async || problems(&daemon).await.is_empty().then_some(())).await;
    assert_eq!(said(&project, &daemon, "word").await, "ape");
    assert_eq!(project.run(&["pipelines"]).expect(0).stderr(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_retires_its_pipeline_whose_runs_go_on_until_it_is_put_back() {
    let project = Project::new();
    let path = project.write("pipelines/holding.yaml", holding(&project, "holding"));
    let daemon = Daemon::start(&project);
    let run = submit(&daemon, "holding").await;
    begun(&project, &run, "hold").await;
    fs::remove_file(&path).unwrap();
    until("its retirement", async || pipeline(&daemon, "holding").await["retired_at"].as_str().map(drop)).await;
    let (status, refused) = daemon.ask(Method::POST, "/api/v1/pipelines/holding/runs", Some(&json!({}))).await;
    assert_eq!((status, &refused["error"]["code"]), (404, &json!("no_such_pipeline")), "{refused}");
    let refused = project.run(&["submit", "holding"]).expect(2).stderr();
    assert!(refused.contains("no daemon has loaded a pipeline `holding`"), "{refused}");
    let listed = project.run(&["pipelines"]).expect(0).stdout();
    assert!(listed.contains("retired: its file is gone"), "{listed}");

    project.write("go", "");
    until_state(&daemon, &run, "succeeded").await;
    project.write("pipelines/holding.yaml", holding(&project, "holding"));
    until("its return", async || pipeline(&daemon, "holding").await["retired_at"].is_null().then_some(())).await;
    let again = submit(&daemon, "holding").await;
    until_state(&daemon, &again, "succeeded").await;
}
