//! The doctor finds what is wrong: rows on both databases, files and processes, by the program itself here and at a daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use chrono::{TimeDelta, Utc};
use phaseline::artifact::ArtifactStore;
use phaseline::control::doctor::{Check, Diagnosis, Level, Opened, Patient, doctor};
use phaseline::id::{AttemptId, RunId};
use phaseline::store::{NewToken, Rights, Role, Store, StoreUrl};
use phaseline::worker::{AttemptFolder, Claim};
use serde_json::Value;

use super::why::submitted;
use crate::harness::daemon::Daemon;
use crate::harness::databases::{on_both_databases, open, promises, write};
use crate::harness::project::Project;

/// What depends on the machine that the tests run on.
const OF_THE_MACHINE: [&str; 6] = ["folders", "memory", "open_files", "gpu", "program", "clock"];

fn patient(state: &Path) -> Patient {
    let artifacts = ArtifactStore::open(state.join("artifacts")).unwrap();
    Patient { state: state.to_owned(), artifacts: Ok(Some(artifacts)), is_deep: false, within: None }
}

async fn look(store: &Store, patient: &Patient) -> Diagnosis {
    doctor(Opened::Store(store), patient, Utc::now()).await
}

#[track_caller]
fn check<'diagnosis>(diagnosis: &'diagnosis Diagnosis, name: &str) -> &'diagnosis Check {
    diagnosis.checks.iter().find(|check| check.check == name).unwrap_or_else(|| panic!("no `{name}`: {diagnosis:?}"))
}

/// The only finding of a check: its level, and its place with what is the matter.
#[track_caller]
fn only(diagnosis: &Diagnosis, name: &str) -> (Level, String) {
    let check = check(diagnosis, name);
    assert_eq!(check.findings.len(), 1, "{check:?}");
    (check.level, format!("{}: {}", check.findings[0].place, check.findings[0].message))
}

