//! Runs that should be driven and are not, and those that were put aside.

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{Check, Finding};
use super::{daemons, words};
use crate::executor::owner::is_gone;
use crate::store::{OpenRun, Store, StoreError};

/// A daemon takes a run within this time, that of a dead one within its lease.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);

pub(super) async fn leases(store: &Store, now: DateTime<Utc>) -> Result<Check, StoreError> {
    let has_daemon = store.daemons().await?.iter().any(daemons::is_alive);
    Ok(judge(&store.open_runs().await?, has_daemon, now, is_gone))
}

fn judge(runs: &[OpenRun], has_daemon: bool, now: DateTime<Utc>, is_gone: impl Fn(&str) -> bool) -> Check {
    let is_driven = |run: &OpenRun| run.is_held && !run.owner.as_deref().is_some_and(&is_gone);
    let driven = runs.iter().filter(|run| is_driven(run)).count() as u64;
    let findings = runs.iter().filter(|run| !is_driven(run)).filter_map(|run| undriven(run, has_daemon, now)).collect();
    let message = match runs.len() as u64 {
        0 => "no run is under way".to_owned(),
        open => format!("{} under way, {driven} of them driven", words::count(open, "run")),
    };
    Check::new("leases", message, findings)
}

fn undriven(run: &OpenRun, has_daemon: bool, now: DateTime<Utc>) -> Option<Finding> {
    let place = format!("{} ({})", run.run, run.pipeline);
    let is_resting = run.wake_ms.is_some_and(|wake_ms| wake_ms > now.timestamp_millis());
    if run.is_held_back || is_resting {
        return None;
    }
    let undriven = match run.undriven_ms {
        Some(since) => Some(TimeDelta::milliseconds(since)).filter(|since| *since >= TimeDelta::zero()),
        None => words::age(&run.created_at, now),
    };
    let how_long = undriven.map(|time| format!(" for {}", words::length(time))).unwrap_or_default();
    let owner = run.owner.as_deref().map(|owner| format!(", since {owner} is gone")).unwrap_or_default();
    if !run.is_shared {
        let message = format!("nobody has driven it{how_long}{owner}");
        return Some(Finding::warning(place, message, format!("`phaseline resume {}` goes on with it", run.run)));
    }
    if !has_daemon {
        let message = format!("it has waited for a daemon{how_long}{owner}");
        let help = format!("start `phaseline daemon`, or go on here with `phaseline resume {}`", run.run);
        return Some(Finding::warning(place, message, help));
    }
    // One that is taken over right now is as it should be.
    undriven.is_some_and(|time| time > PATIENCE).then(|| {
        let message = format!("no daemon has taken it{how_long}{owner}");
        let help = "see the log of the daemons, whether they have trouble, and whether they drive all the `--runs` that they may";
        Finding::warning(place, message, help)
    })
}

pub(super) async fn quarantine(store: &Store) -> Result<Check, StoreError> {
    let runs = store.quarantined_runs().await?;
    let message = match runs.len() as u64 {
        0 => "no run was put aside".to_owned(),
        count => {
            format!("{} put aside", if count == 1 { "1 run was".to_owned() } else { format!("{count} runs were") })
        }
    };
    let help = "repair its rows from a backup, or update the program; a daemon tries it again when it starts";
    let findings = runs
        .into_iter()
        .map(|run| {
            Finding::problem(
                format!("{} ({})", run.run, run.pipeline),
                format!("it cannot be read: {}", run.because),
                help,
            )
        })
        .collect();
    Ok(Check::new("quarantine", message, findings))
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::id::RunId;

    fn now() -> DateTime<Utc> {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }

    fn run() -> OpenRun {
        OpenRun {
            run: RunId::from_u128(1),
            pipeline: "daily".to_owned(),
            owner: Some("alive".to_owned()),
            is_held: true,
            undriven_ms: Some(-10_000),
            created_at: "2026-03-02T11:00:00.000000Z".to_owned(),
            is_shared: true,
            wake_ms: None,
            is_held_back: false,
        }
    }

    fn told(run: OpenRun, has_daemon: bool) -> Check {
        judge(&[run], has_daemon, now(), |owner| owner == "dead")
    }

    #[test]
    fn a_run_that_nobody_drives_is_told_with_who_can() {
        assert_eq!(told(run(), true).message, "1 run under way, 1 of them driven");
        let left = OpenRun { is_held: false, undriven_ms: Some(300_000), ..run() };
        for (run, has_daemon, message, help) in [
            (
                OpenRun { is_shared: false, ..left.clone() },
                true,
                "driven it for 5 minutes, since alive is gone",
                "resume run_",
            ),
            (left.clone(), false, "waited for a daemon for 5 minutes", "phaseline daemon"),
            (left.clone(), true, "no daemon has taken it for 5 minutes", "--runs"),
            (
                OpenRun { owner: None, undriven_ms: None, ..left.clone() },
                false,
                "waited for a daemon for 60 minutes",
                "resume run_",
            ),
            (
                OpenRun { owner: Some("dead".to_owned()), is_shared: false, ..run() },
                true,
                "since dead is gone",
                "resume run_",
            ),
        ] {
            let check = told(run, has_daemon);
            assert_eq!((check.level, check.findings.len()), (Level::Warning, 1), "{check:?}");
            assert!(check.findings[0].message.contains(message) && check.findings[0].help.contains(help), "{check:?}");
        }
    }

    #[test]
    fn a_run_that_rests_is_held_back_or_is_just_taken_over_is_as_it_should_be() {
        let left = OpenRun { is_held: false, undriven_ms: Some(5_000), ..run() };
        let later = Some(now().timestamp_millis() + 1);
        for (run, has_daemon) in [
            (left.clone(), true),
            (OpenRun { wake_ms: later, ..left.clone() }, false),
            (OpenRun { is_held_back: true, ..left }, false),
        ] {
            assert_eq!(told(run, has_daemon).level, Level::Ok);
        }
    }
}
