//! What a user sees of runs: exit codes, the JSON document, reuse, interruption and resumption.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::project::{Ended, Project};

const TWO_STEPS: &str = r#"
version: 1
pipeline: demo
params:
  word: {type: string, default: hello}
data_engineering:
  steps:
    first: {run: 'echo ran >> first.log; printf "${{ params.word }}" > "$PHASELINE_OUTPUT_TEXT"', outputs: {text: file}}
    second:
      run: 'echo ran >> second.log; wc -c < "$PHASELINE_INPUT_TEXT" > "$PHASELINE_OUTPUT_LENGTH"'
      inputs: {text: first.text}
      outputs: {length: file}
"#;

fn lines(project: &Project, file: &str) -> usize {
    fs::read_to_string(project.path().join(file)).unwrap_or_default().lines().count()
}

#[test]
fn a_run_succeeds_and_its_document_tells_everything() {
    let project = Project::with_manifest(TWO_STEPS);
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
    let document = ended.json();
    assert_eq!(document["outcome"], "succeeded");
    assert_eq!(document["pipeline"], "demo");
    assert!(document["run"].as_str().unwrap().starts_with("run_"));
    let first = &document["steps"]["first"];
    assert_eq!((&first["state"], &first["attempts"]), (&"succeeded".into(), &1.into()));
    assert_eq!((&first["outputs"]["text"]["kind"], &first["outputs"]["text"]["bytes"]), (&"file".into(), &5.into()));
    assert_eq!(first["outputs"]["text"]["digest"].as_str().unwrap().len(), 64);
    assert!(first["error"].is_null());
}

#[test]
fn a_second_run_reuses_everything_and_runs_nothing() {
    let project = Project::with_manifest(TWO_STEPS);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let again = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
    assert_eq!((again.state("first"), again.state("second")), ("reused".to_owned(), "reused".to_owned()));
    assert_eq!((lines(&project, "first.log"), lines(&project, "second.log")), (1, 1));
}

#[test]
fn a_changed_param_runs_what_reads_it_and_stops_where_bytes_are_equal() {
    let project = Project::with_manifest(TWO_STEPS);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    // Another word of equal length: `second` runs, since its input's bytes differ.
    let changed = project.run(&["run", "pipeline.yaml", "--set", "word=world", "--json"]).expect(0);
    assert_eq!((changed.state("first"), changed.state("second")), ("succeeded".to_owned(), "succeeded".to_owned()));
    // Refreshing `first` gives the same bytes, so what comes after it stays cached.
    let refreshed =
        project.run(&["run", "pipeline.yaml", "--set", "word=world", "--refresh", "first", "--json"]).expect(0);
    assert_eq!((refreshed.state("first"), refreshed.state("second")), ("succeeded".to_owned(), "reused".to_owned()));
}

#[test]
fn a_failed_step_ends_with_code_1_and_skips_what_needs_it() {
    let project = Project::with_manifest(&TWO_STEPS.replace("echo ran >> first.log;", "echo no disk >&2; exit 3;"));
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(1);
    let document = ended.json();
    assert_eq!(document["outcome"], "failed");
    assert_eq!((ended.state("first"), ended.state("second")), ("failed".to_owned(), "skipped".to_owned()));
    let error = &document["steps"]["first"]["error"];
    assert_eq!((&error["code"], &error["fault"]), (&"command_failed".into(), &"input".into()));
    assert!(error["message"].as_str().unwrap().contains("no disk"));
    let log = project.run(&["logs", "latest", "first"]).expect(0);
    assert!(log.stdout().contains("no disk"), "{}", log.stdout());
}

#[test]
fn a_wrong_manifest_ends_with_code_2_and_starts_nothing() {
    let project =
        Project::with_manifest(&TWO_STEPS.replace("inputs: {text: first.text}", "inputs: {text: frist.text}"));
    let ended = project.run(&["run", "pipeline.yaml"]).expect(2);
    assert!(ended.stderr().contains("frist") && ended.stderr().contains("first"), "{}", ended.stderr());
    assert_eq!(lines(&project, "first.log"), 0);
    project.run(&["run", "absent.yaml"]).expect(2);
    project.run(&["run", "pipeline.yaml", "--no-such-flag"]).expect(2);
}

