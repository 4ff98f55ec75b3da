//! What is asked of the state as a whole, of garbage, pools, triggers and the audit log: the same text here and at a daemon.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::harness::daemon::Daemon;
use crate::harness::project::{Ended, Project};
use crate::retention::{age, walk};

const NUMBERS: &str = "version: 1
pipeline: numbers
data_engineering:
  steps:
    one: {run: 'echo one > \"$PHASELINE_OUTPUT_TEXT\"', outputs: {text: file}}
";

const HOOKED: &str = "version: 1
pipeline: hooked
triggers:
  hook: {webhook: token}
  yearly: {cron: '0 3 1 1 *'}
data_engineering:
  steps:
    load: {run: echo 1}
";

/// A project with a daemon.
struct Both {
    project: Project,
    daemon: Daemon,
}

impl Both {
    fn start(project: Project) -> Both {
        let daemon = Daemon::start(&project);
        Both { project, daemon }
    }

    fn here(&self, arguments: &[&str]) -> Ended {
        self.project.run(arguments)
    }

    fn there(&self, arguments: &[&str]) -> Ended {
        self.project.run(&[&["--server", self.daemon.address()], arguments].concat())
    }

    /// What is printed here and at the daemon, which must be the same.
    #[track_caller]
    fn same(&self, arguments: &[&str], code: i32) -> String {
        let [here, there] = [self.here(arguments), self.there(arguments)].map(|ended| ended.expect(code));
        assert_eq!((here.stdout(), here.stderr()), (there.stdout(), there.stderr()), "{arguments:?}");
        here.stdout() + &here.stderr()
    }
}

/// A project whose one artifact was made long ago, and that nothing keeps.
fn with_garbage() -> Project {
    let project = Project::new();
    project.write("pipelines/numbers.yaml", NUMBERS);
    project.run(&["run", "pipelines/numbers.yaml"]).expect(0);
    age(&project.path().join(".phaseline/phaseline.db"), "2026-01-01T00:00:00.000000Z");
    for blob in blobs(&project) {
        File::open(&blob).unwrap().set_modified(SystemTime::now() - Duration::from_hours(24)).unwrap();
    }
    project
}

fn blobs(project: &Project) -> Vec<std::path::PathBuf> {
    walk(&project.path().join(".phaseline/artifacts/blobs"))
}

#[test]
fn garbage_is_shown_pinned_and_freed_alike() {
    const GC: [&str; 7] = ["gc", "--max-size", "1B", "--keep-last", "0", "--grace", "1s"];
    let both = Both::start(with_garbage());
    let told = both.same(&GC, 0);
    assert!(told.contains("may go") && told.contains("would free 1 artifacts (4 B)"), "{told}");
    assert!(told.contains("nothing was changed"), "{told}");
    let document: Value = serde_json::from_str(&both.same(&[&GC[..], &["--json"]].concat(), 0)).unwrap();
    assert_eq!(
        (&document["applied"], &document["free_bytes"], &document["freed"]),
        (&false.into(), &4.into(), &Value::Null)
    );
    let digest = document["free"][0]["digest"].as_str().unwrap();
    assert!(both.same(&["gc", "--older-than", "soon"], 2).contains("`older_than` must be a time, not `soon`"));

    assert!(both.same(&["gc", "pin", digest, "--reason", " "], 2).contains("a pin needs a reason"));
    both.same(&["gc", "pin", "ffffffffffff", "--reason", "kept"], 2);
    both.same(&["gc", "unpin", "ffffffffffff"], 2);
    both.same(&["gc", "pin", &digest[..12], "--reason", "kept for the audit"], 0);
    assert!(both.same(&["gc", "pins"], 0).contains("kept for the audit"));
    assert!(both.same(&["gc", "pins", "--json"], 0).contains(digest));
    assert!(both.same(&GC, 0).contains("kept for the audit"));
    assert!(both.there(&["gc", "unpin", digest]).expect(0).stdout().contains("is pinned no more"));
    assert!(both.same(&["gc", "unpin", digest], 0).contains("was not pinned"));

    // Nothing was done for long, or somebody has set the clock.
    for refused in [both.here(&[&GC[..], &["--apply"]].concat()), both.there(&[&GC[..], &["--apply"]].concat())] {
        let told = refused.expect(2).stderr();
        assert!(
            told.contains("nothing is freed, since the clock went from") && told.contains("--trust-clock"),
            "{told}"
        );
    }
    assert_eq!(blobs(&both.project).len(), 1);
    let freed = both.there(&[&GC[..], &["--apply", "--trust-clock"]].concat()).expect(0).stdout();
    assert!(freed.contains("freed 1 artifacts (4 B)"), "{freed}");
    assert!(blobs(&both.project).is_empty());
    assert!(both.same(&GC, 0).contains("would free 0 artifacts"));

    let audit = both.here(&["audit", "--json"]).expect(0).json();
    let done = audit.as_array().unwrap().iter().find(|row| row["detail"] == "1 artifacts, 4 bytes");
    assert!(done.is_some_and(|row| row["action"] == "POST /api/v1/gc" && row["outcome"] == "200"), "{audit}");
}

