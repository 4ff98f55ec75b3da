//! Attempts as child processes of this one, each in a process group of its own.

use std::collections::HashMap;
use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

use super::ending::{self, unreported};
use super::leftovers::{self, ATTEMPT_VARIABLE};
use super::{Ended, Executor, ExecutorError, Found};
use crate::fault;
use crate::id::{AttemptId, RunId, StepName};
use crate::worker::{
    AttemptFolder, BASE_VARIABLE, Claim, ClaimError, DEFAULT_LOG_LIMIT, LOG_LIMIT_VARIABLE, MemoryEnforcement, Report,
    WORKER_COMMAND, WorkOrder, WorkerMessage,
};

/// The longest message of a worker; see its reporter.
const LONGEST_MESSAGE: usize = 4096;

/// How often an adopted attempt is looked at; it is no child of ours, so nobody tells us.
const ADOPTED_POLL: Duration = Duration::from_millis(50);

/// A message of a running attempt, for the display.
#[derive(Debug, Clone)]
pub struct AttemptMessage {
    /// The step.
    pub step: StepName,
    /// The attempt.
    pub attempt: AttemptId,
    /// What it said.
    pub message: WorkerMessage,
}

/// Runs attempts as local child processes.
pub struct LocalExecutor {
    state: PathBuf,
    program: PathBuf,
    messages: mpsc::Sender<AttemptMessage>,
    log_limit: u64,
    memory: LazyLock<MemoryEnforcement>,
    running: Mutex<HashMap<AttemptId, Watched>>,
}

/// A child that a task of ours waits for.
struct Watched {
    process_group: Pid,
    end: watch::Receiver<Option<Ended>>,
}

impl LocalExecutor {
    /// An executor below the `state` folder that starts this same program and sends what workers say to `messages`;
    /// when that channel is full, messages are dropped.
    ///
    /// # Errors
    /// When the program's own path cannot be found.
    pub fn new(state: &Path, messages: mpsc::Sender<AttemptMessage>) -> io::Result<LocalExecutor> {
        let program = std::env::current_exe()?;
        Ok(LocalExecutor {
            state: state.to_owned(),
            program,
            messages,
            log_limit: DEFAULT_LOG_LIMIT,
            memory: LazyLock::new(MemoryEnforcement::prepare),
            running: Mutex::default(),
        })
    }

    /// The same executor with another limit for the log of an attempt, in bytes.
    #[must_use]
    pub fn with_log_limit(self, log_limit: u64) -> LocalExecutor {
        LocalExecutor { log_limit, ..self }
    }

    /// How steps are kept to their memory limits here.
    pub fn memory_enforcement(&self) -> &MemoryEnforcement {
        &self.memory
    }

    /// The same executor with another worker program, for tests.
    #[must_use]
    pub fn with_program(self, program: impl Into<PathBuf>) -> LocalExecutor {
        LocalExecutor { program: program.into(), ..self }
    }

    fn folder(&self, run: RunId, attempt: AttemptId) -> AttemptFolder {
        AttemptFolder::new(&self.state, run, attempt)
    }

    fn spawn(&self, order: &WorkOrder, folder: &AttemptFolder) -> io::Result<Child> {
        fs::create_dir_all(folder.path())?;
        fs::write(folder.order(), serde_json::to_vec(order)?)?;
        let log = File::create(folder.log())?;
        let mut command = Command::new(&self.program);
        match self.memory_enforcement() {
            MemoryEnforcement::ControlGroup(base) => command.env(BASE_VARIABLE, base),
            MemoryEnforcement::EachProcess { .. } => command.env_remove(BASE_VARIABLE),
        };
        if order.memory_bytes.is_some() {
            // The allocator counts against a limit what it reserves ahead, which is more than most limits.
            command.env("MIMALLOC_ARENA_EAGER_COMMIT", "0");
        }
        command
            .arg(WORKER_COMMAND)
            .arg(folder.path())
            .env("RAYON_NUM_THREADS", order.threads.to_string())
            .env(LOG_LIMIT_VARIABLE, self.log_limit.to_string())
            .env(ATTEMPT_VARIABLE, order.attempt.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()
    }

    fn watched(&self, attempt: AttemptId) -> Option<(Pid, watch::Receiver<Option<Ended>>)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(&attempt).map(|watched| (watched.process_group, watched.end.clone()))
    }
}

fn failed(doing: impl Into<String>) -> impl FnOnce(io::Error) -> ExecutorError {
    let doing = doing.into();
    move |source| ExecutorError::Io { doing, source }
}