fn stored(time: chrono::DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

#[test]
fn what_is_wrong_in_the_database_is_found_on_both_databases() {
    on_both_databases(promises![
        a_sound_state_has_no_findings,
        runs_that_nobody_drives_or_can_read_are_found,
        slots_requests_and_notifications_that_lead_nowhere_are_found,
        manifests_triggers_and_tokens_that_need_a_hand_are_found,
        attempts_whose_process_is_gone_and_processes_whose_attempt_is_are_found,
        tables_of_another_program_are_told_and_left_as_they_are,
    ]);
}

async fn a_sound_state_has_no_findings(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let diagnosis = look(&store, &patient(folder.path())).await;
    let is_sqlite = matches!(url, StoreUrl::Sqlite(_));
    for check in diagnosis.checks.iter().filter(|check| !OF_THE_MACHINE.contains(&check.check.as_str())) {
        if check.check == "database" && !is_sqlite {
            // The clusters of tests are set up to be fast.
            assert!(only(&diagnosis, "database").1.contains("`fsync` is off"), "{check:?}");
        } else {
            assert_eq!((check.level, check.findings.len()), (Level::Ok, 0), "{check:?}");
        }
    }
    assert_eq!(diagnosis.checks.iter().any(|check| check.check == "integrity"), is_sqlite);
    assert!(check(&diagnosis, "database").message.contains(if is_sqlite { "SQLite 3" } else { "Postgres 1" }));
}

async fn runs_that_nobody_drives_or_can_read_are_found(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let (waiting, unreadable) = (submitted(&store).await, submitted(&store).await);
    store.quarantine(unreadable, "one", "event 3 is missing").await.unwrap();
    let diagnosis = look(&store, &patient(folder.path())).await;
    let (level, told) = only(&diagnosis, "quarantine");
    assert!(level == Level::Problem && told.contains(&unreadable.to_string()) && told.contains("event 3"), "{told}");
    let (level, told) = only(&diagnosis, "leases");
    assert!(level == Level::Warning && told.contains(&waiting.to_string()) && told.contains("for a daemon"), "{told}");

    write(
        &url,
        &format!("update runs set shared = false, lease_owner = 'x', lease_expires_ms = 1 where run_id = '{waiting}'"),
    )
    .await;
    let (_, told) = only(&look(&store, &patient(folder.path())).await, "leases");
    assert!(told.contains("nobody has driven it") && told.contains("since x is gone"), "{told}");
}

async fn slots_requests_and_notifications_that_lead_nowhere_are_found(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let run = submitted(&store).await;
    let slot = |attempt: &str, run: &str| {
        format!(
            "insert into slots (attempt_id, run_id, step, host, pool, pool_slots, cpus, memory_bytes, gpus,
                gpu_memory_bytes, since_ms) values ('{attempt}', '{run}', 'load', 'alpha', 'db', 1, 1, 0, 0, 0, 1)"
        )
    };
    let [first, second] = [1, 2].map(|number| AttemptId::from_u128(number).to_string());
    write(&url, &slot(&first, "run_00000000000000000000000000000001")).await;
    write(&url, &slot(&second, &run.to_string())).await;
    let hour_ago = stored(Utc::now() - TimeDelta::hours(1));
    write(&url, &format!("insert into requests (request_id, run_id, kind, asked_by, created_at) values ('req_1', '{run}', 'cancel', 'ada', '{hour_ago}')")).await;
    write(
        &url,
        &format!(
            "insert into deliveries (delivery_id, run_id, seq, channel, pipeline, occasion, target, body, state,
                attempts, due_ms, last_error, created_at)
            values ('d', '{run}', 1, 0, 'daily', 'failed', 'webhook', '{{}}', 'given_up', 9, 1, '404', '{hour_ago}')"
        ),
    )
    .await;
    let diagnosis = look(&store, &patient(folder.path())).await;
    let slots: Vec<&str> = check(&diagnosis, "slots").findings.iter().map(|found| found.message.as_str()).collect();
    assert!(slots[0].contains("no such run") && slots[1].contains("never began"), "{slots:?}");
    assert!(only(&diagnosis, "requests").1.contains("`cancel` was asked for by ada"));
    assert!(only(&diagnosis, "notifications").1.contains("1 notification of `daily` never arrived: 404"));

    write(&url, "delete from slots").await;
    write(&url, "insert into pools (pool, slots, set_by, set_at) values ('db', 0, 'ada', '')").await;
    write(&url, &format!("update runs set lease_owner = 'x', lease_expires_ms = 9999999999999 where run_id = '{run}'"))
        .await;
    let wait = format!(
        "insert into slot_waits (run_id, step, host, pool, pool_slots, cpus, memory_bytes, gpus, gpu_memory_bytes,
            cpu_limit, priority, waits_for, since_ms, because)
        values ('{run}', 'load', 'alpha', 'db', 1, 1, 0, 0, 0, 4, 0, 'pool', 1, 'pool `db` is taken')"
    );
    write(&url, &wait).await;
    let (level, told) = only(&look(&store, &patient(folder.path())).await, "slots");
    assert!(level == Level::Warning && told.contains("it has no slots, and 1 step waits"), "{told}");
}

