//! Attempts are processes: they report once, can be adopted, and end with all their children.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use phaseline::artifact::ArtifactStore;
use phaseline::executor::{Ended, Executor, Found, LocalExecutor};
use phaseline::id::{AttemptId, RunId};
use phaseline::phase::Phase;
use phaseline::step::Fault;
use phaseline::worker::{AttemptFolder, Report, ReportedEnd, WorkOrder};
use serde_json::json;
use tokio::sync::mpsc;

pub(crate) fn order(state: &Path, command: &str, outputs: serde_json::Value) -> WorkOrder {
    WorkOrder {
        run: RunId::generate(),
        pipeline: "demo".parse().unwrap(),
        step: "work".parse().unwrap(),
        phase: Phase::DataEngineering,
        attempt: AttemptId::generate(),
        number: 1,
        kind: "command".to_owned(),
        params: json!({"run": command, "outputs": outputs}),
        inputs: BTreeMap::new(),
        seed: 7,
        base_folder: state.to_owned(),
        artifacts: state.join("artifacts").to_string_lossy().into_owned(),
        state_folder: state.to_owned(),
        checkpoint: state.join("checkpoint"),
        threads: 1,
        memory_bytes: None,
        env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
        secrets: Vec::new(),
        withheld: Vec::new(),
        record: json!({}),
    }
}

pub(crate) fn executor(state: &Path) -> LocalExecutor {
    let (messages, _) = mpsc::channel(16);
    LocalExecutor::new(state, messages).unwrap().with_program(env!("CARGO_BIN_EXE_phaseline"))
}

async fn report(state: &Path, command: &str, outputs: serde_json::Value) -> Report {
    let executor = executor(state);
    let order = order(state, command, outputs);
    executor.submit(&order).await.unwrap();
    match executor.wait(order.run, order.attempt).await.unwrap() {
        Ended::Reported(report) => *report,
        Ended::Vanished { why } => panic!("the attempt vanished: {why}"),
    }
}

async fn failure(command: &str, outputs: serde_json::Value) -> (Fault, String, String) {
    let state = tempfile::tempdir().unwrap();
    match report(state.path(), command, outputs).await.end {
        ReportedEnd::Failed(failure) => (failure.fault, failure.code, failure.message),
        ReportedEnd::Succeeded(_) => panic!("the command should fail"),
    }
}

#[tokio::test]
async fn a_command_gets_its_environment_and_hands_back_files_and_metrics() {
    let state = tempfile::tempdir().unwrap();
    let command = r#"
        echo "seen in the log"
        printf "$GREETING $PHASELINE_SEED" > "$PHASELINE_OUTPUT_GREETING"
        [ "$PHASELINE_STEP" = work ] && [ -n "$PHASELINE_RUN" ] && [ "$PHASELINE_ATTEMPT" != "$PHASELINE_RUN" ] || exit 3
        echo '{"metric": {"name": "valid.roc_auc", "value": 0.84}}' >> "$PHASELINE_EVENTS"
        echo '{"metric": {"name": "undefined", "value": null}}' >> "$PHASELINE_EVENTS"
    "#;
    let report = report(state.path(), command, json!({"greeting": "file"})).await;
    let ReportedEnd::Succeeded(outcome) = report.end else { panic!("{report:?}") };
    let store = ArtifactStore::open(state.path().join("artifacts")).unwrap();
    let (_, greeting) = outcome.outputs.first_key_value().unwrap();
    assert_eq!(std::fs::read_to_string(store.verified_path(greeting).unwrap()).unwrap(), "hello 7");
    let metrics: Vec<_> = outcome.metrics.iter().map(|metric| (metric.name.as_str(), metric.value)).collect();
    assert_eq!(metrics, [("valid.roc_auc", Some(0.84)), ("undefined", None)]);
    assert!(report.peak_memory_bytes > 0);
}

#[tokio::test]
async fn a_failed_command_says_what_it_said_last() {
    let (fault, code, message) = failure("echo one; echo no such customer >&2; exit 4", json!({})).await;
    assert_eq!((fault, code.as_str()), (Fault::Input, "command_failed"));
    assert!(message.contains("exit status: 4") && message.contains("no such customer"), "{message}");
}

#[tokio::test]
async fn exit_code_75_asks_for_another_attempt() {
    let (fault, code, _) = failure("exit 75", json!({})).await;
    assert_eq!((fault, code.as_str()), (Fault::Environment, "command_temporary"));
}

