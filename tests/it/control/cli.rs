//! The commands that ask something of runs and pipelines, each here and at a daemon, with the same expectations.

use serde_json::Value;

use crate::harness::daemon::Daemon;
use crate::harness::project::{Ended, Project};

const MANIFEST: &str = "version: 1
pipeline: daily
params:
  day: {type: string, default: '2026-01-01'}
  rows: {type: int, default: 3, min: 1}
  fail: {type: bool, default: false}
data_engineering:
  steps:
    load:
      run: 'echo ${{ params.day }} ${{ params.rows }}; test ${{ params.fail }} = false'
";

const ASKING: &str = "version: 1
pipeline: asking
data_engineering:
  steps:
    sign_off: {uses: approval, with: {message: May it go on?}}
";

fn project() -> Project {
    let project = Project::new();
    project.write("pipelines/daily.yaml", MANIFEST);
    project.write("pipelines/asking.yaml", ASKING);
    project
}

/// One way to ask a daemon: through the state folder, or over HTTP.
struct Way<'project> {
    project: &'project Project,
    server: Option<String>,
}

impl Way<'_> {
    fn run(&self, arguments: &[&str]) -> Ended {
        let server: Vec<&str> = self.server.iter().flat_map(|server| ["--server", server]).collect();
        self.project.run(&[&server, arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect(0).json()
    }
}

/// Does the same here and at a daemon.
fn both_ways(check: impl Fn(&Way)) {
    let project = project();
    let daemon = Daemon::start(&project);
    check(&Way { project: &project, server: None });
    check(&Way { project: &project, server: Some(daemon.address().to_owned()) });
}

#[test]
fn a_run_is_submitted_followed_listed_and_repeated_alike_here_and_at_a_daemon() {
    both_ways(|way| {
        let place = way.server.as_deref().unwrap_or("here");
        let ended = way.json(&["submit", "daily", "--set", "rows=5", "--set", &format!("day={place}"), "--wait"]);
        assert_eq!((&ended["state"], &ended["is_new"]), (&"succeeded".into(), &true.into()), "{ended}");
        let run = ended["run"].as_str().unwrap();
        assert!(way.run(&["logs", run, "load"]).expect(0).stdout().contains(&format!("{place} 5")));
        assert!(
            way.run(&["logs", &run[..run.len() - 2], "load", "-f", "--attempt", "1"])
                .expect(0)
                .stdout()
                .contains(place)
        );
        assert_eq!(way.json(&["show", "latest"])["run"], run);
        assert_eq!(way.json(&["runs", "--pipeline", "daily", "-n", "1"])[0]["run"], run);
        assert!(way.run(&["show", run]).expect(0).stdout().contains("rows=5"));

        let again = way.json(&["rerun", run, "--refresh", "load", "--wait"]);
        assert_eq!((&again["state"], &again["rerun_of"]), (&"succeeded".into(), &run.into()), "{again}");
        way.run(&["rerun", run, "--set", "fail=true", "--wait"]).expect(1);

        let key = format!("nightly-{}", place.len());
        let first = way.json(&["submit", "daily", "--idempotency-key", &key]);
        let second = way.json(&["submit", "daily", "--idempotency-key", &key]);
        assert_eq!((&first["run"], &first["is_new"], &second["is_new"]), (&second["run"], &true.into(), &false.into()));

        let names: Vec<Value> = way.json(&["pipelines"]).as_array().unwrap().clone();
        assert_eq!(names.iter().map(|it| &it["pipeline"]).collect::<Vec<_>>(), ["asking", "daily"]);
    });
}

#[test]
fn a_run_that_waits_is_listed_approved_rejected_and_cancelled_alike() {
    both_ways(|way| {
        for (word, code) in [("approve", 0), ("reject", 3)] {
            let parked = way.run(&["submit", "asking", "--wait", "--json"]).expect(4).json();
            let run = parked["run"].as_str().unwrap();
            let waiting = way.json(&["approvals"]);
            assert_eq!((&waiting[0]["run_id"], &waiting[0]["subject"]), (&run.into(), &"sign_off".into()));
            let refused = way.run(&[word, run, "sign_of", "--reason", "x"]).expect(2).stderr();
            assert!(refused.contains("has no gate or step `sign_of`"), "{refused}");
            assert!(refused.contains("did you mean `sign_off`?"), "{refused}");
            let refused = way.run(&["waive", run, "sign_off", "--reason", "x"]).expect(2).stderr();
            assert!(refused.contains("only a gate can be waived"), "{refused}");
            let told = way.json(&[word, run, "sign_off", "--reason", "looked at it"]);
            assert!(told["outcome"].as_str().unwrap().contains("sign_off"), "{told}");
            way.project.until("the end", |_| way.json(&["show", run])["finished_at"].is_string().then_some(()));
            let refused = way.run(&["cancel", run]).expect(2).stderr();
            assert!(refused.contains("has ended"), "{code}: {refused}");
        }
        let run = way.run(&["submit", "asking"]).expect(0).stdout().trim().to_owned();
        let told = way.json(&["cancel", &run, "--reason", "not now"]);
        assert_eq!(told["outcome"], "the run is being cancelled");
        way.project.until("no question", |_| (way.json(&["approvals"]) == Value::Array(vec![])).then_some(()));
    });
}

#[test]
fn runs_and_pipelines_are_paused_and_resumed_alike_and_refusals_have_the_same_words() {
    both_ways(|way| {
        let run =
            way.run(&["submit", "asking", "--wait", "--json"]).expect(4).json()["run"].as_str().unwrap().to_owned();
        let told = way.json(&["pause", &run, "--reason", "wait"]);
        assert!(told["outcome"].as_str().unwrap().contains("is paused"), "{told}");
        let told = way.json(&["resume", &run]);
        assert_eq!(told["outcome"], "the run goes on");
        way.run(&["cancel", &run]).expect(0);
        assert_eq!(way.json(&["pause", "daily"])["is_paused"], true);
        let refused = way.run(&["pause", "daily"]).expect(2).stderr();
        assert!(refused.contains("`daily` is paused already"), "{refused}");
        assert_eq!(way.json(&["resume", "daily"])["is_paused"], false);

        let refused = |arguments: &[&str]| way.run(arguments).expect(2).stderr();
        assert!(refused(&["submit", "dialy"]).contains("did you mean `daily`?"));
        assert!(refused(&["submit", "daily", "--set", "row=1"]).contains("did you mean `rows`?"));
        assert!(refused(&["submit", "daily", "--set", "rows=0"]).contains("must be at least 1"));
        assert!(refused(&["show", "run_00"]).contains("there is no run `run_00`"));
        assert!(refused(&["pause", "nothing"]).contains("`nothing`"));
        assert!(refused(&["logs", &run, "load"]).contains("has no step `load`"));
    });
}

#[test]
fn without_a_daemon_a_run_is_recorded_and_driven_here_when_somebody_asks() {
    let project = project();
    let submitted = project.run(&["submit", "pipelines/asking.yaml"]).expect(0);
    let run = submitted.stdout().trim().to_owned();
    assert!(submitted.stderr().contains("no daemon works on this state"), "{}", submitted.stderr());
    let cancelled = project.run(&["cancel", &run]).expect(0).stdout();
    assert!(cancelled.contains("no daemon is there"), "{cancelled}");
    project.run(&["resume", &run]).expect(130);

    let parked = project.run(&["submit", "pipelines/asking.yaml", "--wait", "--json"]).expect(4).json();
    let run = parked["run"].as_str().unwrap();
    let told = project.run(&["approve", run, "sign_off", "--reason", "fine"]).expect(0).stdout();
    assert!(told.contains(&format!("phaseline resume {run}")), "{told}");
    project.run(&["resume", run]).expect(0);
    project.run(&["submit", "pipelines/daily.yaml", "--set", "fail=true", "--wait"]).expect(1);

    let audit = project.run(&["audit", "--json"]).expect(0).json();
    let did: Vec<&str> = audit.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(did, ["submit", "resume", "approve", "submit", "resume", "cancel", "submit"]);
}

#[test]
fn a_server_that_is_not_there_or_does_not_know_the_token_is_told_with_a_remedy() {
    let project = project();
    let gone = project.run(&["--server", "http://127.0.0.1:9", "runs"]).expect(1).stderr();
    assert!(gone.contains("no daemon answers at http://127.0.0.1:9") && gone.contains("help:"), "{gone}");
    let bad = project.run(&["--server", "nowhere", "runs"]).expect(2).stderr();
    assert!(bad.contains("is not the URL of a daemon"), "{bad}");
    let local = project.run(&["--server", "http://127.0.0.1:9", "sql", "select 1"]).expect(2).stderr();
    assert!(local.contains("the state of this machine only"), "{local}");
    let daemon = Daemon::start(&project);
    project.write("token", "phl_wrong\n");
    let refused = project.run(&["--server", daemon.address(), "--token-file", "token", "runs"]).expect(2).stderr();
    assert!(refused.contains("PHASELINE_TOKEN"), "{refused}");
    let file = project.run(&["--server", daemon.address(), "submit", "pipelines/daily.yaml"]).expect(2).stderr();
    assert!(file.contains("takes no files"), "{file}");
}

#[test]
fn a_backfill_is_planned_started_listed_and_cancelled_alike() {
    both_ways(|way| {
        let backfill = ["backfill", "daily", "--param", "day", "--range", "2026-01-01..2026-12-31", "--mode", "all"];
        let plan = way.json(&[&backfill[..], &["--dry-run", "--set", "rows=4"]].concat());
        assert_eq!((&plan["backfill"], plan["values"].as_array().unwrap().len()), (&Value::Null, 365), "{plan}");
        let wrong = way.run(&[&backfill[..], &["--set", "rows=none"]].concat()).expect(2).stderr();
        assert!(wrong.contains("rows"), "{wrong}");
        let unknown = way.run(&["backfill", "dailly", "--param", "day", "--range", "a,b"]).expect(2).stderr();
        assert!(unknown.contains("did you mean `daily`?"), "{unknown}");
        let started = way.json(&backfill);
        let id = started["backfill"].as_str().unwrap();
        let listed = way.json(&["backfills", "-n", "1"]);
        assert_eq!((&listed[0]["backfill_id"], &listed[0]["items"]), (&id.into(), &365.into()), "{listed}");
        way.run(&["pause", id]).expect(0);
        way.run(&["resume", id]).expect(0);
        assert!(way.run(&["cancel", id]).expect(0).stdout().contains("makes no more runs"));
        way.run(&["cancel", id]).expect(2);
        assert_eq!(way.json(&["backfills", "-n", "1"])[0]["state"], "cancelled");
    });
}

#[test]
fn why_is_answered_alike() {
    both_ways(|way| {
        let parked = way.run(&["submit", "asking", "--wait", "--json"]).expect(4).json();
        let run = parked["run"].as_str().unwrap();
        let told = way.json(&["why", run, "sign_off"]);
        assert_eq!((&told["reasons"][0]["code"], &told["driver"]), (&"approval".into(), &Value::Null), "{told}");
        let wrong = way.run(&["why", run, "sign_of"]).expect(2).stderr();
        assert!(wrong.contains("did you mean `sign_off`?"), "{wrong}");
    });
}

#[test]
fn whatever_changes_something_here_stands_in_the_audit_log() {
    let project = project();
    project.write(
        "pipelines/hooked.yaml",
        "version: 1\npipeline: hooked\ntriggers:\n  hook: {webhook: token}\ndata_engineering:\n  steps:\n    load: {run: echo 1}\n",
    );
    let made = "version: 1\npipeline: made\ndata_engineering:\n  steps:\n    load: {run: 'echo 1 > $PHASELINE_OUTPUT_OUT', outputs: {out: file}}\n";
    project.write("made.yaml", made);
    project.run(&["run", "made.yaml"]).expect(0);
    let shown = project.run(&["show", "latest", "--json"]).expect(0).json();
    let digest = shown["steps"][0]["outputs"][0]["digest"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned();
    let daemon = Daemon::start(&project);
    for command in [
        &["pools", "set", "db", "2"][..],
        &["triggers", "pause", "hooked.hook"],
        &["triggers", "resume", "hooked.hook"],
        &["triggers", "token", "hooked.hook"],
        &["triggers", "fire", "hooked.hook", "--key", "k"],
        &["gc", "pin", &digest, "--reason", "kept"],
        &["gc", "unpin", &digest],
        &["gc", "--apply"],
        &["backfill", "daily", "--param", "day", "--range", "a,b", "--dry-run"],
        &["gc"],
        &["doctor"],
    ] {
        project.run(command).expect(0);
    }
    project.run(&["pools", "set", "Db", "2"]).expect(2);
    drop(daemon);
    let audit = project.run(&["audit", "--json"]).expect(0).json();
    let rows: Vec<(&str, &str)> = audit
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| (row["action"].as_str().unwrap(), row["outcome"].as_str().unwrap()))
        .collect();
    let done = |action| (action, "done");
    let expected = [
        done("run"),
        done("pools set"),
        done("triggers pause"),
        done("triggers resume"),
        done("triggers token"),
        done("triggers fire"),
        done("gc pin"),
        done("gc unpin"),
        done("gc"),
        ("pools set", "refused bad_name"),
    ];
    assert_eq!(rows, expected);
}