#[async_trait]
impl Executor for LocalExecutor {
    async fn submit(&self, order: &WorkOrder) -> Result<(), ExecutorError> {
        let folder = self.folder(order.run, order.attempt);
        fault::point("spawn.before").map_err(failed(format!("start a worker for step `{}`", order.step)))?;
        let child = self.spawn(order, &folder).map_err(failed(format!("start a worker for step `{}`", order.step)))?;
        fault::point("spawn.after").unwrap_or_else(|error| tracing::error!(%error, "the worker was started anyway"));
        let process_group = group_of(child.id().unwrap_or_default());
        let (end_sender, end) = watch::channel(None);
        let messages = self.messages.clone();
        let (step, attempt) = (order.step.clone(), order.attempt);
        // The task owns the child and ends with it; `wait` and `cancel` see it through the channel.
        tokio::spawn(async move {
            let ended = watch_child(child, &folder, process_group, &messages, &step, attempt).await;
            end_sender.send_replace(Some(ended));
        });
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt, Watched { process_group, end });
        Ok(())
    }

    async fn wait(&self, run: RunId, attempt: AttemptId) -> Result<Ended, ExecutorError> {
        let Some((_, mut end)) = self.watched(attempt) else {
            return wait_for_adopted(&self.folder(run, attempt), attempt).await;
        };
        let ended = match end.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().expect("waited until there is one"),
            Err(_) => Ended::Vanished { why: "nobody watches its process any more".to_owned() },
        };
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt);
        Ok(ended)
    }

    async fn find(&self, run: RunId, attempt: AttemptId) -> Result<Found, ExecutorError> {
        let folder = self.folder(run, attempt);
        let doing = || format!("look for attempt {attempt}");
        fs::create_dir_all(folder.path()).map_err(failed(doing()))?;
        match Claim::take(&folder) {
            // The claim is ours now, so a worker that is still on its way to it will not run.
            Ok(_) => Ok(Found::NeverStarted),
            Err(ClaimError::Io(error)) => Err(failed(doing())(error)),
            Err(ClaimError::Taken) => {
                let ended = look(&folder, attempt).map_err(failed(doing()))?;
                let claim = Claim::read(&folder).map_err(failed(doing()))?;
                let running = Found::Running { age: claim.and_then(|claim| claim.age()) };
                Ok(ended.map_or(running, Found::Ended))
            }
        }
    }

    async fn cancel(&self, run: RunId, attempt: AttemptId, grace: Duration) -> Result<(), ExecutorError> {
        let doing = || format!("end attempt {attempt}");
        match self.watched(attempt) {
            Some((process_group, mut end)) => {
                let ended = async move { drop(end.wait_for(Option::is_some).await) };
                end_group(process_group, ended, grace).await.map_err(failed(doing()))?;
                leftovers::end(&self.folder(run, attempt), attempt).await;
                Ok(())
            }
            None => match Claim::read(&self.folder(run, attempt)).map_err(failed(doing()))? {
                Some(claim) if claim.is_alive() => {
                    let process_group = group_of(claim.pid);
                    let ended = async move {
                        while claim.is_alive() {
                            tokio::time::sleep(ADOPTED_POLL).await;
                        }
                    };
                    end_group(process_group, ended, grace).await.map_err(failed(doing()))?;
                    leftovers::end(&self.folder(run, attempt), attempt).await;
                    Ok(())
                }
                _ => Ok(()),
            },
        }
    }
}

fn group_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

/// Asks a process group to end, waits until its worker has `ended` or the `grace` is over, and ends what is left.
async fn end_group(group: Pid, ended: impl Future<Output = ()>, grace: Duration) -> io::Result<()> {
    let signal = |signal: Signal| match killpg(group, signal) {
        Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => Ok(()),
        Err(error) => Err(io::Error::from(error)),
    };
    signal(Signal::SIGTERM)?;
    drop(tokio::time::timeout(grace, ended).await);
    signal(Signal::SIGKILL)
}

async fn watch_child(
    mut child: Child,
    folder: &AttemptFolder,
    process_group: Pid,
    messages: &mpsc::Sender<AttemptMessage>,
    step: &StepName,
    attempt: AttemptId,
) -> Ended {
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::with_capacity(LONGEST_MESSAGE, stdout);
        let mut line = Vec::new();
        while let Ok(1..) = (&mut lines).take(LONGEST_MESSAGE as u64).read_until(b'\n', &mut line).await {
            if let Ok(message) = serde_json::from_slice(&line) {
                // A display that cannot keep up misses some progress; the worker must never wait for it.
                drop(messages.try_send(AttemptMessage { step: step.clone(), attempt, message }));
            }
            line.clear();
        }
    }
    let status = child.wait().await;
    // A program that the step left running must not outlive the attempt and write into what comes after it.
    if killpg(process_group, Signal::SIGKILL).is_ok() {
        tracing::debug!(step = %step, attempt = %attempt, "ended what the attempt left running");
    }
    let ended = match Report::read(folder) {
        Ok(Some(report)) => Ended::Reported(Box::new(report)),
        Ok(None) => unreported(folder, attempt, status),
        Err(error) => Ended::Vanished { why: format!("its report cannot be read: {error}") },
    };
    match &ended {
        Ended::Reported(_) => leftovers::remove_group(folder).await,
        // A worker that was ended could not tidy up after its programs.
        Ended::Vanished { .. } => leftovers::end(folder, attempt).await,
    }
    ended
}

/// How a claimed attempt ended; none while it runs.
fn look(folder: &AttemptFolder, attempt: AttemptId) -> io::Result<Option<Ended>> {
    let claim = Claim::read(folder)?;
    let is_alive = claim.is_some_and(|claim| claim.is_alive());
    // The report is read after the look at the process: a worker that ends in between has left it by then.
    match Report::read(folder)? {
        Some(report) => Ok(Some(Ended::Reported(Box::new(report)))),
        None if is_alive => Ok(None),
        None => Ok(Some(ending::found_gone(folder, attempt))),
    }
}

async fn wait_for_adopted(folder: &AttemptFolder, attempt: AttemptId) -> Result<Ended, ExecutorError> {
    loop {
        if let Some(ended) = look(folder, attempt).map_err(failed("look at an adopted attempt"))? {
            leftovers::end(folder, attempt).await;
            return Ok(ended);
        }
        tokio::time::sleep(ADOPTED_POLL).await;
    }
}
