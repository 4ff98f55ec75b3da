//! A throwaway Postgres server on a socket in a temporary folder, gone when dropped.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use phaseline::store::StoreUrl;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

const MISSING: &str = "these tests need Postgres: install it with `apt-get install postgresql` \
    (its server need not run; `initdb` and `postgres` are looked for on PATH and in /usr/lib/postgresql)";

/// A server of its own for one test.
pub(crate) struct Cluster {
    server: Child,
    binaries: PathBuf,
    account: Option<(u32, u32)>,
    // Dropped last, after the server has ended.
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Makes and starts a server; panics with a remedy where Postgres is not installed.
    pub(crate) async fn start() -> Cluster {
        let binaries = binaries().expect(MISSING);
        // The server refuses to run as root.
        let account =
            rustix::process::geteuid().is_root().then(|| unprivileged_account().expect("an account `nobody`"));
        let folder = tempfile::Builder::new().prefix("phaseline-pg").tempdir_in("/tmp").unwrap();
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let data = folder.path().join("data");
        let output = command(&binaries.join("initdb"), account)
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=phaseline"])
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        let server = serve(&binaries, account, folder.path());
        let cluster = Cluster { server, binaries, account, folder };
        cluster.wait_until_ready().await;
        cluster
    }

    /// An empty database of that name.
    pub(crate) async fn database(&self, name: &str) -> StoreUrl {
        let mut admin = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
        StoreUrl::Postgres(self.url(name))
    }

    /// Ends the server at once, as a crash does.
    pub(crate) fn stop(&mut self) {
        signal(&self.server, rustix::process::Signal::QUIT);
        self.server.wait().unwrap();
    }

    /// Starts the server again on the same data.
    pub(crate) async fn start_again(&mut self) {
        self.server = serve(&self.binaries, self.account, self.folder.path());
        self.wait_until_ready().await;
    }

    /// Lets the server and all that it has started stand still, so that nobody is answered and nobody is refused.
    pub(crate) fn freeze(&self) {
        self.signal_all(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal_all(rustix::process::Signal::CONT);
    }

    fn signal_all(&self, signal: rustix::process::Signal) {
        let own = self.server.id();
        // First the one that starts others.
        // A server that was stopped has none.
        let children = || fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        for process in std::iter::once(own.to_string()).chain(children().split_whitespace().map(str::to_owned)) {
            let pid = rustix::process::Pid::from_raw(process.parse().unwrap()).unwrap();
            // A connection may have ended meanwhile.
            rustix::process::kill_process(pid, signal).ok();
        }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://phaseline@localhost/{database}?host={}&sslmode=disable", self.folder.path().display())
    }

    async fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = PgConnection::connect(&self.url("postgres")).await {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "Postgres does not start: {error}\n{log}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.thaw();
        signal(&self.server, rustix::process::Signal::QUIT);
        self.server.wait().ok();
    }
}

fn signal(server: &Child, signal: rustix::process::Signal) {
    // It may have ended by itself.
    rustix::process::kill_process(rustix::process::Pid::from_child(server), signal).ok();
}

fn serve(binaries: &Path, account: Option<(u32, u32)>, folder: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    command(&binaries.join("postgres"), account)
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off"])
        .args(["-c", "shared_buffers=16MB", "-c", "max_connections=40", "-c", "autovacuum=off"])
        .stderr(log)
        .spawn()
        .unwrap()
}

fn command(program: &Path, account: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
    command
}

fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<PathBuf> = packaged.map(|version| version.path().join("bin")).collect();
    packaged.sort();
    std::env::split_paths(&path)
        .chain(packaged.into_iter().rev())
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// User and group of `postgres` or `nobody`.
fn unprivileged_account() -> Option<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