#[tokio::test]
async fn an_output_that_was_not_written_is_named() {
    let (fault, code, message) = failure("true", json!({"scores": "table"})).await;
    assert_eq!((fault, code.as_str()), (Fault::Input, "output_missing"));
    assert!(message.contains("`scores`"), "{message}");
    let (_, code, _) = failure("echo a,b > $PHASELINE_OUTPUT_SCORES", json!({"scores": "table"})).await;
    assert_eq!(code, "output_format");
}

#[tokio::test]
async fn a_killed_worker_is_lost_and_not_failed() {
    let state = tempfile::tempdir().unwrap();
    let executor = executor(state.path());
    let order = order(state.path(), "kill -9 $PPID", json!({}));
    executor.submit(&order).await.unwrap();
    let ended = executor.wait(order.run, order.attempt).await.unwrap();
    assert!(matches!(&ended, Ended::Vanished { why } if why.contains("signal 9")), "{ended:?}");
}

#[tokio::test]
async fn cancelling_ends_the_attempt_with_all_its_children() {
    let state = tempfile::tempdir().unwrap();
    let executor = executor(state.path());
    // The child ignores the polite signal, so only the end of the grace time ends it.
    let command = "trap '' TERM; echo $$ > pid; while :; do read -t 1 _ < /dev/zero; done; true";
    let order = order(state.path(), command, json!({}));
    executor.submit(&order).await.unwrap();
    let pid_file = state.path().join("pid");
    while std::fs::read_to_string(&pid_file).map_or(true, |pid| pid.trim().is_empty()) {
        tokio::task::yield_now().await;
    }
    executor.cancel(order.run, order.attempt, Duration::from_millis(50)).await.unwrap();
    assert!(matches!(executor.wait(order.run, order.attempt).await.unwrap(), Ended::Vanished { .. }));
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let runs = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z")
    };
    // A killed process takes a moment to go; one that was forgotten would stay, and this test with it.
    while runs() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cancelled_command_is_left_time_to_end_in_order() {
    let state = tempfile::tempdir().unwrap();
    let executor = executor(state.path());
    let command = "trap 'echo saved > saved; exit 0' TERM; touch started; while :; do read -t 0.05 _ < /dev/zero; done";
    let order = order(state.path(), command, json!({}));
    executor.submit(&order).await.unwrap();
    while !state.path().join("started").exists() {
        tokio::task::yield_now().await;
    }
    executor.cancel(order.run, order.attempt, Duration::from_secs(20)).await.unwrap();
    let ended = executor.wait(order.run, order.attempt).await.unwrap();
    let Ended::Reported(report) = ended else { panic!("{ended:?}") };
    assert!(matches!(&report.end, ReportedEnd::Failed(failure) if failure.code == "cancelled"), "{report:?}");
    assert!(state.path().join("saved").exists());
}

#[tokio::test]
async fn an_attempt_of_an_earlier_process_is_adopted() {
    let state = tempfile::tempdir().unwrap();
    let earlier = executor(state.path());
    let order = order(state.path(), "while [ ! -e go ]; do read -t 0.01 _ < /dev/zero; done; true", json!({}));
    earlier.submit(&order).await.unwrap();
    let folder = AttemptFolder::new(state.path(), order.run, order.attempt);
    while !folder.claim().exists() {
        tokio::task::yield_now().await;
    }
    let later = executor(state.path());
    let found = later.find(order.run, order.attempt).await.unwrap();
    let Found::Running { age: Some(age) } = found else { panic!("{found:?}") };
    assert!(age < Duration::from_mins(10), "{age:?}");
    std::fs::write(state.path().join("go"), "").unwrap();
    let ended = later.wait(order.run, order.attempt).await.unwrap();
    assert!(matches!(&ended, Ended::Reported(report) if matches!(report.end, ReportedEnd::Succeeded(_))), "{ended:?}");
    assert_eq!(later.find(order.run, order.attempt).await.unwrap(), Found::Ended(ended));
}

#[tokio::test]
async fn an_attempt_that_never_started_never_will() {
    let state = tempfile::tempdir().unwrap();
    let executor = executor(state.path());
    let order = order(state.path(), "true", json!({}));
    assert_eq!(executor.find(order.run, order.attempt).await.unwrap(), Found::NeverStarted);
    executor.submit(&order).await.unwrap();
    let ended = executor.wait(order.run, order.attempt).await.unwrap();
    assert!(matches!(ended, Ended::Vanished { .. }), "the claim was taken, so nothing may run: {ended:?}");
}
