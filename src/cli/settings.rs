//! Settings from flags, then the environment (`PHASELINE_*`), then `phaseline.toml` in the working folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use super::UsageError;
use super::daemon::DaemonFile;
use super::notify::NotifyFile;
use super::retention::RetentionFile;
use crate::daemon::RetentionSettings;
use crate::daemon::notify::NotifySettings;
use crate::units;
use crate::worker::DEFAULT_LOG_LIMIT;

/// The file that is read for settings, in the working folder.
const FILE: &str = "phaseline.toml";

#[derive(Debug, clap::Args)]
pub(super) struct SettingsArgs {
    /// Folder for the database, artifacts and logs [default: .phaseline].
    #[arg(long, global = true, value_name = "DIR", env = "PHASELINE_STATE")]
    state: Option<PathBuf>,
    /// A `postgres://` URL for state and lineage instead of SQLite in the state folder.
    #[arg(long, global = true, value_name = "URL", env = "PHASELINE_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A folder or object-store URL for artifacts instead of the state folder.
    #[arg(long, global = true, value_name = "URL", env = "PHASELINE_ARTIFACTS")]
    artifacts: Option<String>,
    /// CPU cores that steps may use together [default: all].
    #[arg(long, global = true, value_name = "N", env = "PHASELINE_CORES")]
    cores: Option<u32>,
    /// How much of the log of an attempt is kept, such as `64MiB` [default: 64MiB].
    #[arg(long, global = true, value_name = "SIZE", env = "PHASELINE_LOG_LIMIT", hide = true)]
    log_limit: Option<String>,
    /// Ask the daemon at this URL instead of the state of this machine; its token is in PHASELINE_TOKEN, in the file that
    /// --token-file names, or, for a daemon of this machine, in its state folder.
    #[arg(long, global = true, value_name = "URL", env = "PHASELINE_SERVER")]
    server: Option<String>,
    /// The file with the token for --server.
    #[arg(long, global = true, value_name = "FILE", env = "PHASELINE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Certificates, in PEM, that vouch for --server besides those of the system.
    #[arg(long, global = true, value_name = "FILE", env = "PHASELINE_CA")]
    ca: Option<PathBuf>,
    /// Say more on standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    state: Option<PathBuf>,
    database_url: Option<String>,
    artifacts: Option<String>,
    cores: Option<u32>,
    #[serde(default)]
    daemon: DaemonFile,
    log_limit: Option<String>,
    retention: Option<RetentionFile>,
    notify: Option<NotifyFile>,
}

/// A daemon that is asked over HTTP.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Its URL, as given.
    pub(super) url: String,
    /// The file with the token.
    pub(super) token_file: Option<PathBuf>,
    /// Certificates that vouch for it.
    pub(super) ca: Option<PathBuf>,
}

/// The settings of this invocation.
#[derive(Clone)]
pub struct Settings {
    /// The state folder, absolute.
    pub state: PathBuf,
    /// The URL of the database; SQLite in the state folder if none.
    pub database_url: Option<String>,
    /// Where artifacts are: a folder or a URL.
    pub artifacts: String,
    /// CPU cores that steps may use together.
    pub cores: u32,
    /// The table `[daemon]` of the file.
    pub(super) daemon: DaemonFile,
    /// How many bytes of the log of an attempt are kept.
    pub log_limit: u64,
    /// How long a daemon keeps what.
    pub retention: RetentionSettings,
    /// How a daemon sends notifications.
    pub notify: NotifySettings,
    /// The daemon to ask; none for the state of this machine.
    pub(super) server: Option<Server>,
    /// 0 for warnings, 1 for progress of the program itself, 2 for everything.
    pub verbosity: u8,
}

impl Settings {
    pub(super) fn resolve(args: SettingsArgs) -> anyhow::Result<Settings> {
        let file = read_file(Path::new(FILE))?;
        let state = args.state.or(file.state).unwrap_or_else(|| PathBuf::from(".phaseline"));
        let state = std::path::absolute(&state).with_context(|| format!("cannot use `{}`", state.display()))?;
        let artifacts =
            args.artifacts.or(file.artifacts).unwrap_or_else(|| state.join("artifacts").to_string_lossy().into_owned());
        let cores = args.cores.or(file.cores).unwrap_or_else(available_cores);
        if cores == 0 {
            return Err(UsageError::new("`cores` must be at least 1").into());
        }
        let database_url = args.database_url.or(file.database_url).filter(|url| !url.is_empty());
        if let Some(url) = &database_url
            && !["postgres://", "postgresql://", "sqlite:"].iter().any(|scheme| url.starts_with(scheme))
        {
            let message = "the database URL must start with `postgres://` or `sqlite:`";
            return Err(UsageError::new(message).help("leave it out for SQLite in the state folder").into());
        }
        let log_limit =
            match args.log_limit.or(file.log_limit) {
                None => DEFAULT_LOG_LIMIT,
                Some(text) => text.parse().ok().or_else(|| units::bytes(&text)).ok_or_else(|| {
                    UsageError::new(format!("`log_limit` must be a size such as `64MiB`, not `{text}`"))
                })?,
            };
        let server = args.server.filter(|url| !url.is_empty()).map(|url| Server {
            url,
            token_file: args.token_file,
            ca: args.ca,
        });
        let notify = file.notify.unwrap_or_default().resolve()?;
        let retention = file.retention.unwrap_or_default().resolve()?;
        Ok(Settings {
            state,
            database_url,
            artifacts,
            cores,
            log_limit,
            daemon: file.daemon,
            retention,
            notify,
            server,
            verbosity: args.verbose,
        })
    }

    /// ` --state DIR` for commands that are shown to be repeated, or nothing where the default counts.
    pub(super) fn state_hint(&self) -> String {
        let is_default = std::path::absolute(".phaseline").is_ok_and(|path| path == self.state);
        if is_default { String::new() } else { format!(" --state {}", self.state.display()) }
    }
}

fn available_cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

fn read_file(path: &Path) -> anyhow::Result<SettingsFile> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(SettingsFile::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        Ok(text) => toml::from_str(&text).map_err(|error| {
            UsageError::new(format!("`{}` is not right: {}", path.display(), error.to_string().trim_end()))
                .help("it may hold `state`, `database_url`, `artifacts`, `cores`, `log_limit` and the tables `[daemon]`, `[retention]` and `[notify]`")
                .into()
        }),
    }
}
