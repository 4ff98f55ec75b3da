//! What was asked of runs and is not carried out, and notifications that never arrived.

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{Check, Finding};
use super::words;
use crate::store::{GivenUp, Store, StoreError, WaitingRequest};

/// How long whoever drives a run may take for a request.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);
/// How far back notifications are looked at.
const LATELY: TimeDelta = TimeDelta::days(7);

pub(super) async fn requests(store: &Store, now: DateTime<Utc>) -> Result<Check, StoreError> {
    Ok(judge_requests(&store.waiting_requests().await?, now))
}

fn judge_requests(requests: &[WaitingRequest], now: DateTime<Utc>) -> Check {
    let late = |request: &&WaitingRequest| words::age(&request.created_at, now).is_none_or(|age| age > PATIENCE);
    let findings = requests
        .iter()
        .filter(late)
        .map(|request| {
            let since = words::time(&request.created_at);
            let message = format!(
                "`{}` was asked for by {} at {since}, and nobody has carried it out",
                request.kind, request.asked_by
            );
            let help = if request.is_driven {
                "somebody drives the run and does not get to it: see the log of that process".to_owned()
            } else {
                format!("it counts when somebody drives the run: a daemon, or `phaseline resume {}`", request.run)
            };
            Finding::warning(&request.run, message, help)
        })
        .collect();
    let message = match requests.len() as u64 {
        0 => "nothing that was asked of runs is left to be done".to_owned(),
        count => format!("{} of runs not carried out yet", words::count(count, "request")),
    };
    Check::new("requests", message, findings)
}

pub(super) async fn notifications(store: &Store, now: DateTime<Utc>) -> Result<Check, StoreError> {
    Ok(judge_notifications(&store.given_up_since(now - LATELY).await?))
}

fn judge_notifications(given_up: &[GivenUp]) -> Check {
    let findings = given_up
        .iter()
        .map(|lost| {
            let error = lost.last_error.as_deref().map(|error| format!(": {}", words::first_line(error)));
            let message = format!(
                "{} of `{}` never arrived{}",
                words::count(lost.count, "notification"),
                lost.pipeline,
                error.unwrap_or_default()
            );
            Finding::warning(
                &lost.target,
                message,
                "see `notify` in the manifest and `[notify]` in the daemon's settings",
            )
        })
        .collect();
    let message = match given_up.iter().map(|lost| lost.count).sum() {
        0 => "none was given up in the last 7 days".to_owned(),
        count => format!("{} given up in the last 7 days", words::count(count, "notification")),
    };
    Check::new("notifications", message, findings)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_request_that_nobody_carries_out_is_told() {
        let now = "2026-03-02T12:00:00Z".parse().unwrap();
        let asked = |created_at: &str, is_driven| WaitingRequest {
            run: "run_1".to_owned(),
            kind: "cancel".to_owned(),
            asked_by: "ada".to_owned(),
            created_at: created_at.to_owned(),
            is_driven,
        };
        assert_eq!(judge_requests(&[asked("2026-03-02T11:59:30.000000Z", true)], now).level, Level::Ok);
        let check = judge_requests(&[asked("2026-03-02T11:00:00.000000Z", false)], now);
        assert_eq!(
            check.findings[0].message,
            "`cancel` was asked for by ada at 2026-03-02 11:00:00 UTC, and nobody has carried it out"
        );
        assert!(check.findings[0].help.contains("phaseline resume run_1"));
    }

    #[test]
    fn a_notification_that_never_arrived_is_told_with_its_last_error() {
        let lost = GivenUp {
            pipeline: "churn".to_owned(),
            target: "webhook".to_owned(),
            count: 2,
            last_error: Some("404 Not Found\nbody".to_owned()),
        };
        let check = judge_notifications(&[lost]);
        assert_eq!(check.findings[0].message, "2 notifications of `churn` never arrived: 404 Not Found");
        assert_eq!(judge_notifications(&[]).level, Level::Ok);
    }
}
