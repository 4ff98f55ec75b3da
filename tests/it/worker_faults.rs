//! Steps that go wrong in every way that a process can: the end is told truly, nothing is left running, and nothing fills up.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use phaseline::executor::{Ended, Executor, LocalExecutor};
use phaseline::step::Fault;
use phaseline::worker::{AttemptFolder, Failure, ReportedEnd, WorkOrder};
use serde_json::json;

use crate::attempts::{executor, order};
use crate::harness::project::Project;

/// What came of an attempt, with its log.
struct Came {
    state: tempfile::TempDir,
    ended: Ended,
    log: Vec<u8>,
}

async fn attempt(command: &str, with: impl FnOnce(WorkOrder, LocalExecutor) -> (WorkOrder, LocalExecutor)) -> Came {
    let state = tempfile::tempdir().unwrap();
    let (order, executor) = with(order(state.path(), command, json!({})), executor(state.path()));
    executor.submit(&order).await.unwrap();
    let ended = executor.wait(order.run, order.attempt).await.unwrap();
    let log = fs::read(AttemptFolder::new(state.path(), order.run, order.attempt).log()).unwrap();
    Came { state, ended, log }
}

async fn came_of(command: &str) -> Came {
    attempt(command, |order, executor| (order, executor)).await
}

impl Came {
    #[track_caller]
    fn failure(&self) -> &Failure {
        match &self.ended {
            Ended::Reported(report) => match &report.end {
                ReportedEnd::Failed(failure) => failure,
                ReportedEnd::Succeeded(_) => panic!("the step should fail"),
            },
            Ended::Vanished { why } => panic!("the worker vanished: {why}"),
        }
    }

    #[track_caller]
    fn vanished(&self) -> &str {
        match &self.ended {
            Ended::Vanished { why } => why,
            Ended::Reported(report) => panic!("{report:?}"),
        }
    }

    fn has_succeeded(&self) -> bool {
        matches!(&self.ended, Ended::Reported(report) if matches!(report.end, ReportedEnd::Succeeded(_)))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.log).into_owned()
    }
}