#[test]
fn a_rejected_gate_ends_with_code_3_and_later_phases_never_start() {
    let manifest = r#"
version: 1
pipeline: gated
understanding:
  steps:
    measure: {run: 'echo "{\"metric\": {\"name\": \"failed\", \"value\": 2}}" >> "$PHASELINE_EVENTS"'}
  gates:
    contract: {check: steps.measure.metrics.failed == 0}
data_engineering:
  steps:
    later: {run: echo ran >> later.log}
"#;
    let project = Project::with_manifest(manifest);
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(3);
    let document = ended.json();
    assert_eq!(
        (&document["outcome"], &document["gates"]["contract"]["verdict"]),
        (&"rejected".into(), &"failed".into())
    );
    assert_eq!(document["gates"]["contract"]["evidence"]["steps.measure.metrics.failed"], 2.0);
    assert_eq!((ended.state("later"), lines(&project, "later.log")), ("skipped".to_owned(), 0));
}

#[test]
fn a_temporary_failure_is_tried_again() {
    let manifest = r"
version: 1
pipeline: flaky
data_engineering:
  steps:
    flaky:
      run: 'echo ran >> tries.log; test $(wc -l < tries.log) -ge 3 || exit 75'
      retry: {attempts: 3, initial: 10ms}
";
    let project = Project::with_manifest(manifest);
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
    assert_eq!(ended.json()["steps"]["flaky"]["attempts"], 3);
}

#[test]
fn a_timeout_ends_the_command_with_its_children() {
    let manifest = r"
version: 1
pipeline: slow
data_engineering:
  steps:
    slow: {run: 'sleep 600 & echo $! > child; wait', timeout: 300ms}
";
    let project = Project::with_manifest(manifest);
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(1);
    assert_eq!(ended.json()["steps"]["slow"]["error"]["code"], "timeout");
    assert!(!is_alive(&project.path().join("child")));
}

fn is_alive(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z")
}

const WAITS: &str = r"
version: 1
pipeline: waits
data_engineering:
  steps:
    before: {run: echo ran >> before.log}
    waits:
      run: 'echo $$ > waiting; while [ ! -e go ]; do sleep 0.02; done; echo ran >> waits.log'
      needs: [before]
    after: {run: echo ran >> after.log, needs: [waits]}
";

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

fn run_id(project: &Project) -> String {
    let runs = project.run(&["runs", "--json"]).expect(0).json();
    let newest = runs.as_array().or_else(|| runs["runs"].as_array()).unwrap()[0].clone();
    newest["run"].as_str().or_else(|| newest["run_id"].as_str()).unwrap().to_owned()
}

#[test]
fn ctrl_c_cancels_at_once_and_the_run_can_be_resumed() {
    let project = Project::with_manifest(WAITS);
    let child = project.start(&["run", "pipeline.yaml", "--json"]);
    project.until("the step to wait", |path| path.join("waiting").exists().then_some(()));
    signal(child.id(), "-INT");
    let ended = Ended(child.wait_with_output().unwrap()).expect(130);
    assert_eq!(ended.json()["outcome"], "cancelled");
    assert_eq!((ended.state("before"), ended.state("waits")), ("succeeded".to_owned(), "cancelled".to_owned()));
    assert!(!is_alive(&project.path().join("waiting")));
    project.write("go", "");
    let run = ended.json()["run"].as_str().unwrap().to_owned();
    let resumed = project.run(&["resume", &run, "--json"]).expect(0);
    assert_eq!(resumed.json()["outcome"], "succeeded");
    assert_eq!((lines(&project, "before.log"), lines(&project, "waits.log"), lines(&project, "after.log")), (1, 1, 1));
}