#[test]
fn pools_are_set_and_listed_alike() {
    let both = Both::start(Project::new());
    assert!(both.same(&["pools"], 0).contains("no pool is set"));
    assert_eq!(both.same(&["pools", "set", "gpu", "2"], 0), "pool `gpu` has 2 slots now\n");
    assert!(both.same(&["pools"], 0).contains("gpu       2     0"));
    let document: Value = serde_json::from_str(&both.same(&["pools", "--json"], 0)).unwrap();
    assert_eq!(document, serde_json::json!([{"pool": "gpu", "slots": 2, "used": 0, "by": [], "waiting": []}]));
    assert!(both.same(&["pools", "set", "Gpu", "2"], 2).contains("`Gpu` is not the name of a pool"));
    assert!(both.same(&["pools", "set", "gpu", "20000"], 2).contains("at most 10000 slots"));
}

#[test]
fn who_has_a_pool_and_who_waits_is_told_alike() {
    let project = Project::new();
    let gate = project.path().join("go");
    let step =
        format!("{{run: 'while ! test -e {}; do sleep 0.02; done', pool: narrow, cache: false}}", gate.display());
    project.write(
        "pipelines/pooled.yaml",
        format!("version: 1\npipeline: pooled\ndata_engineering:\n  steps:\n    one: {step}\n    two: {step}\n"),
    );
    let both = Both::start(project);
    both.there(&["submit", "pooled"]).expect(0);
    both.project.until("one step to wait", |_| {
        let pools = both.there(&["pools", "--json"]).expect(0).json();
        (pools[0]["used"] == 1 && pools[0]["waiting"].as_array()?.len() == 1).then_some(())
    });
    let told = both.same(&["pools"], 0);
    assert!(told.contains("one of run_") && told.contains("two of run_"), "{told}");
    let document: Value = serde_json::from_str(&both.same(&["pools", "--json"], 0)).unwrap();
    assert_eq!(document[0]["by"][0]["slots"], 1);
    assert!(document[0]["waiting"][0]["because"].as_str().unwrap().starts_with("pool `narrow` is full"), "{document}");
    both.project.write("go", "");
}

