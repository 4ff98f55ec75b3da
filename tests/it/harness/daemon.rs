//! A daemon of a project: the program itself, on a free port.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use phaseline::store::{Store, StoreUrl};
use reqwest::{Method, RequestBuilder};
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
        fs::create_dir_all(project.path().join("pipelines")).unwrap();
        let log = fs::OpenOptions::new().create(true).append(true).open(project.path().join("daemon.log")).unwrap();
        let usual = ["daemon", "--listen", "127.0.0.1:0", "--pipelines", "pipelines", "--disk-floor", "0"];
        let mut child = project
            .command(&[&usual, arguments].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
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

    /// What the API answers to an admin.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.request(method, path).bearer_auth(&self.token);
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

    fn signal(&self) {
        // It may have ended by itself.
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let start = Instant::now();
        // The second one ends what runs as well.
        self.signal();
        std::thread::sleep(Duration::from_millis(50));
        self.signal();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > FAREWELL {
                self.child.kill().ok();
                self.child.wait().ok();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The state of a project, read beside its daemon.
pub(crate) async fn store_of(project: &Project) -> Store {
    Store::open(&StoreUrl::in_state_folder(&project.path().join(".phaseline"))).await.unwrap()
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
