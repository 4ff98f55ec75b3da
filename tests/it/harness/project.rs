//! A folder with a manifest and a state folder, in which the program itself is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that a test waits for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A project in a temporary folder.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Project {
    /// An empty project.
    pub(crate) fn new() -> Project {
        Project { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// A project with one manifest, `pipeline.yaml`.
    pub(crate) fn with_manifest(text: &str) -> Project {
        let project = Project::new();
        project.write("pipeline.yaml", text);
        project
    }

    /// The same project, with a variable in the environment of every command.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Project {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Whoever looks at the folder meanwhile sees the file as a whole or not at all.
        let whole = path.with_file_name(format!(".{}.part", path.file_name().unwrap().to_string_lossy()));
        fs::write(&whole, content).unwrap();
        fs::rename(&whole, &path).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phaseline"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("PHASELINE_DATABASE_URL")
            .env_remove("PHASELINE_STATE")
            .env_remove("PHASELINE_SERVER")
            .env_remove("PHASELINE_TOKEN")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Starts the program and leaves it running.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until `condition` gives something.
    pub(crate) fn until<T>(&self, what: &str, mut condition: impl FnMut(&Path) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = condition(self.path()) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// How a command ended.
pub(crate) struct Ended(pub(crate) Output);

impl Ended {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Checks the exit code and gives everything that was printed if it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code(), code, "stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr());
        self
    }

    /// The JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout())
            .unwrap_or_else(|error| panic!("{error} in:\n{}\nstderr:\n{}", self.stdout(), self.stderr()))
    }

    /// The state of a step in the document of a run.
    #[track_caller]
    pub(crate) fn state(&self, step: &str) -> String {
        self.json()["steps"][step]["state"].as_str().unwrap_or("absent").to_owned()
    }
}