/// Waits until the process whose id is in the file at `path` is gone.
fn gone(path: &Path) {
    let pid = fs::read_to_string(path).unwrap();
    let start = Instant::now();
    loop {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z") {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "process {pid} is still there: {stat}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_command_that_is_killed_or_crashes_is_told_by_its_signal() {
    for (signal, name, code, fault) in [
        ("KILL", "signal 9 (SIGKILL)", "command_killed", Fault::Environment),
        ("SEGV", "signal 11 (SIGSEGV)", "command_failed", Fault::Input),
        ("ABRT", "signal 6 (SIGABRT)", "command_failed", Fault::Input),
    ] {
        let came = came_of(&format!("echo about to crash; kill -{signal} $$")).await;
        let failure = came.failure();
        assert_eq!((failure.code.as_str(), failure.fault), (code, fault), "{failure:?}");
        assert!(failure.message.contains(name) && failure.message.contains("about to crash"), "{failure:?}");
        assert!(failure.help.is_some());
    }
    let below_a_shell = came_of("sh -c 'kill -SEGV $$'; exit $?").await;
    assert!(below_a_shell.failure().message.contains("SIGSEGV"), "{:?}", below_a_shell.failure());
}

#[tokio::test]
async fn a_worker_that_is_ended_is_told_by_its_signal_and_what_it_logged_can_be_read() {
    for (signal, name) in
        [("KILL", "signal 9, SIGKILL"), ("ABRT", "signal 6 (SIGABRT)"), ("SEGV", "signal 11 (SIGSEGV)")]
    {
        // Rust looks at a first SIGSEGV, and only the second one ends the process.
        let command = format!(
            "echo flushed; until grep -q flushed ../../log; do :; done; while :; do kill -{signal} $PPID; sleep 0.01; done"
        );
        let came = attempt(&command, |mut order, executor| {
            let folder = AttemptFolder::new(&order.state_folder, order.run, order.attempt);
            order.base_folder = folder.scratch().join("below");
            fs::create_dir_all(&order.base_folder).unwrap();
            (order, executor)
        })
        .await;
        assert!(came.vanished().contains(name), "{}", came.vanished());
        assert_eq!(came.text(), "flushed\n");
    }
}

#[tokio::test]
async fn what_a_step_leaves_running_is_ended_even_if_it_made_a_session_of_its_own() {
    let daemonise =
        "setsid sh -c 'setsid sh -c \"echo \\$\\$ > pid; trap : TERM; while :; do sleep 600; done\" & exit' & ";
    let wait = "until [ -s pid ]; do :; done; ";
    let came = came_of(&format!("{daemonise}{wait}exit 0")).await;
    assert!(came.has_succeeded(), "{}", came.text());
    gone(&came.state.path().join("pid"));
    // The worker, which would look after it, is killed.
    let came = came_of(&format!("{daemonise}{wait}kill -9 $PPID")).await;
    assert!(came.vanished().contains("SIGKILL"));
    gone(&came.state.path().join("pid"));
}

#[tokio::test]
async fn a_cancelled_step_that_ignores_it_is_gone_with_all_that_it_started() {
    let state = tempfile::tempdir().unwrap();
    let executor = executor(state.path());
    let command =
        "trap '' TERM; setsid sh -c 'echo $$ > pid; while :; do sleep 600; done' & while :; do sleep 600; done";
    let order = order(state.path(), command, json!({}));
    executor.submit(&order).await.unwrap();
    let pid = state.path().join("pid");
    while fs::read_to_string(&pid).map_or(true, |pid| pid.trim().is_empty()) {
        tokio::task::yield_now().await;
    }
    executor.cancel(order.run, order.attempt, Duration::from_millis(50)).await.unwrap();
    let ended = executor.wait(order.run, order.attempt).await.unwrap();
    assert!(matches!(ended, Ended::Vanished { .. }), "{ended:?}");
    gone(&pid);
}

#[tokio::test]
async fn a_command_may_close_its_output_and_go_on() {
    let came = came_of("exec >&- 2>&-; true").await;
    assert!(came.has_succeeded());
    let came = came_of("exec >&- 2>&-; exit 3").await;
    assert!(came.failure().message.contains("exit status: 3"));
}

#[tokio::test]
async fn a_log_of_a_gibibyte_is_cut_and_the_step_does_not_notice() {
    let command = "head -c 1073741824 /dev/zero | tr '\\0' x; echo; echo the end";
    let came = attempt(command, |order, executor| (order, executor.with_log_limit(1 << 20))).await;
    assert!(came.has_succeeded());
    assert!(came.log.len() < (1 << 20) + 64 * 1024, "{} bytes", came.log.len());
    let text = came.text();
    assert!(text.contains("reached its limit of 1048576 bytes") && text.contains("bytes were left out"));
    assert!(text.ends_with("the end\n"));
    let Ended::Reported(report) = &came.ended else { unreachable!() };
    assert!(report.peak_memory_bytes < 256 << 20, "{} bytes", report.peak_memory_bytes);
}

#[tokio::test]
async fn a_line_of_100_mib_and_binary_output_do_no_harm() {
    let command = r#"head -c 104857600 /dev/zero; head -c 104857600 /dev/zero | tr '\0' '{' >> "$PHASELINE_EVENTS"
        printf '\n{"metric": {"name": "after", "value": 1}}\n' >> "$PHASELINE_EVENTS"; printf '\377\376\000\n' >&2"#;
    let came = came_of(command).await;
    let Ended::Reported(report) = &came.ended else { panic!("{:?}", came.ended) };
    let ReportedEnd::Succeeded(outcome) = &report.end else { panic!("{report:?}") };
    assert_eq!(outcome.metrics.len(), 1, "the line after the long one counts");
    assert!(came.text().contains("64 KiB"), "the long line is named");
    assert!(came.log.windows(4).any(|bytes| bytes == b"\xff\xfe\0\n"));
    assert!(report.peak_memory_bytes < 256 << 20, "{} bytes", report.peak_memory_bytes);
}

#[tokio::test]
async fn metrics_without_end_are_cut() {
    let line = r#"{"metric": {"name": "loss", "value": 1}}"#;
    let came = came_of(&format!("yes '{line}' | head -n 20000 > \"$PHASELINE_EVENTS\"")).await;
    let Ended::Reported(report) = &came.ended else { panic!("{:?}", came.ended) };
    let ReportedEnd::Succeeded(outcome) = &report.end else { panic!("{report:?}") };
    assert_eq!(outcome.metrics.len(), 10_000);
    assert!(came.text().contains("10000 metrics"));
}

#[tokio::test]
async fn a_command_that_needs_more_memory_than_it_may_use_is_told_so() {
    let command = "python3 -c 'x = bytearray(1 << 30)'";
    let came = attempt(command, |mut order, executor| {
        order.memory_bytes = Some(256 << 20);
        (order, executor)
    })
    .await;
    let failure = came.failure();
    if failure.code == "out_of_memory" {
        return;
    }
    assert_eq!(failure.code, "command_failed");
    assert!(failure.message.contains("MemoryError"), "{failure:?}");
    assert!(failure.help.as_ref().unwrap().contains("limit of 256 MiB"), "{failure:?}");
}

#[test]
fn a_native_step_that_needs_more_memory_than_it_may_use_is_told_so() {
    let project = Project::with_manifest(
        r#"
version: 1
pipeline: large
understanding:
  steps:
    customers: {uses: ingest.csv, with: {path: data.csv}, resources: {memory: 256MiB}}
data_engineering:
  steps:
    features:
      uses: feature.pipeline
      inputs: {fit: customers}
      with: {target: {column: left, positive: "Yes"}, transforms: [{standardize: {}, columns: "@numeric"}]}
model_engineering:
  steps:
    net:
      uses: train.mlp
      inputs: {train: features.fit}
      with: {hidden: [8192, 8192], epochs: 1, early_stopping: false}
      resources: {memory: 64MiB}
"#,
    );
    let row = |number: usize| format!("{},{}\n", number % 70, ["Yes", "No"][number % 2]);
    project.write("data.csv", "tenure,left\n".to_owned() + &(0..100).map(row).collect::<String>());
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(1);
    assert_eq!(ended.state("features"), "succeeded", "{}", ended.stdout());
    let error = &ended.json()["steps"]["net"]["error"];
    assert_eq!(error["code"], "out_of_memory", "{error}");
    assert_eq!(error["message"], "the step used more than its 64 MiB of memory");
    assert!(error["help"].as_str().unwrap().contains("resources"), "{error}");
}

#[test]
fn a_command_past_its_timeout_is_gone_and_told_so() {
    let project = Project::with_manifest(
        r#"
version: 1
pipeline: slow
data_engineering:
  steps:
    hangs: {run: "trap '' TERM; setsid sh -c 'echo $$ > pid; while :; do sleep 600; done' & while :; do sleep 600; done", timeout: 5s}
"#,
    );
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(1);
    assert_eq!(ended.json()["steps"]["hangs"]["error"]["code"], "timeout", "{}", ended.stdout());
    gone(&project.path().join("pid"));
}

#[tokio::test]
async fn an_exit_without_outputs_is_a_failure_that_names_them() {
    let state = tempfile::tempdir().unwrap();
    let executor = executor(state.path());
    let order = order(state.path(), "exit 0", json!({"scores": "table"}));
    executor.submit(&order).await.unwrap();
    let Ended::Reported(report) = executor.wait(order.run, order.attempt).await.unwrap() else { panic!("it vanished") };
    let ReportedEnd::Failed(failure) = report.end else { panic!("it succeeded") };
    assert!(failure.code == "output_missing" && failure.message.contains("`scores`"), "{failure:?}");
}

#[tokio::test]
async fn a_step_goes_on_when_nobody_reads_its_progress() {
    let state = tempfile::tempdir().unwrap();
    // A hundred times what a pipe holds, and nobody at its other end: as when the daemon is stopped.
    let progress = r#"{"progress": {"done": 1, "total": 1, "unit": "x", "note": "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"}}"#;
    let command = format!("yes '{progress}' | head -n 50000 > \"$PHASELINE_EVENTS\"");
    let order = order(state.path(), &command, json!({}));
    let folder = AttemptFolder::new(state.path(), order.run, order.attempt);
    fs::create_dir_all(folder.path()).unwrap();
    fs::write(folder.order(), serde_json::to_vec(&order).unwrap()).unwrap();
    let mut worker = std::process::Command::new(env!("CARGO_BIN_EXE_phaseline"))
        .arg("worker")
        .arg(folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let unread = worker.stdout.take().unwrap();
    assert!(worker.wait().unwrap().success());
    drop(unread);
}
