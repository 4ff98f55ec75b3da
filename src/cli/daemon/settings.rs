//! Settings of the daemon from flags, the environment and the table `[daemon]` of `phaseline.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::cli::UsageError;
use crate::units;

/// Where the daemon listens unless told.
const LISTEN: &str = "127.0.0.1:7654";
const LEASE: Duration = Duration::from_secs(15);
/// A lease is renewed three times within its time, and a database may be away for some of it.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);
const MOST_RUNS: usize = 256;
const DISK_FLOOR: u64 = 256 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// The table `[daemon]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct DaemonFile {
    listen: Option<SocketAddr>,
    pipelines: Option<PathBuf>,
    hosts: Option<Vec<String>>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    insecure_public: Option<bool>,
    lease: Option<String>,
    runs: Option<usize>,
    disk_floor: Option<String>,
    linger: Option<String>,
}

/// What can be said on the command line.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Given {
    /// Load every manifest (`*.yaml`, `*.yml`) below this folder, and again whenever one changes.
    #[arg(long, value_name = "DIR", env = "PHASELINE_PIPELINES")]
    pipelines: Option<PathBuf>,
    /// The address and port to listen on [default: 127.0.0.1:7654].
    #[arg(long, value_name = "ADDRESS", env = "PHASELINE_LISTEN")]
    listen: Option<SocketAddr>,
    /// A name under which others reach the daemon, besides `localhost` and its address; may be given several times.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// The certificate, with the chain above it, to answer by TLS.
    #[arg(long, value_name = "FILE", env = "PHASELINE_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate.
    #[arg(long, value_name = "FILE", env = "PHASELINE_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Listen without TLS on an address that others can reach: tokens and data can be read on the way.
    #[arg(long)]
    insecure_public: bool,
    /// How long a daemon that says nothing keeps its runs before others take them over [default: 15s].
    #[arg(long, value_name = "TIME", env = "PHASELINE_LEASE")]
    lease: Option<String>,
    /// How many runs are driven at once; waiting ones hold nothing [default: 256].
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Begin nothing new while less than this is free in the state folder or for artifacts; 0 for no floor
    /// [default: 256MiB].
    #[arg(long, value_name = "SIZE", env = "PHASELINE_DISK_FLOOR")]
    disk_floor: Option<String>,
    /// How long to wait for a second signal, which ends what runs, before leaving it to the next daemon [default: 2s].
    #[arg(long, value_name = "TIME")]
    linger: Option<String>,
}

/// How the daemon of this invocation works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) listen: SocketAddr,
    pub(super) pipelines: Option<PathBuf>,
    pub(super) hosts: Vec<String>,
    pub(super) tls: Option<(PathBuf, PathBuf)>,
    pub(super) lease_for: Duration,
    pub(super) most_runs: usize,
    pub(super) disk_floor_bytes: u64,
    pub(super) linger: Duration,
}

impl Given {
    pub(super) fn resolve(self, file: DaemonFile) -> Result<Resolved, UsageError> {
        let listen = self.listen.or(file.listen).unwrap_or_else(|| LISTEN.parse().expect("the default is an address"));
        let tls = match (self.tls_cert.or(file.tls_cert), self.tls_key.or(file.tls_key)) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => return Err(UsageError::new("`--tls-cert` needs `--tls-key`")),
            (None, Some(_)) => return Err(UsageError::new("`--tls-key` needs `--tls-cert`")),
        };
        let may_be_read = self.insecure_public || file.insecure_public.unwrap_or_default();
        if !listen.ip().is_loopback() && tls.is_none() && !may_be_read {
            let message = format!("`{listen}` can be reached from other machines, and there is no TLS");
            return Err(UsageError::new(message)
                .help("give --tls-cert and --tls-key, or say --insecure-public if something before it does TLS"));
        }
        let time = |name: &str, text: Option<String>, default: Duration| match text {
            None => Ok(default),
            Some(text) => units::duration(&text).ok_or_else(|| {
                UsageError::new(format!("`{text}` is no time for `{name}`")).help("write `15s` or `2m`")
            }),
        };
        let lease_for = time("lease", self.lease.or(file.lease), LEASE)?;
        if lease_for < SHORTEST_LEASE {
            return Err(UsageError::new(format!("`lease` must be at least {} s", SHORTEST_LEASE.as_secs())));
        }
        let most_runs = self.runs.or(file.runs).unwrap_or(MOST_RUNS);
        if most_runs == 0 {
            return Err(UsageError::new("`runs` must be at least 1"));
        }
        let disk_floor_bytes = match self.disk_floor.or(file.disk_floor) {
            None => DISK_FLOOR,
            Some(text) if text == "0" => 0,
            Some(text) => units::bytes(&text).ok_or_else(|| {
                UsageError::new(format!("`{text}` is no size for `disk_floor`")).help("write `256MiB` or `0`")
            })?,
        };
        Ok(Resolved {
            listen,
            pipelines: self.pipelines.or(file.pipelines),
            hosts: if self.hosts.is_empty() { file.hosts.unwrap_or_default() } else { self.hosts },
            tls,
            lease_for,
            most_runs,
            disk_floor_bytes,
            linger: time("linger", self.linger.or(file.linger), LINGER)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(arguments: &[&str], file: &str) -> Result<Resolved, UsageError> {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Given,
        }
        let line = <Line as clap::Parser>::parse_from(["daemon"].iter().chain(arguments));
        line.args.resolve(toml::from_str(file).unwrap())
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let resolved = resolve(&["--listen", "[::1]:1"], "listen = '127.0.0.1:2'\nlease = '5s'").unwrap();
        assert_eq!(resolved.listen, "[::1]:1".parse().unwrap());
        assert_eq!(resolved.lease_for, Duration::from_secs(5));
        assert_eq!((resolved.most_runs, resolved.disk_floor_bytes), (MOST_RUNS, DISK_FLOOR));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_remedy() {
        for (arguments, expected) in [
            (&["--listen", "0.0.0.0:1"][..], "can be reached from other machines"),
            (&["--tls-cert", "a"], "needs `--tls-key`"),
            (&["--lease", "1s"], "at least 3 s"),
            (&["--lease", "soon"], "no time"),
            (&["--disk-floor", "much"], "no size"),
            (&["--runs", "0"], "at least 1"),
        ] {
            let message = resolve(arguments, "").unwrap_err().to_string();
            assert!(message.contains(expected), "{arguments:?}: {message}");
        }
        assert!(resolve(&["--listen", "0.0.0.0:1", "--insecure-public"], "").is_ok());
    }
}
