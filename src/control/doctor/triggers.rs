//! Triggers that do not fire: paused, due and not fired, or failed the last time.

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{Check, Finding};
use super::{daemons, words};
use crate::control::triggers;
use crate::store::queries::TriggerSummary;
use crate::store::{Store, StoreError};

/// How late a trigger may be.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);

pub(super) async fn check(store: &Store, now: DateTime<Utc>) -> Result<Check, StoreError> {
    let found = store.triggers_page(None, &triggers::everything()).await?.items;
    let has_daemon = store.daemons().await?.iter().any(daemons::is_alive);
    let findings = found.iter().flat_map(|trigger| judge(trigger, has_daemon, now)).collect();
    let message = match found.len() as u64 {
        0 => "there are none".to_owned(),
        count => words::count(count, "trigger"),
    };
    Ok(Check::new("triggers", message, findings))
}

fn judge(trigger: &TriggerSummary, has_daemon: bool, now: DateTime<Utc>) -> Vec<Finding> {
    let name = format!("{}.{}", trigger.pipeline, trigger.trigger_name);
    let mut findings = Vec::new();
    if let Some(at) = &trigger.paused_at {
        let by = trigger.paused_by.as_deref().unwrap_or("somebody");
        let message = format!("it was paused by {by} at {}, so only a hand fires it", words::time(at));
        findings.push(Finding::warning(
            &name,
            message,
            format!("`phaseline triggers resume {name}` lets it fire again"),
        ));
    } else if let Some(next) =
        trigger.next_at.as_ref().filter(|next| words::age(next, now).is_some_and(|age| age > PATIENCE))
    {
        let message = format!("it was due at {} and has not fired", words::time(next));
        findings.push(if has_daemon {
            Finding::problem(
                &name,
                message,
                "see whether its manifest is still in the daemon's folder, and the daemon's log",
            )
        } else {
            Finding::warning(
                &name,
                message,
                "no daemon was there: start `phaseline daemon`; its `missed` says what follows",
            )
        });
    }
    let because = trigger.because.as_deref().map(words::first_line).filter(|because| !because.is_empty());
    let told = because.map(|because| format!(": {because}")).unwrap_or_default();
    let nominal = trigger.last_nominal.as_deref().unwrap_or_default();
    let last = nominal.parse::<DateTime<Utc>>().map_or_else(|_| nominal.to_owned(), |_| words::time(nominal));
    if trigger.last_state.as_deref() == Some("failed") {
        let help = format!("`phaseline triggers fire {name}` tries again and says what is wrong");
        findings.push(Finding::warning(&name, format!("it made no run the last time ({last}){told}"), help));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn trigger() -> TriggerSummary {
        TriggerSummary {
            pipeline: "churn".to_owned(),
            trigger_name: "weekly".to_owned(),
            kind: "cron".to_owned(),
            definition: serde_json::json!({}),
            next_at: Some("2026-03-09T02:00:00.000000Z".to_owned()),
            looked_at: None,
            because: None,
            paused_at: None,
            paused_by: None,
            last_nominal: Some("2026-03-02T02:00:00.000000Z".to_owned()),
            last_state: Some("fired".to_owned()),
            last_run: None,
        }
    }

    #[test]
    fn a_trigger_that_does_not_fire_is_told() {
        let now = "2026-03-03T00:00:00Z".parse().unwrap();
        assert_eq!(judge(&trigger(), true, now), []);
        let at = || Some("2026-03-01T00:00:00.000000Z".to_owned());
        for (trigger, has_daemon, level, word) in [
            (TriggerSummary { next_at: at(), ..trigger() }, true, Level::Problem, "due at 2026-03-01 00:00:00 UTC"),
            (TriggerSummary { next_at: at(), ..trigger() }, false, Level::Warning, "has not fired"),
            (
                TriggerSummary { next_at: at(), paused_at: at(), paused_by: Some("ada".to_owned()), ..trigger() },
                true,
                Level::Warning,
                "paused by ada",
            ),
            (
                TriggerSummary {
                    last_state: Some("failed".to_owned()),
                    because: Some("no param `n`\n".to_owned()),
                    ..trigger()
                },
                true,
                Level::Warning,
                "the last time (2026-03-02 02:00:00 UTC): no param `n`",
            ),
        ] {
            let findings = judge(&trigger, has_daemon, now);
            assert_eq!((findings.len(), findings[0].level), (1, level), "{findings:?}");
            assert!(findings[0].message.contains(word), "{findings:?}");
        }
    }
}