async fn manifests_triggers_and_tokens_that_need_a_hand_are_found(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, digest) in [("daily", "0".repeat(64)), ("damaged", "no digest".to_owned())] {
        let sql = format!(
            "insert into pipelines (pipeline, manifest_path, manifest_digest, manifest_text, loaded_at, loaded_by)
            values ('{name}', '/p/{name}.yaml', '{digest}', 'version: 9', '', 'one')"
        );
        write(&url, &sql).await;
    }
    write(
        &url,
        "insert into manifest_problems (manifest_path, kind, report, noted_at, noted_by)
        values ('/p/x.yaml', 'broken', 'error: no steps', '', 'one')",
    )
    .await;
    let long_ago = stored(Utc::now() - TimeDelta::hours(2));
    for (name, paused_at) in [("late", "null"), ("held", "'2026-01-01T00:00:00.000000Z'")] {
        let sql = format!(
            "insert into triggers (pipeline, trigger_name, kind, definition, since_ms, next_at, paused_at, paused_by)
            values ('daily', '{name}', 'cron', '{{}}', 1, '{long_ago}', {paused_at}, 'ada')"
        );
        write(&url, &sql).await;
    }
    let new = NewToken {
        name: "ci".to_owned(),
        rights: Rights::Role(Role::Viewer),
        created_by: "ada".to_owned(),
        expires_at: Some(Utc::now() + TimeDelta::days(2)),
    };
    store.create_token(new).await.unwrap();
    let diagnosis = look(&store, &patient(folder.path())).await;
    let pipelines = check(&diagnosis, "pipelines");
    let places: Vec<&str> = pipelines.findings.iter().map(|found| found.place.as_str()).collect();
    assert_eq!((pipelines.level, places), (Level::Problem, vec!["/p/x.yaml", "/p/daily.yaml", "/p/damaged.yaml"]));
    let triggers = check(&diagnosis, "triggers");
    let told: Vec<String> =
        triggers.findings.iter().map(|found| format!("{} {}", found.place, found.message)).collect();
    assert!(told[0].starts_with("daily.held it was paused by ada"), "{told:?}");
    assert!(told[1].starts_with("daily.late it was due at"), "{told:?}");
    assert!(only(&diagnosis, "tokens").1.starts_with("ci (viewer, tok_"));
}

/// A process that carries the mark of an attempt; it ends with the test.
struct Marked(Child);

impl Marked {
    fn of(attempt: AttemptId) -> Marked {
        Marked(Command::new("sleep").arg("600").env("PHASELINE_ATTEMPT", attempt.to_string()).spawn().unwrap())
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The claim of a process that is no more.
fn claimed_by_the_dead(state: &Path, run: RunId, attempt: AttemptId) {
    let folder = AttemptFolder::new(state, run, attempt);
    fs::create_dir_all(folder.path()).unwrap();
    let claim = Claim::take(&folder).unwrap();
    let dead = Claim { start_ticks: claim.start_ticks + 1, ..claim };
    fs::write(folder.claim(), serde_json::to_vec(&dead).unwrap()).unwrap();
}

async fn attempts_whose_process_is_gone_and_processes_whose_attempt_is_are_found(url: StoreUrl) {
    let store = open(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let (run, over) = (submitted(&store).await, submitted(&store).await);
    let [gone, ended, forgotten] = [(); 3].map(|()| AttemptId::generate());
    let row = async |attempt: AttemptId, run: RunId, state: &str, finished_at: &str| {
        let sql = format!(
            "insert into attempts (attempt_id, run_id, step, number, state, parts, why, started_at, finished_at)
            values ('{attempt}', '{run}', 'load', 1, '{state}', '{{}}', 'new', '', {finished_at})"
        );
        write(&url, &sql).await;
    };
    row(gone, run, "running", "null").await;
    row(ended, run, "failed", &format!("'{}'", stored(Utc::now() - TimeDelta::minutes(5)))).await;
    row(forgotten, over, "running", "null").await;
    write(&url, &format!("update runs set state = 'failed', finished_at = created_at where run_id = '{over}'")).await;
    claimed_by_the_dead(folder.path(), run, gone);
    let process = Marked::of(ended);
    let diagnosis = look(&store, &patient(folder.path())).await;
    let found = check(&diagnosis, "attempts");
    let told: Vec<String> = found.findings.iter().map(|found| format!("{}: {}", found.place, found.message)).collect();
    assert_eq!((found.level, told.len()), (Level::Problem, 3), "{told:?}");
    assert!(told[0].contains(&forgotten.to_string()) && told[0].contains("its run has ended (failed)"), "{told:?}");
    assert!(told[1].contains(&gone.to_string()) && told[1].contains("is gone without a report"), "{told:?}");
    assert!(told[2].starts_with(&format!("process {}: it belongs to attempt {ended}", process.0.id())), "{told:?}");
}

async fn tables_of_another_program_are_told_and_left_as_they_are(url: StoreUrl) {
    let folder = tempfile::tempdir().unwrap();
    open(&url).await.close().await;
    write(&url, "update _sqlx_migrations set success = false where version = 3").await;
    let store = Store::open_as_it_is(&url).await.unwrap();
    assert_eq!(only(&look(&store, &patient(folder.path())).await, "schema").0, Level::Problem);
    let checksum = if matches!(url, StoreUrl::Sqlite(_)) { "x'00'" } else { "'\\x00'" };
    write(&url, &format!("update _sqlx_migrations set success = true, checksum = {checksum} where version = 3")).await;
    let (level, told) = only(&look(&store, &patient(folder.path())).await, "schema");
    assert!(level == Level::Problem && told.contains("migration 3: when it was applied"), "{told}");
    write(&url, "delete from _sqlx_migrations where version = 3").await;
    let again = Store::open_as_it_is(&url).await.unwrap();
    for _ in 0..2 {
        let diagnosis = look(&again, &patient(folder.path())).await;
        assert!(only(&diagnosis, "schema").1.contains("they are of version 2"), "{diagnosis:?}");
        assert!(!diagnosis.checks.iter().any(|check| check.check == "leases"), "our tables may not be there");
    }
}

const MANIFEST: &str = "version: 1
pipeline: daily
data_engineering:
  steps:
    load:
      run: 'echo a,b > $PHASELINE_OUTPUT_DATA'
      outputs: {data: file}
";

fn finding<'found>(diagnosis: &'found Value, name: &str) -> &'found Value {
    let checks = diagnosis["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no `{name}`: {diagnosis}"))
}

