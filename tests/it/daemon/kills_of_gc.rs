//! `gc` that is killed in the middle: what anybody needs stays, and the next one does the rest.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use phaseline::store::StoreUrl;
use serde_json::Value;

use crate::harness::daemon::{arm, has_fired};
use crate::harness::databases::write;
use crate::harness::postgres::Cluster;
use crate::harness::project::Project;

/// A step that all runs share, and one that differs with the salt.
const MANIFEST: &str = "
version: 1
pipeline: salted
params:
  salt: {type: string, default: none}
data_engineering:
  steps:
    shared: {run: 'echo shared > \"$PHASELINE_OUTPUT_TEXT\"', outputs: {text: file}}
    own:
      run: 'cat \"$PHASELINE_INPUT_TEXT\" > \"$PHASELINE_OUTPUT_TEXT\"; echo ${{ params.salt }} >> \"$PHASELINE_OUTPUT_TEXT\"'
      inputs: {text: shared.text}
      outputs: {text: file}
";

const GC: [&str; 9] = ["gc", "--older-than", "30d", "--keep-last", "1", "--grace", "1d", "--apply", "--json"];

fn blobs(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { blobs(&path) } else { vec![path] }).collect()
}

/// What is stored, by content.
fn contents(project: &Project) -> Vec<String> {
    let mut texts: Vec<String> = blobs(&project.path().join(".phaseline/artifacts/blobs"))
        .iter()
        .map(|blob| fs::read_to_string(blob).unwrap().replace('\n', " ").trim().to_owned())
        .collect();
    texts.sort();
    texts
}

/// Everything that was made so far was made long ago.
async fn age(project: &Project, url: &StoreUrl) {
    let long_ago = "2026-01-01T00:00:00.000000Z";
    for statement in [
        format!("update artifacts set created_at = '{long_ago}'"),
        format!("update runs set created_at = '{long_ago}'"),
    ] {
        write(url, &statement).await;
    }
    for blob in blobs(&project.path().join(".phaseline/artifacts/blobs")) {
        File::open(&blob).unwrap().set_modified(SystemTime::now() - Duration::from_hours(24 * 300)).unwrap();
    }
}

fn run(project: &Project, salt: &str) -> Value {
    project.run(&["run", "pipeline.yaml", "--set", &format!("salt={salt}"), "--json"]).expect(0).json()
}

async fn killed_at_each_point(url: Option<StoreUrl>) {
    for fault in
        ["gc.before_commit:1:kill", "gc.after_commit:1:kill", "gc.before_delete:1:kill", "gc.before_delete:2:kill"]
    {
        let project = Project::with_manifest(MANIFEST);
        let (project, url) = match &url {
            Some(url @ StoreUrl::Postgres(text)) => (project.env("PHASELINE_DATABASE_URL", text), url.clone()),
            _ => {
                let url = StoreUrl::in_state_folder(&project.path().join(".phaseline"));
                (project, url)
            }
        };
        for salt in ["a", "b", "c"] {
            run(&project, salt);
        }
        age(&project, &url).await;
        run(&project, "kept");
        assert_eq!(contents(&project), ["shared", "shared a", "shared b", "shared c", "shared kept"]);

        let mut command = project.command(&GC);
        arm(&mut command, &project, fault);
        assert!(!command.output().unwrap().status.success() && has_fired(&project), "{fault} has not fired");
        let left = contents(&project);
        for needed in ["shared", "shared kept"] {
            assert!(left.iter().any(|text| text == needed), "{fault}: {needed} is gone: {left:?}");
        }
        project.run(&GC).expect(0);
        assert_eq!(contents(&project), ["shared", "shared kept"], "{fault}");
        // What is there is found, and what went is made again.
        let again = run(&project, "kept");
        assert_eq!(again["steps"]["own"]["state"], "reused", "{fault}: {again}");
        let again = run(&project, "b");
        assert_eq!(again["steps"]["own"]["state"], "succeeded", "{fault}: {again}");
        assert_eq!(contents(&project), ["shared", "shared b", "shared kept"], "{fault}");
        if matches!(url, StoreUrl::Postgres(_)) {
            write(&url, "drop schema public cascade; create schema public").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gc_that_is_killed_loses_nothing_that_is_needed_and_the_next_one_ends_its_work_on_sqlite() {
    killed_at_each_point(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gc_that_is_killed_loses_nothing_that_is_needed_and_the_next_one_ends_its_work_on_postgres() {
    let cluster = Cluster::start().await;
    killed_at_each_point(Some(cluster.database("gc").await)).await;
}
