//! The daemons that share the database: which live, what keeps them from work, and whether they fit together.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{Check, Finding};
use super::words;
use crate::executor::owner::{host, is_gone};
use crate::store::{DaemonEntry, Store, StoreError, StoreUrl};

pub(super) async fn check(store: &Store, now: DateTime<Utc>) -> Result<Check, StoreError> {
    let is_sqlite = matches!(store.url(), StoreUrl::Sqlite(_));
    Ok(judge(&store.daemons().await?, is_sqlite, now, is_gone))
}

/// Whether a daemon is there, as far as can be told.
pub(super) fn is_alive(daemon: &DaemonEntry) -> bool {
    daemon.state != "gone" && !is_gone(&daemon.daemon)
}

fn judge(daemons: &[DaemonEntry], is_sqlite: bool, now: DateTime<Utc>, is_gone: impl Fn(&str) -> bool) -> Check {
    let (alive, gone): (Vec<&DaemonEntry>, Vec<&DaemonEntry>) =
        daemons.iter().partition(|daemon| daemon.state != "gone" && !is_gone(&daemon.daemon));
    let mut findings: Vec<Finding> = alive.iter().flat_map(|daemon| of_one(daemon)).collect();
    if alive.is_empty()
        && let Some(last) = gone.iter().min_by_key(|daemon| daemon.silent_ms)
    {
        let silent = words::length(TimeDelta::milliseconds(last.silent_ms));
        let message = format!("it was heard of {silent} ago, did not say that it ends, and no other is there");
        findings.push(Finding::warning(&last.daemon, message, "start `phaseline daemon`; its log says how it ended"));
    }
    if is_sqlite && alive.len() > 1 {
        let names: Vec<&str> = alive.iter().map(|daemon| daemon.daemon.as_str()).collect();
        let message = "these work on one SQLite state, which is for one daemon";
        findings.push(Finding::problem(names.join(", "), message, "end all but one, or use Postgres"));
    }
    let message = match (alive.as_slice(), gone.len()) {
        ([], 0) => "none works on this state".to_owned(),
        ([], _) => "none is alive".to_owned(),
        ([one], _) => {
            let since = words::age(&one.started_at, now).map(words::length).unwrap_or_default();
            let address = one.address.as_deref().unwrap_or("no address");
            format!("one, version {}, at {address}, for {since}", one.version)
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|daemon| daemon.host.as_str()).collect();
            format!("{} on {}", several.len(), names.join(", "))
        }
    };
    Check::new("daemons", message, findings)
}

fn of_one(daemon: &DaemonEntry) -> Vec<Finding> {
    let place = daemon.daemon.as_str();
    let mut findings = Vec::new();
    if let Some(trouble) = daemon.trouble.as_ref().filter(|_| daemon.state == "running") {
        findings.push(Finding::problem(place, trouble.as_str(), "it takes no work until that is over"));
    }
    if daemon.state == "draining" {
        let help = "the next daemon goes on with its runs; start one if none is about to";
        findings.push(Finding::warning(place, "it is about to end and begins nothing new", help));
    }
    let ours = env!("CARGO_PKG_VERSION");
    if daemon.version != ours {
        let message = format!("it is version {}, and this program is {ours}", daemon.version);
        findings.push(Finding::warning(place, message, "upgrade both, and restart the daemon"));
    }
    if let Some(folder) = daemon.pipelines.as_ref().filter(|_| daemon.host == host())
        && !Path::new(folder).is_dir()
        && Path::new(folder).is_absolute()
    {
        let message = format!("the folder `{folder}` of its pipelines is gone");
        findings.push(Finding::problem(
            place,
            message,
            "bring it back, or restart the daemon with another --pipelines",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn daemon(name: &str) -> DaemonEntry {
        DaemonEntry {
            daemon: name.to_owned(),
            host: "alpha".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: Some("http://127.0.0.1:7654".to_owned()),
            pipelines: None,
            started_at: "2026-03-01T00:00:00.000000Z".to_owned(),
            silent_ms: 1_000,
            state: "running",
            trouble: None,
        }
    }

    fn told(daemons: &[DaemonEntry], is_sqlite: bool) -> Check {
        let now = "2026-03-02T12:00:00Z".parse().unwrap();
        judge(daemons, is_sqlite, now, |owner| owner.starts_with("dead"))
    }

    #[test]
    fn what_keeps_a_daemon_from_work_is_told() {
        let fine = told(&[daemon("one")], true);
        assert_eq!(fine.level, Level::Ok, "{fine:?}");
        assert!(fine.message.ends_with("at http://127.0.0.1:7654, for 36 hours"), "{fine:?}");
        assert_eq!(told(&[], true).message, "none works on this state");
        for (damaged, level, word) in [
            (DaemonEntry { trouble: Some("no room".to_owned()), ..daemon("one") }, Level::Problem, "no room"),
            (DaemonEntry { state: "draining", ..daemon("one") }, Level::Warning, "about to end"),
            (DaemonEntry { version: "0.0.1".to_owned(), ..daemon("one") }, Level::Warning, "version 0.0.1"),
            (
                DaemonEntry { host: host(), pipelines: Some("/not/there".to_owned()), ..daemon("one") },
                Level::Problem,
                "`/not/there`",
            ),
            (DaemonEntry { state: "gone", silent_ms: 300_000, ..daemon("one") }, Level::Warning, "5 minutes ago"),
            (daemon("dead"), Level::Warning, "no other is there"),
        ] {
            let check = told(&[damaged], true);
            assert_eq!((check.level, check.findings.len()), (level, 1), "{check:?}");
            assert!(check.findings[0].message.contains(word), "{check:?}");
        }
    }

    #[test]
    fn two_daemons_are_fine_on_postgres_only() {
        let both = [daemon("one"), daemon("two")];
        assert_eq!((told(&both, true).level, told(&both, false).level), (Level::Problem, Level::Ok));
        let replaced = [daemon("one"), daemon("dead")];
        assert_eq!(told(&replaced, true).level, Level::Ok, "one that was killed has a successor");
    }
}