#[test]
fn triggers_are_listed_fired_and_held_back_alike() {
    let project = Project::new();
    project.write("pipelines/hooked.yaml", HOOKED);
    project.write("pipelines/numbers.yaml", NUMBERS);
    let both = Both::start(project);
    both.project.until("the next time", |_| {
        both.here(&["triggers"]).expect(0).stdout().contains("-01-01 03:00:00").then_some(())
    });
    assert!(both.same(&["triggers"], 0).contains("hooked.yearly  cron"));
    assert_eq!(both.same(&["triggers", "hooked"], 0), both.same(&["triggers"], 0));
    assert!(both.same(&["triggers", "numbers"], 0).contains("no triggers"));
    assert!(both.same(&["triggers", "hoked"], 2).contains("did you mean `hooked`?"));
    assert!(
        both.same(&["triggers", "next", "pipelines/hooked.yaml", "--from", "2026-03-01T00:00:00Z"], 0)
            .contains("2027-01-01")
    );

    for trigger in ["hooked.hook", "hooked"] {
        let pause = ["triggers", "pause", trigger];
        let resume = ["triggers", "resume", trigger];
        let paused = both.there(&pause).expect(0).stdout();
        let resumed = both.here(&resume).expect(0).stdout();
        assert_eq!(both.here(&pause).expect(0).stdout(), paused);
        assert_eq!(both.there(&resume).expect(0).stdout(), resumed);
        assert_eq!((paused, resumed), (format!("{trigger} is paused\n"), format!("{trigger} fires again\n")));
    }
    assert!(both.same(&["triggers", "pause", "hooked.hok"], 2).contains("did you mean `hook`?"));
    assert!(both.same(&["triggers", "pause", "hoked"], 2).contains("did you mean `hooked`?"));

    // The same key is the same tick, whoever fires it where.
    let fire = ["triggers", "fire", "hooked.hook", "--key", "of today"];
    let first = both.there(&[&fire[..], &["--json"]].concat()).expect(0).json();
    assert_eq!((&first["tick"], &first["is_new"]), (&"manual:of today".into(), &true.into()), "{first}");
    let again: Value = serde_json::from_str(&both.same(&[&fire[..], &["--json"]].concat(), 0)).unwrap();
    assert_eq!((&again["run"], &again["is_new"]), (&first["run"], &false.into()), "{again}");
    assert!(both.same(&fire, 0).starts_with("tick manual:of today fired: run_"));
    assert!(both.same(&["triggers", "fire", "hooked.hook", "--key", ""], 2).contains("1 to 200 characters"));
    assert!(both.same(&["triggers", "fire", "hooked.hok"], 2).contains("did you mean `hook`?"));

    assert!(both.same(&["triggers", "token", "hooked.yearly"], 2).contains("is no webhook"));
    let token = both.there(&["triggers", "token", "hooked.hook"]).expect(0).stdout().trim().to_owned();
    assert!(token.starts_with("phl_"), "{token}");
    drop(both.daemon);
    for file in walk(both.project.path()) {
        let bytes = fs::read(&file).unwrap();
        let is_there = bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!is_there, "the token stands in {}", file.display());
    }
}

#[test]
fn the_audit_log_is_read_alike_and_by_admins_only() {
    let both = Both::start(Project::new());
    for slots in ["1", "2", "3"] {
        both.there(&["pools", "set", "gpu", slots]).expect(0);
        both.here(&["pools", "set", "gpu", slots]).expect(0);
    }
    let told = both.same(&["audit"], 0);
    assert!(told.contains("PUT /api/v1/pools/{pool}") && told.contains("pools set"), "{told}");
    let last: Value = serde_json::from_str(&both.same(&["audit", "-n", "2", "--since", "1h", "--json"], 0)).unwrap();
    assert_eq!((last.as_array().unwrap().len(), &last[0]["object"]), (2, &"gpu 3".into()), "{last}");
    assert!(both.same(&["audit", "--since", "1ms"], 0).contains("nothing was done"));
    both.same(&["audit", "--since", "soon"], 2);

    let with = |role: &str, arguments: &[&str], code: i32| {
        let token = both.here(&["token", "create", "--role", role, "--name", role]).expect(0).stdout();
        let mut command = both.project.command(&[&["--server", both.daemon.address()], arguments].concat());
        Ended(command.env("PHASELINE_TOKEN", token.trim()).output().unwrap()).expect(code).stderr()
    };
    for arguments in [
        &["audit"][..],
        &["gc"],
        &["gc", "pin", "ffffffffffff", "--reason", "kept"],
        &["gc", "unpin", "ffffffffffff"],
        &["pools", "set", "gpu", "4"],
        &["triggers", "token", "hooked.hook"],
    ] {
        let refused = with("operator", arguments, 2);
        assert!(refused.contains("does not allow") && refused.contains("role admin"), "{arguments:?}: {refused}");
    }
    for arguments in [&["gc", "pins"][..], &["pools"], &["triggers"]] {
        with("viewer", arguments, 0);
    }
    assert!(with("viewer", &["triggers", "fire", "hooked.hook"], 2).contains("role operator"));
}