#[test]
fn after_kill_9_a_running_attempt_is_adopted_and_nothing_runs_twice() {
    let project = Project::with_manifest(WAITS);
    let mut child = project.start(&["run", "pipeline.yaml"]);
    project.until("the step to wait", |path| {
        let pid = std::fs::read_to_string(path.join("waiting")).ok()?;
        pid.ends_with('\n').then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_alive(&project.path().join("waiting")), "the attempt goes on without its engine");
    let run = run_id(&project);
    project.write("go", "");
    let resumed = project.run(&["resume", &run, "--json"]).expect(0);
    assert_eq!(resumed.json()["outcome"], "succeeded");
    assert_eq!((lines(&project, "before.log"), lines(&project, "waits.log"), lines(&project, "after.log")), (1, 1, 1));
}

#[test]
fn two_runs_at_once_on_one_state_folder_compute_a_step_once() {
    let manifest = r#"
version: 1
pipeline: shared
data_engineering:
  steps:
    slow: {run: 'echo ran >> slow.log; sleep 0.3; echo x > "$PHASELINE_OUTPUT_X"', outputs: {x: file}}
"#;
    let project = Project::with_manifest(manifest);
    let both = [project.start(&["run", "pipeline.yaml", "--json"]), project.start(&["run", "pipeline.yaml", "--json"])];
    let states: Vec<String> =
        both.into_iter().map(|child| Ended(child.wait_with_output().unwrap()).expect(0).state("slow")).collect();
    assert!(states.contains(&"succeeded".to_owned()) && states.contains(&"reused".to_owned()), "{states:?}");
    assert_eq!(lines(&project, "slow.log"), 1);
}

#[test]
fn a_truncated_artifact_is_made_again() {
    let project = Project::with_manifest(TWO_STEPS);
    let first = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    let digest = first["steps"]["first"]["outputs"]["text"]["digest"].as_str().unwrap().to_owned();
    let blob = project.path().join(".phaseline/artifacts/blobs").join(&digest[..2]).join(&digest);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "x").unwrap();
    let again = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
    assert_eq!(again.state("first"), "succeeded");
    assert_eq!(fs::read_to_string(&blob).unwrap(), "hello");
}

#[test]
fn an_artifact_that_was_tampered_with_is_found_and_healed() {
    let project = Project::with_manifest(TWO_STEPS);
    let first = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
    let digest = first["steps"]["first"]["outputs"]["text"]["digest"].as_str().unwrap().to_owned();
    let blob = project.path().join(".phaseline/artifacts/blobs").join(&digest[..2]).join(&digest);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "hullo").unwrap();
    let again = project.run(&["run", "pipeline.yaml", "--refresh", "second", "--json"]).expect(0);
    assert_eq!(again.state("second"), "succeeded");
    assert_eq!(fs::read_to_string(&blob).unwrap(), "hello");
}

#[test]
fn a_secret_reaches_the_command_and_nothing_that_is_kept() {
    let manifest = r#"
version: 1
pipeline: secretive
data_engineering:
  steps:
    login: {run: 'printf "%s" "$TOKEN" | wc -c > "$PHASELINE_OUTPUT_LENGTH"', outputs: {length: file}, secrets: [TOKEN]}
"#;
    let missing = Project::with_manifest(manifest).run(&["run", "pipeline.yaml", "--json"]).expect(1);
    assert_eq!(missing.json()["steps"]["login"]["error"]["code"], "secret_missing");
    let project = Project::with_manifest(manifest);
    let elsewhere = Project::new();
    let file = elsewhere.write("token", "planted-4711\n");
    let project = project.env("TOKEN_FILE", file.to_str().unwrap());
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let kept = Command::new("grep").args(["-r", "planted-4711"]).current_dir(project.path()).output().unwrap();
    assert!(kept.stdout.is_empty(), "{}", String::from_utf8_lossy(&kept.stdout));
}
