//! The clock of this machine beside that of the database, by which leases run out.

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{Check, Finding};
use super::words;
use crate::store::{Leap, Store, StoreError};

/// How far clocks may be apart before people wonder about times.
const ODD: TimeDelta = TimeDelta::seconds(5);
/// How far they may be apart before times in manifests and tokens mean something else.
const WRONG: TimeDelta = TimeDelta::seconds(60);
/// After so long without anybody `gc` doubts the clock.
const LONG: TimeDelta = TimeDelta::days(30);

pub(super) async fn check(store: &Store, now: DateTime<Utc>) -> Result<Check, StoreError> {
    let before = Utc::now();
    let theirs = store.clock().await?;
    let ours = before + (Utc::now() - before) / 2;
    let schema = store.schema().await?;
    if schema.found != Some(schema.newest) {
        return Ok(judge(theirs - ours, None, None));
    }
    let latest = store.latest_run_at().await?.and_then(|at| words::age(&at, now));
    Ok(judge(theirs - ours, latest, store.clock_leap().await?))
}

/// `ahead`: by how much the database's clock is; `latest`: how long ago the latest run was asked for.
fn judge(ahead: TimeDelta, latest: Option<TimeDelta>, leap: Option<Leap>) -> Check {
    let apart = ahead.abs();
    let mut findings = Vec::new();
    if apart > ODD {
        let way = if ahead > TimeDelta::zero() { "behind" } else { "ahead of" };
        let message = format!("this machine's clock is {} {way} the database's", words::length(apart));
        let help = "let both machines set their clocks by NTP";
        let finding = if apart > WRONG { Finding::problem } else { Finding::warning };
        findings.push(finding("the clock", message.as_str(), help));
    }
    if let Some(age) = latest.filter(|age| *age < -WRONG) {
        let message = format!("the latest run was asked for {} from now: a clock was set back", words::length(-age));
        let help = "set the clock right; until then triggers and retention count from a time to come";
        findings.push(Finding::warning("the clock", message, help));
    }
    if let Some(leap) = leap.filter(|leap| leap.to - leap.from > LONG) {
        let help =
            "`phaseline gc --apply` frees nothing until it is told to --trust-clock: see whether the clock is right";
        findings.push(Finding::warning("the clock", leap.to_string(), help));
    }
    let message = if apart < TimeDelta::seconds(1) {
        "this machine and the database agree".to_owned()
    } else {
        format!("this machine and the database are {} apart", words::length(apart))
    };
    Check::new("clock", message, findings)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_told() {
        let told =
            |seconds, latest: Option<i64>| judge(TimeDelta::seconds(seconds), latest.map(TimeDelta::seconds), None);
        assert_eq!(told(0, Some(10)).level, Level::Ok);
        assert_eq!(told(-10, None).findings[0].message, "this machine's clock is 10 seconds ahead of the database's");
        assert_eq!(told(120, None).level, Level::Problem);
        let back = told(0, Some(-7_200));
        assert_eq!((back.level, back.findings[0].message.contains("2 hours from now")), (Level::Warning, true));
        let leap = |days| Leap { from: DateTime::UNIX_EPOCH, to: DateTime::UNIX_EPOCH + TimeDelta::days(days) };
        assert_eq!(judge(TimeDelta::zero(), None, Some(leap(31))).level, Level::Warning);
        assert_eq!(judge(TimeDelta::zero(), None, Some(leap(3))).level, Level::Ok);
    }
}
