//! A daemon of a project: the program itself, on a free port.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use phaseline::store::{Store, StoreUrl};
use reqwest::{Method, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::project::Project;

/// The longest that a test waits for something that a daemon should do soon.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a daemon that is asked to end may take.
const FAREWELL: Duration = Duration::from_secs(20);

/// A daemon that ends with everything it started when dropped.
pub(crate) struct Daemon {
    child: Child,
    address: String,
    token: String,
    // A pipe without a reader would be an error to the daemon.
    _printed: Lines<BufReader<ChildStdout>>,
}

impl Daemon {
    /// Starts a daemon that loads the project's folder `pipelines`, and waits until it listens.
    pub(crate) fn start(project: &Project) -> Daemon {
        Daemon::start_with(project, &[])
    }

    /// The same with more arguments. What it logs is appended to `daemon.log`.
    pub(crate) fn start_with(project: &Project, arguments: &[&str]) -> Daemon {
        Daemon::launch(project, arguments, None)
    }

    /// One in which a fault waits for its point, such as `gc.before_delete:1:kill`.
    pub(crate) fn start_armed(project: &Project, fault: &str) -> Daemon {
        Daemon::launch(project, &[], Some(fault))
    }

    fn launch(project: &Project, arguments: &[&str], fault: Option<&str>) -> Daemon {
        fs::create_dir_all(project.path().join("pipelines")).unwrap();
        let log = fs::OpenOptions::new().create(true).append(true).open(project.path().join("daemon.log")).unwrap();
        let mut usual = vec!["daemon", "--pipelines", "pipelines"];
        if !arguments.contains(&"--listen") {
            usual.extend(["--listen", "127.0.0.1:0"]);
        }
        if !arguments.contains(&"--disk-floor") {
            usual.extend(["--disk-floor", "0"]);
        }
        let mut command = project.command(&[usual.as_slice(), arguments].concat());
        if let Some(fault) = fault {
            arm(&mut command, project, fault);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let logged = || fs::read_to_string(project.path().join("daemon.log")).unwrap_or_default();
        let first = printed.next().unwrap_or_else(|| panic!("the daemon has ended:\n{}", logged())).unwrap();
        let address = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}")).to_owned();
        let state = arguments.iter().position(|argument| *argument == "--state").map(|at| arguments[at + 1]);
        let token = project.path().join(state.unwrap_or(".phaseline")).join("daemon.token");
        let token = fs::read_to_string(token).unwrap().trim().to_owned();
        Daemon { child, address, token, _printed: printed }
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A request without a token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, format!("{}{path}", self.address))
    }

    /// A request of an admin.
    pub(crate) fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(&self.token)
    }

    /// What the API answers to an admin.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.admin(method, path);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        kill_process(Pid::from_child(&self.child), signal).ok();
    }

    /// Whether it has ended.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ends(&mut self) {
        until("the end of the daemon", async || self.is_gone().then_some(())).await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let start = Instant::now();
        // The second one ends what runs as well.
        self.signal(Signal::TERM);
        std::thread::sleep(Duration::from_millis(50));
        self.signal(Signal::TERM);
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > FAREWELL {
                self.child.kill().ok();
                self.child.wait().ok();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Lets a fault wait for its point in a command of a project.
pub(crate) fn arm(command: &mut Command, project: &Project, fault: &str) {
    let log = project.path().join("fired");
    fs::remove_file(&log).ok();
    command.env("PHASELINE_FAULT", fault).env("PHASELINE_FAULT_LOG", log);
}

/// Whether the fault that was armed last has acted.
pub(crate) fn has_fired(project: &Project) -> bool {
    fs::read_to_string(project.path().join("fired")).is_ok_and(|text| !text.is_empty())
}

/// The state of a project, read beside its daemon.
pub(crate) async fn store_of(project: &Project) -> Store {
    Store::open(&StoreUrl::in_state_folder(&project.path().join(".phaseline"))).await.unwrap()
}

/// Everything that the daemons of a project have logged.
pub(crate) fn log_of(project: &Project) -> String {
    fs::read_to_string(project.path().join("daemon.log")).unwrap_or_default()
}

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