/// The one file of a kind below a folder.
fn blob(project: &Project) -> PathBuf {
    let blobs = project.path().join(".phaseline/artifacts/blobs");
    let folders = fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path());
    let mut files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    files.next().unwrap()
}

fn overwrite(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn lost_and_changed_bytes_are_found_and_left_where_they_are() {
    let project = Project::with_manifest(MANIFEST);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let fine = project.run(&["doctor", "--deep", "--json"]).json();
    assert_eq!(finding(&fine, "artifacts")["level"], "ok", "{fine}");
    let blob = blob(&project);
    let content = fs::read(&blob).unwrap();
    let mut changed = content.clone();
    changed[0] ^= 1;
    overwrite(&blob, &changed);
    let level = |arguments: &[&str]| finding(&project.run(arguments).json(), "artifacts")["level"].clone();
    assert_eq!(level(&["doctor", "--json"]), "ok", "its size is the same");
    assert_eq!(level(&["doctor", "--deep", "--json"]), "warning");
    assert_eq!(fs::read(&blob).unwrap(), changed);
    fs::remove_file(&blob).unwrap();
    let told = project.run(&["doctor", "--json"]).json();
    assert!(finding(&told, "artifacts")["findings"][0]["message"].as_str().unwrap().contains("missing"), "{told}");
    fs::remove_dir_all(project.path().join(".phaseline/artifacts")).unwrap();
    assert_eq!(level(&["doctor", "--json"]), "problem");
    assert!(!project.path().join(".phaseline/artifacts").exists(), "nothing is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_of_the_database_is_a_problem_and_the_exit_code_says_so() {
    let project = Project::with_manifest(MANIFEST);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let file = project.path().join(".phaseline/phaseline.db");
    // The end of the file is then full of rows that nothing needs to be opened.
    let sql = "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 20000)
        insert into audit (at, who, action, outcome) select '2026', 'somebody', 'did something', 'done' from numbers";
    write(&StoreUrl::Sqlite(file.clone()), sql).await;
    let mut bytes = fs::read(&file).unwrap();
    let (page, count) = (4096, bytes.len() / 4096);
    assert!(count > 200, "{count}");
    for number in count - 20..count {
        bytes[number * page..number * page + 64].fill(0xff);
    }
    fs::write(&file, &bytes).unwrap();
    let ended = project.run(&["doctor", "--json"]).expect(1);
    assert_eq!(finding(&ended.json(), "integrity")["level"], "problem", "{}", ended.stdout());
    fs::write(&file, "this is no database, however one looks at it, and it is long enough to be sure of that").unwrap();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(project.path().join(format!(".phaseline/phaseline.db{suffix}"))).ok();
    }
    let ended = project.run(&["doctor"]).expect(1);
    assert!(
        ended.stdout().contains("problem  database") && ended.stdout().contains("not a database"),
        "{}",
        ended.stdout()
    );
}

#[test]
fn a_folder_without_a_state_is_looked_at_and_stays_empty() {
    let project = Project::new();
    let ended = project.run(&["doctor"]).expect(0);
    assert!(
        ended.stdout().contains("warning  database") && ended.stdout().contains("there is no such file"),
        "{}",
        ended.stdout()
    );
    assert_eq!(fs::read_dir(project.path()).unwrap().count(), 0, "nothing is made");
}

#[test]
fn what_runs_left_behind_is_found() {
    let project = Project::with_manifest(MANIFEST);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    let runs = project.path().join(".phaseline/runs");
    fs::create_dir_all(runs.join(RunId::generate().to_string())).unwrap();
    let run =
        fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.join("attempts").exists());
    let attempt = fs::read_dir(run.unwrap().join("attempts")).unwrap().next().unwrap().unwrap().path();
    fs::create_dir_all(attempt.join("scratch")).unwrap();
    let told = project.run(&["doctor", "--json"]).json();
    let found = finding(&told, "leftovers")["findings"].as_array().unwrap();
    let messages: Vec<&str> = found.iter().map(|found| found["message"].as_str().unwrap()).collect();
    assert!(messages[0].starts_with("1 folder of runs that the database does not know"), "{messages:?}");
    assert!(messages[1].starts_with("1 scratch folder of attempts of ended runs"), "{messages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_is_looked_at_alike_here_and_by_itself() {
    let project = Project::new();
    project.write("pipelines/daily.yaml", MANIFEST);
    project.write("pipelines/broken.yaml", "version: 1\n");
    let daemon = Daemon::start(&project);
    let here = project.run(&["doctor", "--json"]).expect(1).json();
    let there = project.run(&["--server", daemon.address(), "doctor", "--json"]).expect(1).json();
    let names = |told: &Value| -> Vec<(Value, Value)> {
        let checks = told["checks"].as_array().unwrap().iter();
        checks.map(|check| (check["check"].clone(), check["level"].clone())).collect()
    };
    assert_eq!(names(&here), names(&there));
    for told in [&here, &there] {
        assert!(finding(told, "daemons")["message"].as_str().unwrap().starts_with("one, version"), "{told}");
        let broken = finding(told, "pipelines");
        assert_eq!(broken["level"], "problem", "{told}");
        assert!(broken["findings"][0]["place"].as_str().unwrap().ends_with("broken.yaml"), "{told}");
    }
    let deep = daemon.ask(reqwest::Method::GET, "/api/v1/doctor?deep=true", None).await;
    assert_eq!((deep.0, &deep.1["is_deep"]), (200, &true.into()));
    assert_eq!(daemon.ask(reqwest::Method::GET, "/api/v1/doctor?depth=1", None).await.0, 400);

    // One that is killed leaves its row behind.
    daemon.kill();
    let after = project.run(&["doctor", "--json"]).json();
    let found = finding(&after, "daemons");
    assert_eq!((&found["level"], &found["message"]), (&"warning".into(), &"none is alive".into()), "{after}");
}
